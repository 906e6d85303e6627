"""`python -m leukmodels.synthetic DIR [--cells-per-patient 16] [--seed 0]`: draw the synthetic cohort into a folder."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from leukmodels.process import command_line
from leukmodels.process.command import program, run_verb
from leukmodels.process.command_line import Arg
from leukmodels.synthetic.classes import CLASSES
from leukmodels.synthetic.writing import DrawOptions, draw_cohort


class SyntheticOptions(DrawOptions):
    """A cohort, and where it is drawn."""

    root: Annotated[Path, Arg(positional=True, metavar="DIR")] = Field(
        description="folder to write; used as it is where it holds this cohort"
    )


def main(arguments: Sequence[str]) -> int:
    """Draw, print one line and return the exit status; UserError for what the user can mend."""
    parser = command_line.parser(
        SyntheticOptions.model_fields,
        prog=program("leukmodels.synthetic"),
        description="Draw a synthetic cohort of white blood cells in the layout of the MLL collection.",
        usual={"workers": "", "classes": f"of {', '.join(CLASSES)}; default: all"},
    )
    options = command_line.parse(parser, SyntheticOptions, arguments)
    root = draw_cohort(**options.model_dump())
    with (root / "metadata.csv").open(encoding="utf-8-sig", newline="") as file:
        counts = [int(row["instance_count"]) for row in csv.DictReader(file)]
    print(f"{root}: {sum(counts)} images of {len(counts)} synthetic patients. They are drawn; none is of a patient.")
    return 0


if __name__ == "__main__":
    run_verb(main)
