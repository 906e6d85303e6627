"""The locked test patients: the one place from which their images are handed out, and only after the study says so.

Nothing but ``search.confirm`` may import this module (a contract of import-linter), and it hands nothing out
before the journal holds, on disk, an opening of the test that is still to be answered.
"""

from leukmodels.errors import StudyError
from search.cache.store import PixelCache
from search.data.dataset import Dataset, Part
from search.data.sharing import PlacedPart, share_parts
from search.study.confirmation_log import confirmation_of
from search.study.folder import StudyFolder
from search.study.journal import read


def open_test(folder: StudyFolder, dataset: Dataset, cache: PixelCache) -> PlacedPart:
    """Return the test patients' cells in shared memory; StudyError where the journal knows of no opening under way."""
    openings = confirmation_of(read(folder.journal)).openings
    if not openings or openings[-1].complete:
        raise StudyError(
            f"The test of {folder.name} is locked: python -m search.confirm opens it, once, and records it."
        )
    rows = dataset.part("test")
    if not rows.num_rows:
        raise StudyError(f"{folder.name} has no test cells.")
    (placed,) = share_parts([Part.of(rows, dataset.report.root)], dataset.policy, cache)
    return placed
