"""Weights that a model starts from, on this machine: nothing is ever downloaded.

The files of pre-trained networks are those that Keras publishes (their names, addresses and MD5 sums are from
keras.applications); what is used of a file is pinned by its SHA-256.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import h5py

from leukmodels.errors import ConfigError
from leukmodels.process.files import digest
from leukmodels.space.dimensions import Value
from leukmodels.space.hyperparameters import PRETRAINED

RANDOM = "random"
ENDING, LEGACY_ENDING = ".weights.h5", ".h5"
_PUBLISHED = "https://storage.googleapis.com/tensorflow/keras-applications"
SMALLEST_PX = 32  # that keras.applications builds for


@dataclass(frozen=True, kw_only=True)
class Published:
    """A file of ImageNet weights without the classifier, as Keras publishes it."""

    address: str
    md5: str

    @property
    def file_name(self) -> str:
        """The last part of its address."""
        return self.address.rpartition("/")[2]


FILES: Mapping[str, Published] = MappingProxyType(
    {
        "mobilenet_v3_small": Published(
            address=f"{_PUBLISHED}/mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
            md5="d3e8ec802a04aa4fc771ee12a9a9b836",
        ),
        "mobilenet_v3_large": Published(
            address=f"{_PUBLISHED}/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            md5="07fb09a5933dd0c8eaafa16978110389",
        ),
        "efficientnet_v2_b0": Published(
            address=f"{_PUBLISHED}/efficientnet_v2/efficientnetv2-b0_notop.h5", md5="893217f2bb855e2983157299931e43ff"
        ),
        "efficientnet_v2_s": Published(
            address=f"{_PUBLISHED}/efficientnet_v2/efficientnetv2-s_notop.h5", md5="af0682fb74e8c54910f2d4393339c070"
        ),
        "resnet50_v2": Published(
            address=f"{_PUBLISHED}/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
            md5="fac2f116257151a9d068a22e544a4917",
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A file of weights and what it must contain; path None: random ones instead.

    sha256            of the file, "" without one
    hyperparameters   that made the body in it, of a base model; its backbone is "cnn" or pre-trained
    """

    path: Path | None
    sha256: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, hyperparameters: Mapping[str, Value] = MappingProxyType({})) -> "Weights":
        """Return the weights in a file as it is now; OSError where it cannot be read."""
        return cls(path=path, sha256=digest(path), hyperparameters=dict(hyperparameters))

    def checked(self) -> Path | None:
        """Return the file, None for random weights; ConfigError where it is gone or is another than it was."""
        if self.path is None:
            return None
        try:
            now = digest(self.path)
        except OSError as error:
            raise ConfigError(
                f"The weights {self.path} cannot be read on this machine:",
                [f"{error.strerror}. The file must be where it was when the study began, on every node."],
            ) from error
        if now != self.sha256:
            raise ConfigError(
                f"{self.path} is another file than the one the study began with:",
                [f"Its SHA-256 is {now}, it was {self.sha256}. Put the file back, or start a new study."],
            )
        return self.path


def read_backbones(said: str) -> tuple[dict[str, Weights], list[str]]:
    """Return the weights of NAME=FILE,NAME=random,... by name, and notes; ConfigError with all that is wrong."""
    found: dict[str, Weights] = {}
    notes, problems = [], []
    for part in said.split(","):
        name, _, place = (piece.strip() for piece in part.partition("="))
        if name not in PRETRAINED:
            problems.append(f"{name!r} is no backbone; there are {', '.join(PRETRAINED)}.")
        elif name in found:
            problems.append(f"{name} is given twice.")
        elif not place:
            problems.append(f"{name}: no file is given. {where_from(name)}")
        elif place == RANDOM:
            found[name] = Weights(path=None, sha256="")
            notes.append(f"{name} starts from random weights, as asked: it knows nothing of images yet.")
        else:
            try:
                file = _file(name, place)
                weights = Weights.of(file)
                if not h5py.is_hdf5(file):
                    problems.append(f"{name}: {file} is no HDF5 file, as weights of Keras are. {where_from(name)}")
                    continue
                if misnamed := _misnamed(file):
                    problems.append(f"{name}: {misnamed}")
                    continue
                found[name] = weights
                if (md5 := digest(file, "md5")) != FILES[name].md5:
                    notes.append(
                        f"{file} is not the file that Keras publishes for {name} (MD5 {md5}, there {FILES[name].md5}); "
                        "it is used as it is."
                    )
            except OSError as error:
                problems.append(f"{name}: {error.filename} cannot be read ({error.strerror}). {where_from(name)}")
    if problems:
        raise ConfigError("These backbones cannot be used (--backbones):", problems)
    return found, notes


def _misnamed(path: Path) -> str:
    """Return what is wrong with the end of a file's name, by which Keras tells how to read it; "" where nothing."""
    with h5py.File(path) as file:
        legacy = "layer_names" in file.attrs or "model_weights" in file
    new = path.name.endswith(ENDING)
    if (legacy and path.suffix == LEGACY_ENDING and not new) or (new and not legacy):
        return ""
    writer, ending = ("Keras 2 wrote", LEGACY_ENDING) if legacy else ("Keras 3 writes", ENDING)
    return f"{path} holds weights as {writer} them, whose name must end in {ending} (and only theirs); rename it."


def where_from(name: str) -> str:
    """Return where the weights of a network are to be had, in a sentence."""
    return (
        f"Nothing is downloaded here: fetch {FILES[name].address} and say --backbones {name}=FILE, or {name}={RANDOM} "
        "for random weights."
    )


def _file(name: str, place: str) -> Path:
    """Return the file that is meant; a folder stands for the published file in it."""
    path = Path(place).expanduser().absolute()
    return path / FILES[name].file_name if path.is_dir() else path
