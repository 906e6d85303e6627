"""The front trained again on other patients, then the locked test patients: ``python -m search.confirm``."""
