"""What a layer says of an answer, by what happens when it is taken from another sentence: interchange interventions."""
