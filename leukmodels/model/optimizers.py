"""Optimizers, their schedule, and slower steps for weights that were loaded."""

from collections.abc import Collection, Sequence
from typing import Any

import keras

from leukmodels.space.hyperparameters import HyperParams

_KINDS: dict[str, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}


def optimizer(
    hparams: HyperParams,
    variables: Sequence[keras.Variable],
    *,
    steps: int,
    slowed: Sequence[keras.Variable] = (),
) -> keras.optimizers.Optimizer:
    """Return the optimizer of these variables, built, for so many steps; ``slowed`` ones step hparams.loaded_rate far.

    It is built here, not in the first step: TensorFlow traces a function that makes variables twice, which cost every
    trial about a second.
    """
    own: dict[str, Any] = {}
    if hparams.optimizer == "adamw":
        own = {"weight_decay": hparams.l2}
    elif hparams.optimizer == "sgd":
        own = {"momentum": 0.9, "nesterov": True}
    kind = _KINDS[hparams.optimizer]
    if slowed:
        places = {place for place, variable in enumerate(variables) if any(variable is each for each in slowed)}
        kind = _slowing(kind, places, hparams.loaded_rate)
    made = kind(_rate(hparams, steps), **own)
    if hparams.optimizer == "adamw":
        made.exclude_from_weight_decay(var_names=["bias", "beta", "gamma", "sharpening"])
    made.build(variables)
    return made


def _rate(hparams: HyperParams, steps: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Return the learning rate: a number, or one that rises over the warm-up and then stays or follows a cosine to 0.

    (Loshchilov and Hutter 2017, without restarts. A trial that is stopped early has seen the beginning of it.)
    """
    rising = round(hparams.warm_up * steps)
    if hparams.schedule == "constant" and rising == 0:
        return hparams.learning_rate
    return keras.optimizers.schedules.CosineDecay(
        0.0 if rising else hparams.learning_rate,
        decay_steps=max(steps - rising, 1),
        alpha=1.0 if hparams.schedule == "constant" else 0.0,
        warmup_target=hparams.learning_rate if rising else None,
        warmup_steps=rising,
    )


def _slowing(
    kind: type[keras.optimizers.Optimizer], places: Collection[int], factor: float
) -> type[keras.optimizers.Optimizer]:
    """Return a kind of optimizer that steps less far with the variables in these places.

    A smaller gradient would not do it: Adam and RMSprop divide by its size.
    """

    class Slowing(kind):
        def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
            """Update a variable, a slowed one by its share of the step."""
            share = factor if self._get_variable_index(variable) in places else 1.0
            super().update_step(gradient, variable, learning_rate * share)

        def _apply_weight_decay(self, variables: Sequence[keras.Variable]) -> None:
            """Decay the weights, slowed ones by their share: they would shrink faster than they can learn."""
            super()._apply_weight_decay([each for place, each in enumerate(variables) if place not in places])
            for place in places if self.weight_decay else ():
                if self._use_weight_decay(variables[place].value):
                    variables[place].assign_sub(variables[place] * (self.weight_decay * self.learning_rate * factor))

    return Slowing
