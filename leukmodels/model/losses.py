"""Registered Keras losses for labels that may be wrong: a cell bears its patient's label, whatever the cell is.

Labels, 0 or 1, and probabilities are (n, 1). All go through Keras' binary cross-entropy, which finds the logits behind
probabilities that a sigmoid made and takes those: a confidently wrong answer keeps its loss and its gradient, where
the probability itself would be 0 or 1 in float32. Bags are pooled as logits for the same reason. Label smoothing is
``keras.losses.BinaryCrossentropy``'s own.
"""

from typing import Self

import keras
from keras import ops

POOLINGS = ("mean", "top_k")


@keras.saving.register_keras_serializable(package="leukmodels")
class GeneralisedCrossEntropy(keras.losses.Loss):
    """(1 - p^q) / q, p the probability given to the label (Zhang and Sabuncu 2018, arXiv:1805.07836, eq. 6).

    0 < q <= 1. Towards q = 0 it is the cross-entropy, at 1 the absolute error, which an image with a wrong label cannot
    pull so hard. Raises ValueError for another q.
    """

    def __init__(self, *, q: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not 0 < q <= 1:
            raise ValueError(f"q is {q!r}; allowed: above 0, at most 1.")
        self.q = q

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each image, (n,)."""
        # p^q = exp(-q * cross-entropy); expm1 keeps its digits where q is small and that is all but 1.
        losses = -ops.expm1(-self.q * ops.binary_crossentropy(y_true, y_pred)) / self.q
        return ops.mean(losses, axis=-1)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the loss."""
        return {**super().get_config(), "dtype": self.dtype, "q": self.q}


@keras.saving.register_keras_serializable(package="leukmodels")
class Bootstrapped(keras.losses.Loss):
    """Cross-entropy with beta * label + (1 - beta) * p, p the probability (Reed et al. 2015, arXiv:1412.6596, "soft").

    0 < beta <= 1; at 1 it is the cross-entropy. The gradient flows through both p, as in the paper, which shows its
    loss to be cross-entropy with a reward for low entropy: with the target held constant, p's own part would have no
    gradient at all, and beta would do no more than scale the learning rate. Raises ValueError for another beta.
    """

    def __init__(self, *, beta: float, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if not 0 < beta <= 1:
            raise ValueError(f"beta is {beta!r}; allowed: above 0, at most 1.")
        self.beta = beta

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return the loss of each image, (n,)."""
        target = self.beta * y_true + (1 - self.beta) * y_pred
        return ops.mean(ops.binary_crossentropy(target, y_pred), axis=-1)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the loss."""
        return {**super().get_config(), "dtype": self.dtype, "beta": self.beta}


@keras.saving.register_keras_serializable(package="leukmodels")
class OfBags(keras.losses.Loss):
    """A loss of whole bags: multiple-instance learning, where a label is known to hold for the patient only.

    A batch is consecutive bags of ``bag`` images, each of one patient. The bag's probability is the mean of its images'
    (pooling "mean") or of the max(1, round(top_share * bag)) highest (pooling "top_k": a bag is leukemic if some cells
    are, and a healthy one must not hold any, so the highest count for either label; Li and Vasconcelos 2015,
    doi:10.1109/CVPR.2015.7299056). Its loss is returned for each of its images, so that sample weights and the mean
    over the batch are what they are without bags. A bag's label is that of its first image.

    Raises ValueError for a bag or top_share out of range, an unknown pooling, or a batch that is not whole bags; where
    its size is unknown as the graph is traced, such a batch fails as it is reshaped (tf.errors.InvalidArgumentError).
    """

    def __init__(
        self, *, loss: keras.losses.Loss, bag: int, pooling: str, top_share: float = 1.0, **kwargs: object
    ) -> None:
        super().__init__(**kwargs)
        if bag < 1:
            raise ValueError(f"bag is {bag!r}; allowed: 1 image or more.")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}; allowed: {', '.join(POOLINGS)}.")
        if not 0 < top_share <= 1:
            raise ValueError(f"top_share is {top_share!r}; allowed: above 0, at most 1.")
        self.loss, self.bag, self.pooling, self.top_share = loss, bag, pooling, top_share

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Return for each image the loss of its bag, (n,)."""
        n = y_pred.shape[0]
        if n is not None and n % self.bag:
            raise ValueError(
                f"A batch of {n} images is not whole bags of {self.bag}; expected a multiple of {self.bag}."
            )
        labels = ops.reshape(y_true, (-1, self.bag))[:, :1]
        logits = self._pooled(ops.reshape(_logits(y_pred), (-1, self.bag)))
        losses = self.loss.call(labels, keras.activations.sigmoid(logits))
        return ops.repeat(losses, self.bag)

    def get_config(self) -> dict[str, object]:
        """Return what rebuilds the loss, the inner one included."""
        own = {"bag": self.bag, "pooling": self.pooling, "top_share": self.top_share}
        inner = keras.saving.serialize_keras_object(self.loss)
        return {**super().get_config(), "dtype": self.dtype, "loss": inner, **own}

    @classmethod
    def from_config(cls, config: dict[str, object]) -> Self:
        """Return the loss that get_config described."""
        return cls(**{**config, "loss": keras.saving.deserialize_keras_object(config["loss"])})

    def _pooled(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Return the logits (bags, 1) of the bags' probabilities, from those of their images' (bags, bag).

        log(p / (1 - p)) of the mean p of k images; the logarithm of k is in both terms, and cancels.
        """
        if self.pooling == "top_k":
            logits, _ = ops.top_k(logits, max(1, round(self.top_share * self.bag)))
        leukemic, healthy = (ops.logsumexp(ops.log_sigmoid(z), axis=-1, keepdims=True) for z in (logits, -logits))
        return leukemic - healthy


def _logits(probabilities: keras.KerasTensor) -> keras.KerasTensor:
    """Return the logits behind probabilities: those that Keras' sigmoid left with them, or else their own."""
    known = getattr(probabilities, "_keras_logits", None)
    if known is not None:
        return known
    least = keras.config.epsilon()
    some = ops.clip(probabilities, least, 1 - least)
    return ops.log(some) - ops.log1p(-some)
