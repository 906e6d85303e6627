"""One configuration trained and scored."""
