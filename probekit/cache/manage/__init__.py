"""Looking after caches: describe, verify, repair, free."""
