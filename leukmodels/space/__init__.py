"""Hyperparameters, and the search spaces that are made of them."""
