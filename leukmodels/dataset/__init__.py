"""Patients dealt into parts and folds; pixels stored and read."""
