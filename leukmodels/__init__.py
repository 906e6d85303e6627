"""The science: one configuration in, one outcome out. Knows no Ray, Optuna or MLflow."""
