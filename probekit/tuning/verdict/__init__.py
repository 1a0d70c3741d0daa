"""Was the plan right? Runs beside each depth and each rival, and the bill of all."""
