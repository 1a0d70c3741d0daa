"""Words as points: analogies and similarities of word vectors, static or of a layer, against what people say."""
