"""A model's training domain: what its training cells look like, and whether images are like them.

An image is unlike the training cells where its middle square has another size (another magnification or crop), its
background is black where theirs is not or the other way round, it looks different (leukmodels.domain.appearance), or
the model's last layer sees in it what it saw in no training cell. Images that are asked for together are one set: many
that are each a little off are unlike as a whole.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from leukmodels.domain.appearance import (
    BACKGROUND,
    CELL,
    GRAIN,
    LAYOUT,
    VERSION,
    Numbers,
    describe,
    has_black_background,
)
from leukmodels.domain.description import Cloud, DomainDescription
from leukmodels.domain.gaussian import Floats, Gaussian
from leukmodels.domain.limits import Limits
from leukmodels.errors import ConfigError

Images = npt.NDArray[np.uint8]

APPEARANCE, FEATURES = "appearance", "features"

_FILES = {APPEARANCE: "domain-appearance.npy", FEATURES: "domain-features.npy"}
_FOLDS = 5  # of the training patients, for distances of cells that a cloud was not fitted to
_FLOOR = {APPEARANCE: 0.1, FEATURES: 0.1}  # the second as a share of the features' mean spread
_SIDE_TOLERANCE = 1.05
_ALMOST_ALL = 0.99
_FEWEST_OF_A_MAJORITY = 4
_SEEN = "what the model sees in it"
_ALL_IN_ALL = {APPEARANCE: "its looks as a whole", FEATURES: _SEEN}
_TOGETHER = {APPEARANCE: "the looks", FEATURES: "what the model sees in the cells"}
_IN_WHAT = {
    CELL: "the colours or the size of its cell",
    BACKGROUND: "what surrounds its cell",
    GRAIN: "its sharpness or grain",
    LAYOUT: "how large its cell is or where it lies",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Cells that a domain is learnt from.

    images    prepared, (n, px, px, 3);  features  that the model's last layer gets of them, (n, d)
    sides_px  of their middle squares before they were scaled, (n,);  patients  whose they are, numbers (n,)
    """

    images: Images
    features: Floats
    sides_px: npt.NDArray[np.int64]
    patients: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """One image beside the training cells.

    problems   what alone makes it unlike them, as sentences' parts
    logs       logarithms of its distances, of APPEARANCE and of FEATURES
    """

    problems: tuple[str, ...]
    logs: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingDomain:
    """The training domain of a model, ready to be asked."""

    cells: int
    patients: int
    black_background: bool | None
    sides_px: tuple[int, int]
    clouds: Mapping[str, Gaussian]
    limits: Mapping[str, Limits]

    @classmethod
    def learn(cls, train: Sample, validation: Sample) -> Self:
        """Return the domain of training cells, its limits set by cells that the clouds were not fitted to."""
        black = float(has_black_background(train.images).mean())
        black_background = None if 1 - _ALMOST_ALL < black < _ALMOST_ALL else black >= _ALMOST_ALL
        looks = [_looks(sample.images, bool(black_background)) for sample in (train, validation)]
        beside = len(np.unique(train.patients))
        appearance = np.concatenate([_held_out(looks[0], train.patients), _appearance(looks[0]).logs(looks[1])])
        features = _features(train.features)
        return cls(
            cells=len(train.images),
            patients=beside,
            black_background=black_background,
            sides_px=(int(train.sides_px.min()), int(train.sides_px.max())),
            clouds={APPEARANCE: _appearance(looks[0]), FEATURES: features},
            limits={
                APPEARANCE: Limits.learn(
                    appearance, np.concatenate([_codes(train.patients), beside + _codes(validation.patients)])
                ),
                # The network was trained on the training cells: only of others its features are what they will be.
                FEATURES: Limits.learn(features.logs(validation.features), _codes(validation.patients)),
            },
        )

    def beside(self, images: Images, features: Floats, sides_px: Sequence[int]) -> list[Likeness]:
        """Return each prepared image (n, px, px, 3) beside the training cells; see Sample."""
        groups = describe(images, black_background=bool(self.black_background))
        looks = np.column_stack([*groups.values()])
        logs = {
            APPEARANCE: self.clouds[APPEARANCE].logs(looks),
            FEATURES: self.clouds[FEATURES].logs(features),
        }
        most = self._most_unlike(groups, looks)
        black = has_black_background(images)
        found = []
        for row, side in enumerate(sides_px):
            each = {name: float(values[row]) for name, values in logs.items()}
            problems = [*self._of_size(side), *self._of_background(bool(black[row]))]
            for name, words in ((APPEARANCE, most[row]), (FEATURES, _SEEN)):
                if not each[name] <= (limit := self.limits[name].cell):
                    problems.append(f"{words} ({_distance(each[name], limit)})")
            found.append(Likeness(problems=tuple(problems), logs=each))
        return found

    def unlike(self, found: Sequence[Likeness]) -> list[str]:
        """Return in what each image of a set is unlike the training cells, "" where in nothing."""
        alike = [each for each in found if not each.problems]
        whole = ""
        if len(found) >= _FEWEST_OF_A_MAJORITY and 2 * len(alike) < len(found):
            whole = f"{len(found) - len(alike):,} of the {len(found):,} images of its set are unlike the training cells"
        elif alike:
            whole = self._of_set(alike)
        return ["; ".join(each.problems) or whole for each in found]

    def save(self, folder: Path, validation: Sample) -> DomainDescription:
        """Write the clouds into ``folder``; return what ``config.yaml`` is to say of them."""
        clouds = {}
        for name, cloud in self.clouds.items():
            path = folder / _FILES[name]
            cloud.save(path)
            clouds[name] = Cloud(file=path.name, sha256=_sha256(path), limits=self.limits[name])
        beside = self.beside(validation.images, validation.features, validation.sides_px.tolist())
        sets = [[beside[row] for row in np.flatnonzero(validation.patients == who)] for who in {*validation.patients}]
        return DomainDescription(
            version=VERSION,
            cells=self.cells,
            patients=self.patients,
            black_background=self.black_background,
            sides_px=self.sides_px,
            **clouds,
            validation_sets=len(sets),
            validation_sets_unlike=sum(any(self.unlike(each)) for each in sets),
        )

    @classmethod
    def load(cls, folder: Path, said: DomainDescription) -> Self | None:
        """Return the domain of an exported model, None where another version described what its cells look like.

        ConfigError where its files are not those that were written.
        """
        if said.version != VERSION:
            return None
        clouds, problems = {}, []
        for name, told in ((APPEARANCE, said.appearance), (FEATURES, said.features)):
            path = folder / _FILES[name]
            try:
                cloud = Gaussian.load(path)
                if _sha256(path) != told.sha256:
                    raise ValueError("it is not the file that was exported with the model")
                clouds[name] = cloud
            except (OSError, ValueError) as error:
                problems.append(f"{path.name}: {getattr(error, 'strerror', None) or error}.")
        if problems:
            raise ConfigError(f"The training domain in {folder} cannot be used; export the model again:", problems)
        return cls(
            cells=said.cells,
            patients=said.patients,
            black_background=said.black_background,
            sides_px=said.sides_px,
            clouds=clouds,
            limits={APPEARANCE: said.appearance.limits, FEATURES: said.features.limits},
        )

    def _of_size(self, side_px: int) -> list[str]:
        low, high = self.sides_px
        if low / _SIDE_TOLERANCE <= side_px <= high * _SIDE_TOLERANCE:
            return []
        theirs = f"{low}" if low == high else f"{low} to {high}"
        return [f"its middle square has {side_px} px a side, theirs {theirs}: another magnification or crop"]

    def _of_background(self, black: bool) -> list[str]:
        if self.black_background is None or black == self.black_background:
            return []
        return [f"its background is {'black, theirs is not' if black else 'not black, theirs is'}"]

    def _of_set(self, alike: Sequence[Likeness]) -> str:
        """Return in what a set is unlike the training cells, "" where in nothing."""
        for name in (APPEARANCE, FEATURES):
            mean, limit = float(np.mean([each.logs[name] for each in alike])), self.limits[name].of_set(len(alike))
            if not mean <= limit:
                what = _ALL_IN_ALL[name] if len(alike) == 1 else f"{_TOGETHER[name]} of {len(alike):,} images together"
                return f"{what} ({_distance(mean, limit)})"
        return ""

    def _most_unlike(self, groups: Mapping[str, Numbers], looks: Floats) -> list[str]:
        """Return in words in which group of numbers each image is farthest off."""
        off = self.clouds[APPEARANCE].standardised(looks) ** 2
        ends = np.cumsum([numbers.shape[1] for numbers in groups.values()])
        mean = np.stack([part.mean(axis=1) for part in np.split(off, ends[:-1], axis=1)], axis=1)
        names = [*groups]
        return [_IN_WHAT[names[number]] for number in mean.argmax(axis=1)]


def _looks(images: Images, black_background: bool) -> Floats:
    return np.column_stack([*describe(images, black_background=black_background).values()])


def _appearance(looks: Floats) -> Gaussian:
    return Gaussian.fit(looks, floor=_FLOOR[APPEARANCE])


def _features(features: Floats) -> Gaussian:
    spread = float(np.sqrt(features.astype(np.float64).var(axis=0).mean()))
    return Gaussian.fit(features, floor=max(_FLOOR[FEATURES] * spread, float(np.finfo(np.float32).eps)))


def _held_out(looks: Floats, patients: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the logarithms (n,) of the distances of training cells from clouds of other patients' training cells."""
    fold = _codes(patients) % min(_FOLDS, len(np.unique(patients)))
    logs = np.empty(len(looks))
    for number in np.unique(fold):
        out = fold == number
        logs[out] = _appearance(looks if out.all() else looks[~out]).logs(looks[out])
    return logs


def _codes(patients: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.unique(patients, return_inverse=True)[1].astype(np.int64)


def _distance(log: float, limit: float) -> str:
    return f"distance {np.exp(log):.2f}, at most {np.exp(limit):.2f}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
