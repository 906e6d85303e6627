"""`python -m leukmodels.synthetic DIR [--cells-per-patient 16] [--seed 0]`: draw the synthetic cohort into a folder."""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from leukmodels.process.command import run_verb
from leukmodels.synthetic.classes import CLASSES
from leukmodels.synthetic.writing import draw_cohort


def main(arguments: Sequence[str]) -> int:
    """Draw, print one line and return the exit status; UserError for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m leukmodels.synthetic",
        description="Draw a synthetic cohort of white blood cells in the layout of the MLL collection.",
    )
    parser.add_argument(
        "root", type=Path, metavar="DIR", help="folder to write; used as it is where it holds this cohort"
    )
    parser.add_argument(
        "--cells-per-patient", type=int, default=16, help="mean number of images a patient (default: 16)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pixels (default: 0)")
    parser.add_argument(
        "--slide-shortcut", type=float, default=0.0, help="stain all leukemias differently (default: 0, no)"
    )
    parser.add_argument("--classes", nargs="+", default=list(CLASSES), help=f"of {', '.join(CLASSES)} (default: all)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core for larger cohorts)")
    root = draw_cohort(**vars(parser.parse_args(arguments)))
    with (root / "metadata.csv").open(encoding="utf-8-sig", newline="") as file:
        counts = [int(row["instance_count"]) for row in csv.DictReader(file)]
    print(f"{root}: {sum(counts)} images of {len(counts)} synthetic patients. They are drawn; none is of a patient.")
    return 0


if __name__ == "__main__":
    run_verb(main)
