"""What the trials may see of a collection: training and validation cells, and no others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from leukmodels.dataset.shards import image_bytes
from leukmodels.dataset.split import Split
from search.cache.store import Policy
from search.data.dataset import Dataset
from search.study.manifest import DataReport


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The cells of one part of the split: see ``leukmodels.dataset.cells.Cells``, with contents for pixels.

    class_names    str (n,), the class that the collection gives each cell
    """

    sha256: Sequence[str]
    labels: npt.NDArray[np.uint8]
    patients: npt.NDArray[np.int32]
    patient_names: tuple[str, ...]
    image_ids: npt.NDArray[np.str_]
    class_names: npt.NDArray[np.str_]

    @classmethod
    def of(cls, rows: pa.Table, root: str) -> "Part":
        """Return these cells of an account, their ids relative to ``root``."""
        names, codes = np.unique(np.array(rows["patient"].to_pylist(), dtype=np.str_), return_inverse=True)
        return cls(
            sha256=rows["sha256"].to_pylist(),
            labels=rows["label"].to_numpy().astype(np.uint8),
            patients=codes.astype(np.int32),
            patient_names=tuple(names.tolist()),
            image_ids=np.array([path.removeprefix(f"{root.rstrip('/')}/") for path in rows["path"].to_pylist()]),
            class_names=np.array(rows["class_name"].to_pylist(), dtype=np.str_),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """What a study is trained on, its pixels in the cache; and of its account all but the cells."""

    train: Part
    validation: Part
    policy: Policy
    black_background: bool
    split: Split
    report: DataReport
    quarantined: pa.Table  # path, sha256, reason
    duplicates: pa.Table  # path, sha256, reason
    excluded: pa.Table  # path, sha256, reason

    @classmethod
    def of(cls, account: Dataset) -> "Prepared":
        """Return what the trials may see of an account."""
        return cls(
            train=Part.of(account.part("train"), account.report.root),
            validation=Part.of(account.part("validation"), account.report.root),
            policy=account.policy,
            black_background=account.black_background,
            split=account.split,
            report=account.report,
            quarantined=account.quarantined,
            duplicates=account.duplicates,
            excluded=account.excluded,
        )

    @property
    def image_count(self) -> int:
        """How many images the trials may see."""
        return len(self.train.sha256) + len(self.validation.sha256)

    @property
    def pixel_bytes(self) -> int:
        """The bytes of their pixels."""
        return self.image_count * image_bytes(self.policy.image_px)
