"""Transfer: a probe of one data set asked of every other, in one matrix with what the text alone would say."""
