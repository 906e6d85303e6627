"""The five classes of the real cohort in figures, and the blood count that each draws its cells from.

Number of images and blast percentage are summaries (deciles over the patients) of AML-Cytomorphology_MLL_Helmholtz
(Hehr et al. 2023, TCIA, doi 10.7937/6ppe-4020): 189 patients, 81,214 images. The blast percentage there is that of
myeloblasts, promyelocytes and myelocytes in the blood count.

The differential counts are round figures of ours after the textbooks: a healthy adult's; beside leukemia more
lymphocytes than neutrophils, with dysplastic neutrophils in RUNX1::RUNX1T1 and abnormal eosinophils in CBFB::MYH11.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Deciles: TypeAlias = tuple[float, ...]
"""Minimum, the nine deciles, maximum over the patients of a class."""

MEAN_IMAGES = 81_214 / 189
"""Images a patient, over the whole real cohort."""


@dataclass(frozen=True, kw_only=True)
class CohortClass:
    """One class: its patients, images and blast percentages, and by what weights blasts and other cells are drawn."""

    patients: int
    images: Deciles
    blast_percent: Deciles
    blasts: Mapping[str, float]
    others: Mapping[str, float]


_HEALTHY = {
    "segmented_neutrophil": 54.0,
    "band_neutrophil": 3.0,
    "lymphocyte": 26.0,
    "large_lymphocyte": 6.0,
    "monocyte": 7.5,
    "eosinophil": 2.8,
    "basophil": 0.7,
}
# Leukemia crowds out the neutrophils: beside the blasts mostly lymphocytes are left.
_BESIDE_BLASTS = {
    "segmented_neutrophil": 32.0,
    "band_neutrophil": 4.0,
    "lymphocyte": 42.0,
    "large_lymphocyte": 9.0,
    "monocyte": 8.0,
    "eosinophil": 2.0,
    "basophil": 1.0,
    "metamyelocyte": 2.0,
}

CLASSES: dict[str, CohortClass] = {
    "control": CohortClass(
        patients=60,
        images=(99, 179, 201, 246, 289, 336, 366, 486, 491, 495, 498),
        blast_percent=(0,) * 11,
        blasts={},
        others=_HEALTHY,
    ),
    "PML_RARA": CohortClass(
        patients=24,
        images=(340, 473, 488, 489, 490, 495, 496, 497, 497, 498, 499),
        blast_percent=(22, 44.1, 54.2, 70.6, 77.2, 80, 86.8, 90.2, 94.8, 97.7, 99),
        blasts={
            "hypergranular_promyelocyte": 46,
            "faggot_cell": 12,
            "microgranular_promyelocyte": 20,
            "promyelocyte": 8,
            "myeloblast": 12,
            "myelocyte": 2,
        },
        others=_BESIDE_BLASTS,
    ),
    "NPM1": CohortClass(
        patients=36,
        images=(466, 484, 488, 489, 492, 494, 495, 496, 498, 498, 500),
        blast_percent=(23, 40, 44, 58, 65, 74.5, 80, 85.5, 86, 92.5, 96),
        blasts={"cup_blast": 45, "myeloblast": 45, "myelomonocytic_blast": 7, "promyelocyte": 3},
        others=_BESIDE_BLASTS,
    ),
    "CBFB_MYH11": CohortClass(
        patients=37,
        images=(296, 299, 485, 489, 490, 494, 495, 496, 497, 499, 500),
        blast_percent=(20, 23, 27.8, 35.6, 50.2, 60, 65, 72, 80, 85.4, 94),
        blasts={"myelomonocytic_blast": 58, "myeloblast": 34, "promyelocyte": 4, "myelocyte": 4},
        others=_BESIDE_BLASTS | {"monocyte": 18.0, "abnormal_eosinophil": 24.0},
    ),
    "RUNX1_RUNX1T1": CohortClass(
        patients=32,
        images=(265, 298, 390, 490, 492, 494, 495, 496, 497, 497, 499),
        blast_percent=(23, 33.5, 41.2, 43.6, 50.2, 58, 64, 73.9, 82, 88.9, 91),
        blasts={"hof_blast": 50, "auer_blast": 10, "myeloblast": 26, "promyelocyte": 7, "myelocyte": 7},
        others=_BESIDE_BLASTS | {"segmented_neutrophil": 16.0, "pelger_neutrophil": 40.0},
    ),
}
