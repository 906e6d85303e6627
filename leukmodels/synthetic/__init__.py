"""The synthetic cohort: white blood cells drawn from a seed, in the layout and with the figures of the MLL collection.

    classes    the real cohort in figures, and each class's blood count
    patients   who is in the cohort, with which cells
    celltypes  what each kind of cell looks like
    shapes     nuclei as beads and notches;  texture: noise and spots
    field      optical densities and windows of them;  slide: stain, light, lens, sensor
    smear      red cells and platelets;  whitecell: the cell in the middle
    image      one cell type and slide -> one image
    writing    the folder, whole or not at all

No image is of a patient. `python -m leukmodels.synthetic DIR` draws one from the command line.
"""

from leukmodels.synthetic.writing import cohort_bytes, draw_cohort

__all__ = ["cohort_bytes", "draw_cohort"]
