"""The page of a study: facts computed from its files, figures, and templates that set both as one HTML file."""
