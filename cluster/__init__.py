"""Where it runs: Ray sessions and jobs. Knows no metrics and no Optuna."""
