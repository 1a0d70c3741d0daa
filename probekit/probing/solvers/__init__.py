"""What fits: batched convex solvers and the trainer of networks."""
