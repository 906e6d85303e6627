"""From images to a Pareto front: ``python -m search.run``."""
