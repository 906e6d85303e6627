"""Hyperparameters to a Keras model."""
