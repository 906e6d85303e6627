"""What else than the cells could tell the classes apart: colours, background, counts, a split by image."""
