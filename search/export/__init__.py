"""The preferred configuration as a folder that needs no study: ``python -m search.export``."""
