"""Ray Tune and Optuna at work on a study: trials proposed, trained, promoted or stopped."""
