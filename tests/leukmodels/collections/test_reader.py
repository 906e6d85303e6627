"""The contract of readers, kept by those of this project."""

import pytest

from folders import draw_folder
from leukmodels import collections
from leukmodels.collections import READERS
from leukmodels.errors import ConfigError
from reader_contract import ReaderContract


class MllContract(ReaderContract):
    @pytest.fixture
    def reader(self):
        return READERS["mll"]

    @pytest.fixture
    def root(self, tmp_path):
        return draw_folder(tmp_path / "mll")


class CnmcContract(ReaderContract):
    @pytest.fixture
    def reader(self):
        return READERS["cnmc"]

    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "cnmc"
        for fold in range(3):
            for class_name in ("all", "hem"):
                folder = root / "C-NMC_training_data" / f"fold_{fold}" / class_name
                folder.mkdir(parents=True)
                subject = f"{fold + 1}" if class_name == "all" else f"H{fold + 1}"
                for cell in range(2):
                    (folder / f"UID_{subject}_1_{cell + 1}_{class_name}.bmp").write_bytes(b"never opened")
        return root


class FoldersContract(ReaderContract):
    @pytest.fixture
    def reader(self):
        return READERS["folders"]

    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "mine"
        for class_name in ("blast", "lymphocyte"):
            for patient in ("P1", "P2"):
                (root / class_name / f"{class_name}-{patient}").mkdir(parents=True)
                for cell in range(2):
                    path = root / class_name / f"{class_name}-{patient}" / f"{class_name}{patient}{cell}.png"
                    path.write_bytes(b"never opened")
        return root


class TableContract(ReaderContract):
    @pytest.fixture
    def reader(self):
        return READERS["table"]

    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "listed"
        (root / "img").mkdir(parents=True)
        rows = ["image,label,patient"]
        for cell in range(4):
            (root / "img" / f"Im00{cell}_{cell % 2}.tif").write_bytes(b"never opened")
            rows.append(f"img/Im00{cell}_{cell % 2}.tif,{'blast' if cell % 2 else 'healthy'},P{cell}")
        (root / "labels.csv").write_text("\n".join(rows))
        return root


def test_every_reader_of_this_project_has_its_contract():
    kept = {contract.__name__.removesuffix("Contract").lower() for contract in ReaderContract.__subclasses__()}
    assert kept == set(READERS)


def test_a_reader_that_there_is_not_is_named(tmp_path):
    with pytest.raises(ConfigError, match="'mlk' is none of mll, cnmc, table, folders"):
        collections.read("mlk", tmp_path)
