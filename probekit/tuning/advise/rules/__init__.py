"""The rules by which a plan is made from a report, one decision a file."""
