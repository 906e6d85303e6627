"""The training cells whose labels are disputed, listed and shown: ``python -m search.curate``."""
