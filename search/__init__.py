"""The study: what to try, run it, stop it, keep the front."""
