"""Pictures of attention: the heads of one sentence, word by word, and what heads give to a relation on the mean."""
