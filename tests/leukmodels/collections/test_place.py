from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leukmodels.collections.place import absolute_place, is_uri, root_of
from leukmodels.collections.source import open_source
from leukmodels.errors import DataError


def test_a_path_is_resolved_and_an_address_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    inside = str(tmp_path.resolve() / "a b")
    for place in ("a b", "link", "~/a b", Path("link"), f"file://{quote(inside)}", f"file://localhost{quote(inside)}"):
        assert absolute_place(place) == inside
    for address in (
        "s3://bucket/a%20b?region=eu-west-1",
        "gs://anonymous@bucket",
        "hdfs:///a",
        "s3://b/a/?scheme=http",
    ):
        assert absolute_place(address) == address


def test_an_address_is_one_by_its_scheme() -> None:
    assert is_uri("s3://bucket/key")
    assert not any(map(is_uri, ("/s3://bucket", "s3:/bucket", "C:/cells", Path("s3://bucket"))))


@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1))
def test_any_name_goes_into_an_address_and_comes_out_again(name: str) -> None:
    address = absolute_place(f"s3://bucket/{quote(name)}/cells?region=us-east-1")
    assert root_of(address) == f"s3://bucket/{name}/cells"
    assert absolute_place(address) == address


@pytest.mark.parametrize(
    ("address", "root"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a%23b/?endpoint_override=localhost:9000&scheme=http", "s3://bucket/a#b"),
        ("gs://anonymous@bucket/a", "gs://bucket/a"),
        ("abfs://container@account.dfs.core.windows.net/a", "abfs://container@account.dfs.core.windows.net/a"),
        ("hdfs://name:8020/a", "hdfs://name:8020/a"),
    ],
)
def test_what_is_shown_of_an_address_has_neither_query_nor_user(address: str, root: str) -> None:
    assert root_of(absolute_place(address)) == root


@pytest.mark.parametrize(
    "address",
    [
        "s3://anna:seesam@bucket/cells",
        "s3://anna@bucket/cells",
        "s3://anna:see/sam@bucket/cells",
        "s3://anna:see[sam@bucket/cells",
        "gs://anonymous:seesam@bucket/cells",
        "abfs://container:seesam@account.dfs.core.windows.net/cells",
        "abfs://anna@account.dfs.core.windows.net/cells?client_secret=seesam",
        "s3://bucket/cells?secret_key=seesam&region=anna",
        "s3://bucket/cells?access_key=anna&region=seesam",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(DataError, match="leave user, password and keys out of the address") as caught:
        open_source(address)
    for word in ("anna", "see", "sam"):
        assert word not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("", "it is empty"),
        ("s3://", "it names no bucket"),
        ("s3:///cells", "it names no bucket"),
        ("s3://bucket/a#b", "write %23 for #"),
        ("s3://bucket/a#", "write %23 for #"),
        ("s3://bucket/50%", "%25 for %"),
        ("file://server/cells", "without a host"),
        ("a\0b", "null"),
    ],
)
def test_what_cannot_be_a_place_is_refused_with_what_to_write(place: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        open_source(place)
