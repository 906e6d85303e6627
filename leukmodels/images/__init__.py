"""One image file to pixels, and where the white cell is in them."""
