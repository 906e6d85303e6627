"""Prepared images kept between studies, and how to free them: ``python -m search.cache``."""
