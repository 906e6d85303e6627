"""Which trials are best: dominance, the Pareto front, preferences between its members, operating points."""
