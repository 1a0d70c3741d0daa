"""What each layer of a model would predict if the model's own head read it."""
