"""The study: what to try, run it, stop it, keep the front."""

__version__ = "0.1.0"
