"""A reader and a cost of another package, which this project has never heard of, through a whole study."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]

READER = """
from leukmodels.collections.listing import CELL_SCHEMA, Cell, Listing, find, tabulate
from leukmodels.collections.reader import Reader
from leukmodels.errors import DataError
import pyarrow as pa


def read(source, options):
    rows = []
    for image in sorted(source.scan(source.root).images):
        name = image.rsplit("/", 1)[-1]
        patient, kind, _ = name.split("_", 2)
        rows.append({"path": f"{source.root.rstrip('/')}/{name}", "class_name": kind, "patient": patient, "part": ""})
    if not rows:
        raise DataError("No image here.", ["Expected PATIENT_KIND_number.png."])
    cells = pa.Table.from_pylist(rows, schema=CELL_SCHEMA)
    return Listing(cells=cells, patient_level=True, crop_px=None, black_background=False, notes=())


READER = Reader(
    name="flat",
    title="the flat collection of another laboratory",
    layout="<patient>_<kind>_<number>.png",
    classes=("sick", "well"),
    read=read,
    looks_like=lambda source: bool(source.scan(source.root).images),
    limits=("A laboratory that nobody knows.",),
    reference_standard="what the name of the file says",
)
"""
COST = """
from leukmodels.evaluation.costs import Cost

LAYERS = Cost(
    name="layers",
    label="layers",
    digits=0,
    reference=100.0,
    limit="layers of a model",
    timed=False,
    measure=lambda trained: len(trained.model.layers),
)
"""


@pytest.fixture
def strangers(tmp_path):
    """Return a folder of installed packages with the two parts."""
    site = tmp_path / "site"
    info = site / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "stranger_reader.py").write_text(READER)
    (site / "stranger_cost.py").write_text(COST)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[leukemia_search.readers]\nflat = stranger_reader:READER\n\n"
        "[leukemia_search.costs]\nlayers = stranger_cost:LAYERS\n"
    )
    return site


@pytest.fixture
def images(tmp_path):
    """Return a folder of images in the stranger's layout."""
    root = tmp_path / "flat"
    root.mkdir()
    for number in range(16):
        kind = "sick" if number % 2 else "well"
        for cell in range(3):
            colour = (200 if number % 2 else 60, 10 * number, 40 * cell)
            image = Image.new("RGB", (20, 20), colour)
            for place in range(9):  # fewer colours would be a mask
                image.putpixel((place, number), (255, 255, 255 - place))
            image.save(root / f"P{number:02d}_{kind}_{cell}.png")
    return root


@pytest.mark.keras
def test_a_study_with_both_is_searched_exported_and_reported(strangers, images, tmp_path):
    task = tmp_path / "flat.toml"
    task.write_text('name = "flat"\nreader = "flat"\ndisease = ["sick"]\ncontrol = ["well"]\n')
    options = {"task": task, "data": images, "preset": "smoke", "trials": 1, "epochs": 1, "image-px": 16}
    options |= {"objectives": "recall,accuracy,layers", "max-layers": 1000, "min-specificity": 0, "name": "study"}
    options |= {"storage": tmp_path / "studies", "out": tmp_path / "out"}
    paths = [str(strangers), str(ROOT)]
    done = subprocess.run(
        [sys.executable, "-m", "search.run", *(f"--{name}={value}" for name, value in options.items())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    study = tmp_path / "studies" / "study"
    manifest = json.loads((study / "study.json").read_text())
    assert manifest["aims"]["max_layers"] == 1000
    assert manifest["objectives"] == ["recall", "accuracy", "layers"]
    assert "A laboratory that nobody knows." in (study / "report" / "report.html").read_text()
    assert "layers" in (study / "report" / "front.csv").read_text().splitlines()[0]
    assert "what the name of the file says" in (tmp_path / "out" / "README.md").read_text()
