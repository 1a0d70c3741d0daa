"""What the heads of attention look at: their weights beside the words and the syntax of a corpus.

Enters: a cache that holds attention weights. Leaves: which head follows which relation, and how each spreads its
weight. No live model is seen here.
"""
