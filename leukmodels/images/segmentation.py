"""Where the white cell is in an image, and what surely is not the cell.

On a black background (C-NMC) the cell is what is not black. On a smear it is found by its stain. Azure and eosin, which
stain white cells, take more green than blue out of the light; the haemoglobin of red cells takes nearly as much blue.
What is left of the green optical density after 1.5 times the blue is nought in red cells and on glass, and above it in
nucleus, granules and all but the pinkest cytoplasm; of such pixels, those that hang together in the middle are the
cell. The factor and the threshold were set beside real images (AML-Cytomorphology_LMU, May-Grünwald-Giemsa).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Images = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]

_BLUE_SHARE = 1.5
_STAINED = 0.06  # natural optical density
_GLASS_PERCENT = 95  # of an image's pixels are no brighter than glass
BLACK = 8  # 0 in the collection itself; in a JPEG of it the black is not quite black
_WORKED_PX = 64  # masks of larger images are found on every second, third, ... pixel

# All as shares of the image's side; 24.9 µm in the MLL collection, where the largest cells have a diameter of 18 µm.
_GRAIN, _BRIDGE, _RIM = 1 / 90, 1 / 24, 1 / 64
_DISC, _MARGIN = 0.36, 0.04
_SMALLEST, _LARGEST = 0.01, 0.75  # shares of the area: a mask beyond these is no cell

_IN_PLANE = np.array([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))], bool)  # 8 neighbours, no other image
_CROSS = _IN_PLANE & ndimage.generate_binary_structure(3, 1)


def cell_masks(images: Images, *, black_background: bool) -> Masks:
    """Return where the white cell in the middle of each image is, rim included: (n, px, px) of images (n, px, px, 3).

    Where nothing like a cell is found (less than 1 % of the image or more than 75 %), the mask is the disc in the
    middle that nearly every cell lies in.
    """
    px = images.shape[1]
    step = max(1, px // _WORKED_PX)
    small = images[:, ::step, ::step]
    stained = small.max(axis=-1) > BLACK if black_background else _stained(small)
    masks = _filled(_central(stained))
    masks = masks.repeat(step, axis=1).repeat(step, axis=2)[:, :px, :px]
    shares = masks.mean(axis=(1, 2))
    masks[(shares < _SMALLEST) | (shares > _LARGEST)] = _disc_in_the_middle(px)
    return masks


def background_masks(masks: Masks) -> Masks:
    """Return what surely is background: outside the cell by a margin, and outside the middle where any cell may lie.

    The second keeps the size of a cell, and cytoplasm that was not found, out of what is called background. An image
    that a cell fills has its corners for a background.
    """
    px = masks.shape[1]
    reach = 2 * math.ceil(_MARGIN * px) + 1
    far: Masks = ~(ndimage.maximum_filter(masks, (1, reach, reach)) | _disc_in_the_middle(px))
    far[~far.any(axis=(1, 2))] = ~_disc_in_the_middle(px)
    return far


def _stained(images: Images) -> Masks:
    """Return where there is more stain of white cells than red cells and glass have."""
    n, px = images.shape[:2]
    light = images.astype(np.float32) + 1
    glass = np.percentile(light.reshape(n, -1, 3), _GLASS_PERCENT, axis=1)[:, None, None].astype(np.float32)
    green, blue = (np.log(glass[..., channel] / light[..., channel]) for channel in (1, 2))
    density = ndimage.gaussian_filter(green - _BLUE_SHARE * blue, (0, px * _GRAIN, px * _GRAIN))
    # Opened, so that a cell does not hang together with the dark edges of red cells; then grown by what blur took.
    opened = ndimage.binary_opening(density > _STAINED, _disc(_BRIDGE * px))
    grown: Masks = ndimage.binary_dilation(opened, _disc(_RIM * px))
    return grown


def _central(stained: Masks) -> Masks:
    """Return of each image the connected part that weighs most, pixels in the middle weighing most."""
    n, px = stained.shape[:2]
    parts, count = ndimage.label(stained, _IN_PLANE)
    off = (np.arange(px) - (px - 1) / 2) / (px / 6)
    weight = np.exp(-(off[:, None] ** 2 + off**2) / 2)
    weights = np.bincount(parts.ravel(), np.broadcast_to(weight, parts.shape).ravel(), count + 1)
    weights[0] = 0
    flat = parts.reshape(n, -1)
    chosen = flat[np.arange(n), weights[flat].argmax(axis=1)]
    found: Masks = (parts == chosen[:, None, None]) & (chosen > 0)[:, None, None]
    return found


def _filled(masks: Masks) -> Masks:
    """Return the masks without holes: what does not reach the edge of its image belongs to the cell."""
    outside, count = ndimage.label(np.pad(~masks, ((0, 0), (1, 1), (1, 1)), constant_values=True), _CROSS)
    reaches = np.zeros(count + 1, bool)
    reaches[outside[:, 0, 0]] = True
    filled: Masks = ~reaches[outside][:, 1:-1, 1:-1]
    return filled


def _disc(radius_px: float) -> npt.NDArray[Any]:
    """Return a disc as the neighbourhood of a pixel in its own image."""
    reach = math.ceil(radius_px)
    axis = np.arange(-reach, reach + 1)
    return (axis[:, None] ** 2 + axis**2 <= radius_px**2)[None]


def _disc_in_the_middle(px: int) -> Masks:
    axis = np.arange(px) - (px - 1) / 2
    inside: Masks = axis[:, None] ** 2 + axis**2 <= (_DISC * px) ** 2
    return inside


def colours_within(
    images: Images, masks: Masks
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return each pixel's weight (n, 1, p), 0 outside of the masks, the mean colours (n, 1, 3), and what pixels differ.

    The differences from the mean have the shape (n, p, 3), with p the number of pixels.
    """
    n = len(images)
    weights = masks.reshape(n, 1, -1).astype(np.float32)
    weights /= weights.sum(axis=-1, keepdims=True)
    values = images.reshape(n, -1, 3).astype(np.float32)
    means = weights @ values
    values -= means
    return weights, means, values
