"""What modules are made of, and where in a model they are put."""
