"""Encoded sources reach the driver in parts and the executors in packs."""

import hashlib
import random
from pathlib import Path

import pyarrow as pa
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
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(1, 40)))
def test_packs_hold_each_source_once_and_no_more_than_they_may(sizes: dict[str, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode, "_PACK_BYTES", 20)
        packs = list(encode._packs(sizes))

    assert sorted((name, size) for pack in packs for name, size in pack.items()) == sorted(sizes.items())
    assert all(sum(pack.values()) <= 20 or len(pack) == 1 for pack in packs)
    in_order = [size for pack in packs for size in pack.values()]
    assert in_order == sorted(in_order, reverse=True)


def test_parts_come_to_the_driver_as_the_bytes_that_were_cut(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "_PART_BYTES", 10)
    monkeypatch.setattr(encode, "_PARTS", 2)
    rng = random.Random(3)
    data = {f"s{size}": rng.randbytes(size) for size in (1, 9, 10, 11, 20, 21, 95)}
    infos = [Info(name, "", size=len(each)) for name, each in data.items()]
    tables = [encode._in_parts(info, data[info.source]) for info in infos]
    tables.append(encode._in_parts(Info("none", "", problem="no rows"), b""))
    assert max(batch.num_rows for table in tables for batch in table.to_batches()) == 1
    frame = spark.createDataFrame(pa.concat_tables(tables)).repartition(3)

    assert encode._fetched(frame, {info.source: info.size for info in infos}) == data


def test_every_source_is_in_a_pack_whatever_their_sizes(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("a", "b", "alone")
    pipeline = parse_pipeline(f'warehouse = "{tmp_path}"\n' + "".join(map(source_toml, names)))
    for name in names:
        put(spark, pipeline, name, invented(40, ("x", "y") if name != "alone" else ("x", "x")))

    for most, packs in ((1, 2), (1 << 30, 1)):
        monkeypatch.setattr(encode, "_PACK_BYTES", most)
        with encoded_sources(Workspace(spark, pipeline), pipeline.sources) as encoded:
            assert encoded.infos["alone"].problem is not None
            assert len({id(pack) for pack in encoded.packs.values()}) == packs
            assert encoded.packs.keys() == {"a", "b"}
            for name, pack in encoded.packs.items():
                info = encoded.infos[name]
                data = pack.value[info.digest]
                assert (hashlib.sha256(data).hexdigest(), len(data)) == (info.digest, info.size)
