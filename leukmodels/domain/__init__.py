"""What a model was trained on looks like, and whether images are like it: its domain of applicability."""
