"""The files of a path that are read, skipped or refused, as by Spark."""

import os
import shutil
from functools import reduce
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from textclf.errors import InputError
from textclf.storage.files import listing
from textclf.storage.files.columns import read_lines
from textclf.storage.files.listing import Skipped, list_files, list_local

TREE = (
    "a.tsv", "_c.tsv", ".d.tsv", "_SUCCESS", ".a.tsv.crc", "copy.tsv._COPYING_", "_metadata.tsv", "empty.tsv",
    "2025/b.tsv", "2025/_temporary/x.tsv", "2025/deep/er/c.tsv", "k=1/d.tsv", "k=1/sub/e.tsv", "_k=1/f.tsv",
    "value=abc/g.tsv", ".git/config", "=odd/h.tsv", "odd=/i.tsv", "a b+c%20d/j.tsv",
)  # fmt: skip


def make(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("" if file.name == "empty.tsv" else "x\n")
    return root


def read(spark: SparkSession, *paths: str | Path, recursive: bool = True) -> list[str]:
    """Return the paths of the files that lines were read from."""
    found = [read_lines(spark, list_files(spark, str(path), "Source s", recursive=recursive)) for path in paths]
    parts = [lines.select(lines.metadataColumn("_metadata")["file_path"].alias("path")) for lines in found]
    rows = reduce(DataFrame.unionAll, parts).collect()
    return sorted(unquote(row["path"]).removeprefix("file:") for row in rows)


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("pattern", ["", "/*", "/*/*.tsv", "/{a,2025/b}.tsv", "/k=*"])
def test_what_is_listed_is_what_spark_reads(spark: SparkSession, tmp_path: Path, pattern: str, recursive: bool) -> None:
    root = make(tmp_path / "s", *TREE)
    listing = list_files(spark, f"{root}{pattern}", "Source s", recursive=recursive)
    assert read(spark, f"{root}{pattern}", recursive=recursive) == sorted(
        each.path.removeprefix("file:") for each in listing.files
    )


def test_subfolders_are_read_and_skipped_names_are_counted(spark: SparkSession, tmp_path: Path) -> None:
    root = make(tmp_path / "s", *TREE)
    listing = list_files(spark, str(root), "Source s")
    assert {each.path.removeprefix(f"file:{root}/") for each in listing.files} == {
        "a.tsv", "2025/b.tsv", "2025/deep/er/c.tsv", "k=1/d.tsv", "k=1/sub/e.tsv", "_k=1/f.tsv", "value=abc/g.tsv",
        "=odd/h.tsv", "odd=/i.tsv", "a b+c%20d/j.tsv",
    }  # fmt: skip
    assert listing.skipped == Skipped(4, 2, (".d.tsv", ".git/", "_c.tsv", "_metadata.tsv", "copy.tsv._COPYING_"))
    assert str(listing.skipped) == (
        "4 files and 2 folders skipped (names that begin with _ or . are not read): "
        ".d.tsv, .git/, _c.tsv, _metadata.tsv, copy.tsv._COPYING_, ..."
    )
    flat = list_files(spark, str(root), "Source s", recursive=False)
    assert {each.folder for each in flat.files} == {"", "k=1", "_k=1", "value=abc"}


def test_the_machines_own_way_lists_what_hadoops_does(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "s", *TREE)
    (root / "gone.tsv").symlink_to(root / "nothing")
    local = list_files(spark, str(root), "Source s")
    alone = list_local(str(root))
    monkeypatch.setattr(listing, "local_children", None)
    monkeypatch.setattr(listing, "_is_local", lambda _: False)
    assert list_files(spark, str(root), "Source s") == local
    assert [each.folder for each in alone.entries] == [each.folder for each in local.entries]
    assert alone.skipped == local.skipped


def test_the_digest_is_that_of_earlier_releases(spark: SparkSession, tmp_path: Path) -> None:
    def before(path: Path) -> str:
        listed = spark.read.format("binaryFile").load(str(path))
        size, time = F.col("length").cast("string"), F.unix_micros(F.col("modificationTime")).cast("string")
        files = F.concat_ws("|", F.col("path"), size, time)
        digest = F.sha2(F.concat_ws("\n", F.array_sort(F.collect_list(files))), 256)
        return str(listed.agg(digest.alias("digest")).collect()[0]["digest"])

    flat = make(
        tmp_path / "flat", "b c.tsv", "a%20b.tsv", "Ü#,;.tsv", "empty.tsv", "_x.tsv", "\U0001f600.tsv", "\ue000.tsv"
    )
    os.utime(flat / "b c.tsv", ns=(0, 1_764_000_000_123_999_999))
    parted = make(tmp_path / "parted", "k=1/a.tsv", "k=2/b.tsv", "k=2/_c.tsv")
    (tmp_path / "none").mkdir()
    for path in (flat, parted, flat / "b c.tsv", tmp_path / "flat/*.tsv", tmp_path / "none"):
        assert list_files(spark, str(path), "Source s").digest() == before(path)


ODD = [
    "data [1].tsv", "b {x,y}.tsv", "c,d.tsv", "e%20f.tsv", "100%.tsv", "g#h.tsv", "i?j.tsv", "k*l.tsv", "m\\n.tsv",
    "r;s.tsv", "t'u\"v.tsv", "ü\n.tsv", "`x`.tsv", "a+b.tsv", "$HOME ${x}.tsv", "[.tsv", "x].tsv", "\\[1\\].tsv",
    "{.tsv", "~.tsv", "q=1.tsv", "é\u202e.tsv", "-.tsv", "\U0001f600.tsv",
]  # fmt: skip


def test_a_file_that_exists_is_read_whatever_its_name(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    for name in ODD:
        folder = make(tmp_path / name.removesuffix(".tsv"), name, f"sub/{name}")
        files += [str(folder / name), str(folder / "sub" / name)]
    tops = files[::2]
    assert read(spark, *tops) == sorted(tops)
    assert read(spark, *(Path(file).parent for file in tops)) == sorted(files)
    assert read(spark, *(Path(file).parent for file in tops), recursive=False) == sorted(tops)
    assert read(spark, tmp_path) == sorted(files)
    for file in (tops[0], tops[1], tops[8]):
        monkeypatch.chdir(Path(file).parent)
        assert read(spark, Path(file).name) == [file]


def test_patterns_match_where_nothing_has_exactly_that_name(spark: SparkSession, tmp_path: Path) -> None:
    root = make(tmp_path / "s", "data1.tsv", "data2.tsv", "other.tsv")
    assert len(read(spark, f"{root}/data[12].tsv")) == 2
    make(root, "data[12].tsv")
    assert read(spark, f"{root}/data[12].tsv") == [f"{root}/data[12].tsv"]
    assert read(spark, f"{root}/data\\[12\\].tsv") == [f"{root}/data[12].tsv"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.tsv", "no file or folder at"),
        ("nothing*.tsv", "nothing matches the pattern"),
        ("[", "nothing matches the pattern|Unclosed"),
        ("_c.tsv", "does not begin with _ or"),
        (".d.tsv", "does not begin with _ or"),
        ("colon", "a file with a colon in its name"),
        ("colon/10:30.tsv", "a file with a colon in its name"),
        ("colon/*", "colon|Relative path"),
        ("loop", "a link leads to a folder above it"),
        ("bytes", "whose name is not UTF-8"),
        ("nosuch://host/a.tsv", "No FileSystem for scheme"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    spark: SparkSession, tmp_path: Path, path: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "_c.tsv", ".d.tsv", "colon/10:30.tsv", "colon/a.tsv", "loop/a.tsv")
    (tmp_path / "loop" / "in").symlink_to(tmp_path / "loop")
    (tmp_path / "bytes").mkdir()
    Path(os.fsdecode(bytes(tmp_path) + b"/bytes/\xff.tsv")).write_text("x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        list_files(spark, path, "Source s")
    assert str(caught.value).startswith("Source s cannot be read.")
    assert caught.value.exit_code == 3


def test_a_link_to_a_folder_with_a_like_name_is_followed(tmp_path: Path) -> None:
    make(tmp_path, "sales2024/a.tsv", "sales2/b.tsv", "sales/c.tsv")
    for name in ("sales2", "sales"):
        (tmp_path / "sales2024" / name).symlink_to(tmp_path / name)
    found = list_local(str(tmp_path / "sales2024"))
    assert [(each.folder, Path(each.path).name) for each in found.files] == [
        ("", "a.tsv"), ("sales", "c.tsv"), ("sales2", "b.tsv"),
    ]  # fmt: skip
    for above in (tmp_path / "sales2024", tmp_path, Path("/")):
        link = tmp_path / "sales2024" / "above"
        link.symlink_to(above)
        with pytest.raises(OSError, match="a link leads to a folder above it"):
            list_local(str(tmp_path / "sales2024"))
        link.unlink()


def test_files_beside_subfolders_are_named(tmp_path: Path) -> None:
    root = make(tmp_path / "s", *ODD, "sub/a.tsv")
    flat = list_local(str(root), recursive=False)
    assert len(flat.paths) == len(ODD)
    assert flat.closed
    assert flat.deep_files == 0
    found = list_local(str(root))
    assert found.deep_files == 1
    assert found.digest(deep=False) == flat.digest() != found.digest()


NAMES = st.text("ab_.=[]{}*?\\%+ #,;é$'\"`\n", min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=6), st.booleans())
def test_any_tree_is_read_as_listed(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, tree: list[list[str]], recursive: bool
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for parts in tree:
        file = root.joinpath(*parts)
        try:
            make(root, str(file.relative_to(root)))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue  # the path is already a file or a folder
    expected = {
        f"file:{file}"
        for file in root.rglob("*")
        if file.is_file() and _is_read(file.relative_to(root).parts, recursive=recursive)
    }
    if expected:
        assert {each.path for each in list_files(spark, str(root), "Source s", recursive=recursive).files} == expected
        assert read(spark, root, recursive=recursive) == sorted(path.removeprefix("file:") for path in expected)
    shutil.rmtree(root)


def _is_read(parts: tuple[str, ...], *, recursive: bool) -> bool:
    *folders, _ = parts
    if any(part.startswith(".") or (part.startswith("_") and "=" not in part) for part in parts):
        return False
    return recursive or all(part.partition("=")[0] and part.partition("=")[2] for part in folders)
