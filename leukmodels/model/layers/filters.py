"""Edges and texture as a fixed filter sees them, shown to the network or used to sharpen the image."""

import math

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

KINDS = ("laplacian", "log", "sobel")
USES = ("append", "subtract", "subtract_learned")

# Of the response, taken from the image: 1 doubles the difference between a pixel and its surroundings.
SHARPENING = 1.0

# With all eight neighbours the filter answers alike to edges in steps of 45 degrees, with four only of 90 (Gonzalez and
# Woods, Digital Image Processing, 4th ed., 3.6); scaled to the same second derivative it also passes on less of the
# camera's noise, 2.8 times its standard deviation against 4.5. Dividing by 8 keeps the response within [-1, 1].
_LAPLACIAN = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]]) / 8
_SECOND_DERIVATIVE = 8 / 3  # of the sum of squares x² + y², whose Laplacian is 4, the filter above makes 3/2

_SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8

# Rounds off the tip of the square root, a quarter of a grey level wide. A power of two, whose square has an exact root:
# where there is no slope the response is exactly 0.
_FLAT = 2.0**-10

# The rim of a cut-out cell is faded, by 1 px in C-NMC's own files, by 2 once they are scaled and turned. On its cells
# at 144 px the Laplacian's mean response 2 px from the black was 18 times that within the cell, at 3 px 3 times, at
# 4 px 1.3 times; turned by 30 degrees 16, 10 and 2 times.
RIM_PX = 2

# Values on this grid, and sums of them, are exact in float32.
_GRID = 2.0**-20


@keras.saving.register_keras_serializable(package="leukmodels")
class EdgeFilter(keras.layers.Layer):
    """The response of a fixed filter to each colour of images (n, h, w, 3) in [0, 1], joined with them.

    kind "laplacian"         the mean of a pixel's eight neighbours less the pixel
    kind "log"               sigma² times the Laplacian of the image under a Gaussian of standard deviation sigma in px;
                             the factor makes responses to blobs of different size comparable (Lindeberg 1998,
                             doi:10.1023/A:1008045108935). Window of side 2 ceil(3 sigma) + 1
    kind "sobel"             the length of the gradient, per px
    use "append"             (n, h, w, 6): the image, then the response
    use "subtract"           (n, h, w, 3): the image sharpened, not clipped: less SHARPENING times the response
    use "subtract_learned"   the same, SHARPENING being where a trained scalar starts

    The frame is mirrored and so gives no response; h and w exceed half the window. With black_background the response
    is 0 wherever an exactly black pixel lies in the window or within RIM_PX of it: the rim of a cut-out cell would be
    the strongest edge. Computed in float32 whatever the compute type, in which filters would no longer sum to zero.

    Raises ValueError for an unknown kind or use, a sigma that is not positive, or a gradient's length to be subtracted.
    """

    def __init__(self, *, kind: str, use: str, black_background: bool, sigma: float = 1.0, **kwargs: object) -> None:
        super().__init__(autocast=False, **kwargs)
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; allowed: {', '.join(KINDS)}.")
        if use not in USES:
            raise ValueError(f"use is {use!r}; allowed: {', '.join(USES)}.")
        if kind == "sobel" and use != "append":
            raise ValueError(
                f"use is {use!r}; the length of a gradient sharpens nothing: append it, or take a Laplacian."
            )
        if not sigma > 0:
            raise ValueError(f"sigma is {sigma!r}; allowed: above 0, in px.")
        self.kind, self.use, self.black_background, self.sigma = kind, use, black_background, sigma
        self._kernels = _kernels(kind, sigma)

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the scalar that is learned, where one is."""
        if self.use == "subtract_learned":
            initial = keras.initializers.Constant(SHARPENING)
            self.sharpening = self.add_weight(shape=(), initializer=initial, name="sharpening")

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return the images joined with the response, in the compute type."""
        images = ops.cast(images, "float32")
        response = self._response(images)
        if self.black_background:
            response = ops.where(self._near_black(images), 0.0, response)
        return ops.cast(self._joined(images, response), self.compute_dtype)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the layer."""
        own = {"kind": self.kind, "use": self.use, "black_background": self.black_background, "sigma": self.sigma}
        return {**super().get_config(), **own}

    def _response(self, images: keras.KerasTensor) -> keras.KerasTensor:
        reach = len(self._kernels) // 2
        framed = ops.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="reflect")
        responses = ops.depthwise_conv(framed, self._kernels)
        if self.kind != "sobel":
            return responses
        # A colour's two slopes lie side by side.
        square = ops.square(responses[..., 0::2]) + ops.square(responses[..., 1::2])
        return ops.sqrt(square + _FLAT**2) - _FLAT

    def _near_black(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Return where the window and its rim hold a black pixel, (n, h, w, 1); what the frame mirrors lies in both."""
        black = ops.cast(ops.all(ops.equal(images, 0.0), axis=-1, keepdims=True), "float32")
        return ops.max_pool(black, len(self._kernels) + 2 * RIM_PX, strides=1, padding="same") > 0

    def _joined(self, images: keras.KerasTensor, response: keras.KerasTensor) -> keras.KerasTensor:
        if self.use == "append":
            return ops.concatenate([images, response], axis=-1)
        return images - (self.sharpening if self.use == "subtract_learned" else SHARPENING) * response


def _kernels(kind: str, sigma: float) -> npt.NDArray[np.float32]:
    """Return the filters that each colour passes, (side, side, 3, 1 or 2); each sums to exactly zero."""
    filters = {
        "laplacian": lambda: [_LAPLACIAN],
        "log": lambda: [_laplacian_of_gaussian(sigma)],
        "sobel": lambda: [_SOBEL, _SOBEL.T],
    }[kind]()
    return np.tile(np.stack(filters, axis=-1)[:, :, None], (1, 1, 3, 1)).astype(np.float32)


def _laplacian_of_gaussian(sigma: float) -> npt.NDArray[np.float64]:
    """Return the Laplacian's filter smoothed by a Gaussian, rather than samples of the formula.

    Samples are too far apart where sigma is below a pixel, and where they are cut off they no longer sum to zero.
    """
    reach = math.ceil(3 * sigma) - 1
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    smooth = np.pad(np.outer(bell, bell) / bell.sum() ** 2, 2)
    windows = np.lib.stride_tricks.sliding_window_view(smooth, _LAPLACIAN.shape)
    kernel: npt.NDArray[np.float64] = sigma**2 * _SECOND_DERIVATIVE * (windows * _LAPLACIAN).sum(axis=(2, 3))
    kernel = np.round(kernel / _GRID) * _GRID
    kernel[reach + 1, reach + 1] -= kernel.sum()
    return kernel
