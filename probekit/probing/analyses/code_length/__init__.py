"""Code length: online and variational."""
