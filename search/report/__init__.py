"""What a study found as one HTML page: facts of its files, figures, and templates: ``python -m search.report``."""
