"""Reports for readers: tables and figures."""
