"""What tells a mask, a drawing or a grey picture from a photograph of a stained cell."""

import numpy as np
import numpy.typing as npt
from PIL import Image

# Masks of public collections have 2 to 5 levels (background, cell, cytoplasm, nucleus, artefact); a photograph of a
# hundred pixels has more.
_FEW = 8
_MIDDLE_PX = 32  # a photograph has more colours there already
_SPREAD = 3  # between the channels of a pixel that is grey: JPEG rounds to a level or two


def few_colours(image: Image.Image) -> int:
    """Return how many colours an RGB image has where they are as few as a mask's, 2 to 8; 0 otherwise."""
    left, top = ((side - _MIDDLE_PX) // 2 for side in image.size)
    # Out of a small image this would be padded with black, which adds but one colour.
    if image.crop((left, top, left + _MIDDLE_PX, top + _MIDDLE_PX)).getcolors(_FEW + 1) is None:
        return 0
    found = len(image.getcolors(_FEW) or ())
    return found if found > 1 else 0


def colourless(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return whether each of the images (n, px, px, 3) is all grey, as bool (n,)."""
    middle = images.shape[1] // 2
    grey = _grey(images[:, middle, middle])
    grey[grey] = [bool(_grey(images[row]).all()) for row in np.flatnonzero(grey)]  # few, where cells are coloured
    return grey


def _grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    spread = pixels.max(axis=-1) - pixels.min(axis=-1)
    grey: npt.NDArray[np.bool_] = spread <= _SPREAD
    return grey
