"""Writing a cache: staged text, shards, completion."""
