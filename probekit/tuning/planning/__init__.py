"""A plan while it is made: defaults, edits, what is put in as typed, its course over the steps, its picture."""
