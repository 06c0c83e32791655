"""Encoded sources on their way to the trials: in parts to the driver, in packs to the executors."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.factories.corpora import invented, put, source_toml
from textclf.config import parse_pipeline
from textclf.runs.workspace import Workspace
from textclf.search import encode
from textclf.search.encode import encoded_sources
from textclf.search.encoded_source import Info


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.integers(1, 50))
def test_parts_are_joined_to_the_bytes_that_were_cut(found: list[bytes], most: int) -> None:
    infos = {f"s{at}": Info(f"s{at}", "", size=len(data)) for at, data in enumerate(found)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_PART_BYTES", most)
        tables = [encode._in_parts(infos[f"s{at}"], data) for at, data in enumerate(found)]
        tables.insert(0, encode._in_parts(Info("none", "", problem="no rows"), b""))
    rows = [row for table in tables for row in table.to_pylist()]

    assert max((len(row["data"]) for row in rows), default=0) <= most
    joined = dict(encode._joined(rows, {name: info.size for name, info in infos.items()}))
    assert joined == {f"s{at}": data for at, data in enumerate(found)}


@pytest.mark.parametrize(("most", "packs"), [(1, 3), (1 << 30, 1)])
def test_every_source_is_in_a_pack_whatever_their_sizes(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, packs: int
) -> None:
    names = ("a", "b", "c", "alone")
    pipeline = parse_pipeline(f'warehouse = "{tmp_path}"\n' + "".join(map(source_toml, names)))
    for name in names:
        put(spark, pipeline, name, invented(40, ("x", "y") if name != "alone" else ("x", "x")))
    monkeypatch.setattr(encode, "_PACK_BYTES", most)

    with encoded_sources(Workspace(spark, pipeline), pipeline.sources) as encoded:
        assert encoded.infos["alone"].problem is not None
        assert len({id(pack) for pack in encoded.packs.values()}) == packs
        assert encoded.packs.keys() == {"a", "b", "c"}
        for name, pack in encoded.packs.items():
            info = encoded.infos[name]
            data = pack.value[info.digest]
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (info.digest, info.size)
