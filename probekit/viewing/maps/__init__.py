"""Maps of a cache: the targets of a task as points on a plane, layer by layer, with what a plane loses of them."""
