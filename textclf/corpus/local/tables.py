"""Read Parquet files on this machine with pyarrow, a few rows at a time; strings may be invalid UTF-8."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from textclf.storage.files.columns import folder_keys
from textclf.storage.files.listing import Listing

_BATCH = 500  # rows, each of which may be long


def parquet_rows(files: Sequence[str], listing: Listing) -> Any:
    """Open Parquet files as a dataset. Values from folder names are strings, exactly as the names have them.

    Args:
        files: Paths of the files.
        listing: Listing that the files are from.
    """
    from pyarrow import dataset

    schema = pa.schema([(key, pa.string()) for key in folder_keys(listing) if key])
    parts = dataset.partitioning(schema, flavor="hive") if len(schema) else None
    return dataset.dataset(list(files), format="parquet", partitioning=parts)


def batches(rows: Any, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of a dataset in batches that are not empty, without reading ahead."""
    from pyarrow import dataset

    options = dataset.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True)
    scanned = rows.to_batches(
        columns=list(columns),
        batch_size=_BATCH,
        batch_readahead=0,
        fragment_readahead=1,
        fragment_scan_options=options,
    )
    return (batch for batch in scanned if batch.num_rows)


def is_string(kind: pa.DataType) -> bool:
    """Whether values are strings, in a dictionary or not."""
    if pa.types.is_dictionary(kind):
        return is_string(kind.value_type)
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_plain_number(kind: pa.DataType) -> bool:
    """Whether values are numbers or booleans, in a dictionary or not."""
    if pa.types.is_dictionary(kind):
        return is_plain_number(kind.value_type)
    tests = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def bytes_of(column: pa.Array) -> pa.BinaryArray:
    """Return strings as bytes, because Python fails on those that are not valid UTF-8."""
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return plain.cast(pa.binary())
