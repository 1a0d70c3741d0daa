"""Trees in vectors: distance and depth probes of a given rank [Hewitt & Manning 2019].

Enters: words with their heads, and each layer's vectors. Leaves: what a study asks of every layer, one method a
rank. A random projection of the same rank is the control, and the chain of neighbours the floor.
"""
