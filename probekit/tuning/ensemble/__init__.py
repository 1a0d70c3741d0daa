"""Several runs that answer one task: what each says of dev and test, how much each counts, and what that is worth."""
