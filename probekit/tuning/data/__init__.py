"""What is trained on: the targets of a task with the tokens of their examples, laid out in a stated order."""
