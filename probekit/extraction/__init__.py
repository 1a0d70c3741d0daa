"""From a corpus and a model to an activation cache: plan (pure), batch, engine, run."""
