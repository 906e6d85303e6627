"""A study's front tried again, the chosen few held against the locked test patients: ``python -m search.confirm``."""
