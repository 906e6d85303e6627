"""What every reader must keep to, a stranger's too: subclass ``ReaderContract``, give a reader and its folder."""

import pytest

from leukmodels import collections
from leukmodels.collections.listing import CELL_SCHEMA
from leukmodels.collections.reader import Reader, ReadOptions
from leukmodels.collections.source import open_source
from leukmodels.errors import DataError


class ReaderContract:
    """The contract of a reader."""

    __test__ = False

    def __init_subclass__(cls) -> None:
        """Have pytest collect every subclass, whatever its name."""
        cls.__test__ = True

    @pytest.fixture
    def reader(self) -> Reader:
        """Return the reader."""
        raise NotImplementedError

    @pytest.fixture
    def root(self, tmp_path):
        """Return a folder in its layout, with two images of each of two classes or more."""
        raise NotImplementedError

    def test_it_can_be_named_in_a_task_file(self, reader):
        assert reader.name.isidentifier()
        assert collections.READERS[reader.name] is reader

    def test_it_knows_its_layout_and_no_empty_folder(self, reader, root, tmp_path):
        (tmp_path / "empty").mkdir()
        assert reader.looks_like(open_source(root))
        assert not reader.looks_like(open_source(tmp_path / "empty"))

    def test_it_lists_every_image_once_in_its_class(self, reader, root):
        listing = reader.read(open_source(root), ReadOptions())
        assert listing.cells.schema.names == CELL_SCHEMA.names
        paths = listing.cells["path"].to_pylist()
        assert len(paths) == len(set(paths)) > 3
        assert all(path.startswith(str(root)) for path in paths)
        assert {path.name for path in root.rglob("*") if path.suffix in {".tif", ".bmp", ".png"}} == {
            path.rsplit("/", 1)[1] for path in paths
        }
        classes = set(listing.cells["class_name"].to_pylist())
        assert len(classes) > 1
        assert reader.classes is None or classes <= set(reader.classes)
        assert set(listing.cells["part"].to_pylist()) <= {"", "test"}

    def test_the_same_folder_gives_the_same_listing(self, reader, root):
        one, other = (reader.read(open_source(root), ReadOptions()).cells for _ in range(2))
        assert one.equals(other)

    def test_it_opens_no_image(self, reader, root, monkeypatch):
        def refuse(self, path, **_):
            assert path.rsplit(".", 1)[1] in {"csv", "txt", "json"}, f"{path} was opened"
            return read(self, path, **_)

        source = open_source(root)
        read = type(source).read
        monkeypatch.setattr(type(source), "read", refuse)
        reader.read(source, ReadOptions())

    def test_another_folder_is_refused_with_what_was_expected(self, reader, tmp_path):
        (tmp_path / "other" / "notes").mkdir(parents=True)
        (tmp_path / "other" / "notes" / "a.txt").write_text("no image")
        with pytest.raises(DataError) as caught:
            collections.read(reader.name, tmp_path / "other")
        assert caught.value.problems

    def test_it_says_what_a_report_has_to_say(self, reader):
        for sentence in (*reader.limits, f"{reader.reference_standard}."):
            assert sentence.strip() == sentence
            assert sentence.endswith(".")
        assert reader.limits
        assert reader.title
        assert reader.layout
