"""One image file to pixels, and where the white cell is in them."""

from typing import Literal

# As the file stores them, or converted to sRGB by the colour profile in the file.
Colours = Literal["stored", "srgb"]
