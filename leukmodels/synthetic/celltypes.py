"""The white blood cells: for each type what its nucleus, cytoplasm and granules look like in May-Grünwald-Giemsa stain.

Sizes and looks follow the WHO classification of haematolymphoid tumours and the usual atlases; colours were set beside
real single-cell images of AML-Cytomorphology_LMU (TCIA, doi 10.7937/tcia.2019.36f5o9ld).
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from leukmodels.synthetic import shapes
from leukmodels.synthetic.field import Colour

Spread: TypeAlias = tuple[float, float]
"""Mean and standard deviation."""

AZURE: Colour = (122, 26, 140)
SALMON: Colour = (206, 118, 132)
EOSIN: Colour = (176, 92, 134)


@dataclass(frozen=True, kw_only=True)
class Granules:
    """Spots in the cytoplasm, `pitch_px` apart where all are there; `share` of them are.

    `over_nucleus` is how strongly they also lie upon the nucleus, 0..1.
    """

    colour: Colour
    pitch_px: float
    share: Spread
    strength: float = 0.8
    over_nucleus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CellType:
    """How to draw one kind of cell.

    `nucleus_share` is the nucleus's radius as a share of the cell's; `clumping` and `mottle` are how much (standard
    deviation, share of the density) chromatin and cytoplasm vary, `clump_px` how coarsely; `rim` is the extra density
    of a basophilic edge, `wobble` the outline's unevenness as a share of the radius, `hof` the strength of the pale
    zone beside the nucleus. Of `nucleoli` and `vacuoles` a cell has none to so many, of Auer `rods` fewest to most.
    """

    radius_um: Spread
    nucleus_share: Spread
    shape: shapes.Shape
    nucleus: Colour
    cytoplasm: Colour
    clumping: float = 0.16
    clump_px: float = 5.0
    rim: float = 0.0
    mottle: float = 0.1
    wobble: float = 0.05
    hof: Spread = (0.0, 0.0)
    nucleoli: int = 0
    vacuoles: int = 0
    rods: tuple[int, int] = (0, 0)
    granules: tuple[Granules, ...] = ()


_FINE = Granules(colour=(168, 96, 168), pitch_px=3.4, share=(0.5, 0.2), strength=0.45)
_AZUROPHIL = Granules(colour=AZURE, pitch_px=4.4, share=(0.5, 0.2), strength=0.75, over_nucleus=0.35)
_NEUTROPHIL = CellType(
    radius_um=(6.5, 0.5),
    nucleus_share=(0.72, 0.04),
    shape=shapes.lobes(3, 5),
    nucleus=(66, 4, 160),
    cytoplasm=(224, 194, 222),
    clumping=0.3,
    granules=(_FINE,),
)
_EOSINOPHIL = replace(
    _NEUTROPHIL,
    radius_um=(6.8, 0.5),
    nucleus_share=(0.66, 0.04),
    shape=shapes.lobes(2, 3),
    nucleus=(84, 6, 168),
    cytoplasm=(216, 168, 204),
    granules=(Granules(colour=EOSIN, pitch_px=4.8, share=(0.95, 0.05), strength=0.7),),
)
_MYELOBLAST = CellType(
    radius_um=(6.5, 0.7),
    nucleus_share=(0.82, 0.05),
    shape=shapes.rounded,
    nucleus=(106, 10, 178),
    cytoplasm=(140, 132, 212),
    clumping=0.09,
    clump_px=4.0,
    rim=0.35,
    nucleoli=2,
)
_PROMYELOCYTE = replace(
    _MYELOBLAST,
    radius_um=(7.4, 0.6),
    nucleus_share=(0.70, 0.05),
    shape=shapes.indented,
    cytoplasm=(162, 140, 208),
    clumping=0.13,
    hof=(0.5, 0.15),
    nucleoli=1,
    granules=(_AZUROPHIL,),
)
_MONOCYTE = CellType(
    radius_um=(8.0, 0.7),
    nucleus_share=(0.76, 0.05),
    shape=shapes.kidney,
    nucleus=(108, 16, 180),
    cytoplasm=(190, 176, 220),
    clumping=0.16,
    wobble=0.08,
    vacuoles=2,
    granules=(Granules(colour=(172, 112, 186), pitch_px=3.4, share=(0.35, 0.15), strength=0.35),),
)

TYPES: dict[str, CellType] = {
    # The normal cells of peripheral blood.
    "segmented_neutrophil": _NEUTROPHIL,
    "band_neutrophil": replace(
        _NEUTROPHIL, radius_um=(6.4, 0.5), shape=shapes.band, nucleus=(80, 6, 166), clumping=0.24
    ),
    "lymphocyte": CellType(
        radius_um=(5.0, 0.6),
        nucleus_share=(0.87, 0.05),
        shape=shapes.rounded,
        nucleus=(72, 6, 166),
        cytoplasm=(158, 172, 230),
        clumping=0.24,
        clump_px=6.0,
        rim=0.2,
    ),
    "large_lymphocyte": CellType(
        radius_um=(6.9, 0.8),
        nucleus_share=(0.72, 0.07),
        shape=shapes.indented,
        nucleus=(96, 10, 176),
        cytoplasm=(172, 180, 230),
        clumping=0.17,
        clump_px=5.0,
        rim=0.4,
        wobble=0.1,
        granules=(Granules(colour=AZURE, pitch_px=5.0, share=(0.1, 0.07), strength=0.6),),
    ),
    "monocyte": _MONOCYTE,
    "eosinophil": _EOSINOPHIL,
    "basophil": replace(
        _NEUTROPHIL,
        radius_um=(5.9, 0.4),
        shape=shapes.bilobed,
        nucleus=(96, 24, 170),
        cytoplasm=(206, 180, 218),
        granules=(Granules(colour=(58, 8, 120), pitch_px=6.5, share=(0.6, 0.15), strength=0.95, over_nucleus=0.9),),
    ),
    "metamyelocyte": replace(
        _NEUTROPHIL,
        radius_um=(7.0, 0.5),
        nucleus_share=(0.7, 0.04),
        shape=shapes.kidney,
        nucleus=(90, 8, 170),
        clumping=0.22,
    ),
    # Dysplastic, but no blast: hyposegmented neutrophils with a smooth pink cytoplasm.
    "pelger_neutrophil": replace(
        _NEUTROPHIL,
        nucleus_share=(0.68, 0.04),
        shape=shapes.pelger,
        cytoplasm=(230, 194, 214),
        mottle=0.04,
        granules=(),
    ),
    # What the blast percentage of the real cohort counts: myeloblasts, promyelocytes and myelocytes.
    "myeloblast": _MYELOBLAST,
    "promyelocyte": _PROMYELOCYTE,
    "myelocyte": replace(
        _NEUTROPHIL,
        radius_um=(7.2, 0.6),
        nucleus_share=(0.66, 0.05),
        shape=shapes.indented,
        nucleus=(94, 8, 172),
        cytoplasm=(206, 180, 220),
        clumping=0.2,
    ),
    # PML::RARA: azurophilic granules everywhere, faggots of Auer rods, butterfly nuclei.
    "hypergranular_promyelocyte": replace(
        _PROMYELOCYTE,
        shape=shapes.bilobed,
        hof=(0.0, 0.0),
        cytoplasm=(182, 140, 200),
        granules=(replace(_AZUROPHIL, share=(0.9, 0.1), strength=0.8, over_nucleus=0.6),),
    ),
    "faggot_cell": replace(
        _PROMYELOCYTE,
        shape=shapes.bilobed,
        hof=(0.0, 0.0),
        cytoplasm=(186, 144, 202),
        rods=(4, 9),
        granules=(replace(_AZUROPHIL, share=(0.55, 0.2), over_nucleus=0.4),),
    ),
    "microgranular_promyelocyte": replace(
        _PROMYELOCYTE,
        shape=shapes.bilobed,
        hof=(0.0, 0.0),
        cytoplasm=(158, 148, 212),
        granules=(replace(_FINE, share=(0.35, 0.15)),),
    ),
    # NPM1: cup-shaped nuclei.
    "cup_blast": replace(_MYELOBLAST, shape=shapes.cup, radius_um=(6.9, 0.7), nucleus_share=(0.84, 0.04)),
    # CBFB::MYH11: eosinophil precursors with coarse dark granules among orange ones, myelomonocytic blasts.
    "abnormal_eosinophil": replace(
        _EOSINOPHIL,
        radius_um=(7.8, 0.7),
        nucleus_share=(0.64, 0.05),
        shape=shapes.indented,
        nucleus=(96, 10, 174),
        clumping=0.18,
        granules=(
            Granules(colour=EOSIN, pitch_px=4.8, share=(0.75, 0.15), strength=0.8),
            Granules(colour=(64, 12, 112), pitch_px=6.5, share=(0.4, 0.12), strength=0.9, over_nucleus=0.4),
        ),
    ),
    "myelomonocytic_blast": replace(
        _MYELOBLAST,
        radius_um=(7.4, 0.7),
        nucleus_share=(0.78, 0.05),
        shape=shapes.convoluted,
        cytoplasm=(166, 154, 214),
        wobble=0.08,
        rim=0.2,
        granules=(replace(_FINE, share=(0.25, 0.12)),),
    ),
    # RUNX1::RUNX1T1: a pale zone at the nucleus, large salmon granules, at times one slender Auer rod.
    "hof_blast": replace(
        _MYELOBLAST,
        radius_um=(7.1, 0.6),
        nucleus_share=(0.74, 0.05),
        shape=shapes.indented,
        cytoplasm=(146, 134, 210),
        hof=(0.75, 0.2),
        granules=(Granules(colour=SALMON, pitch_px=8.0, share=(0.45, 0.2), strength=0.7),),
    ),
    "auer_blast": replace(
        _MYELOBLAST,
        radius_um=(7.1, 0.6),
        nucleus_share=(0.74, 0.05),
        shape=shapes.indented,
        hof=(0.6, 0.2),
        rods=(1, 1),
        granules=(replace(_AZUROPHIL, share=(0.2, 0.1)),),
    ),
}
