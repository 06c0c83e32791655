"""Any bytes in the folder of a model: it loads, or a clear error says which file; nothing is written."""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.artifact.samples import sample
from tests.fuzz import FUZZ
from textclf.artifact import ModelStore
from textclf.artifact.manifest import FILES, MANIFEST, FileEntry
from textclf.errors import InputError

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    store = ModelStore(str(root))
    store.promote("yelp", store.save(sample()).manifest.version)
    return root / "yelp/1"


def loaded_or_refused(folder: Path) -> None:
    """Load the model; what it holds is sound, or an error of ours says what is not."""
    before = sorted(path.name for path in folder.parent.rglob("*"))
    with contextlib.suppress(InputError):  # any other exception fails the test
        found = ModelStore(str(folder.parents[1])).load("yelp")
        assert all(np.isfinite(tensor).all() for tensor in found.weights.values())
        assert len(found.manifest.labels) == found.shape.labels
    assert sorted(path.name for path in folder.parent.rglob("*")) == before


def damaged(data: bytes, at: int, noise: bytes, kind: str) -> bytes:
    at %= len(data) + 1
    return {
        "cut": data[:at],
        "insert": data[:at] + noise + data[at:],
        "overwrite": data[:at] + noise + data[at + len(noise) :],
        "replace": noise,
    }[kind]


DAMAGE = st.tuples(
    st.integers(0, 10_000), st.binary(max_size=40), st.sampled_from(["cut", "insert", "overwrite", "replace"])
)


@FUZZ
@given(st.sampled_from([MANIFEST, *FILES, "../champion"]), DAMAGE, st.booleans())
def test_any_bytes_in_any_file(folder: Path, name: str, damage: Any, agrees: bool) -> None:
    kept = {each: (folder / each).read_bytes() for each in (name, MANIFEST)}
    try:
        data = damaged(kept[name], *damage)
        (folder / name).write_bytes(data)
        if agrees and name in FILES:  # a manifest that knows of it: only the content can give it away
            manifest = json.loads(kept[MANIFEST])
            manifest["files"][name] = FileEntry.of(data).model_dump()
            (folder / MANIFEST).write_text(json.dumps(manifest))
        loaded_or_refused(folder)
    finally:
        for each, content in kept.items():
            (folder / each).write_bytes(content)


@FUZZ
@given(st.data())
def test_any_values_in_the_manifest(folder: Path, data: st.DataObject) -> None:
    kept = (folder / MANIFEST).read_bytes()
    manifest = json.loads(kept)
    key = data.draw(st.sampled_from(sorted(manifest)) | st.text(max_size=8))
    inner = manifest.get(key)
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        inner[data.draw(st.sampled_from(sorted(inner)) | st.text(max_size=8))] = data.draw(VALUES)
    else:
        manifest[key] = data.draw(VALUES)
    try:
        (folder / MANIFEST).write_text(json.dumps(manifest))
        loaded_or_refused(folder)
    finally:
        (folder / MANIFEST).write_bytes(kept)
