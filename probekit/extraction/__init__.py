"""From a corpus and a model to an activation cache: spec (pure), layout, forward_pass, run."""
