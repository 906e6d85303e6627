"""The data plane: files to prepared pixels, and those to where the trials read them."""
