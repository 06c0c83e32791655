"""A source of labelled text, as the pipeline file describes it."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from textclf.config.base import Name, PartitionTypes, Section, Share
from textclf.config.encodings import check_encoding, check_field_signs

SourceFormat = Literal["tsv", "csv", "jsonl", "text", "parquet", "delta"]
DELIMITED = ("tsv", "csv")


class Source(Section):
    """Where labelled text comes from and how its records are read.

    ``columns`` gives the order of fields in tsv and csv without a header; names other than those of the
    text and label columns are skipped. Formats with named fields use ``text`` and ``label``.

    ``recursive`` also reads subfolders of the source that are not partitions (``label=pos``).
    ``partition_types`` says how to read values in the names of partitions: ``text`` as written, or ``inferred`` with
    the type that Spark infers (``001`` is 1), as before this key existed.
    ``max_rejects`` overrides that of ``[ingest]`` for this source.
    """

    name: Name
    path: Annotated[str, Field(min_length=1)]
    format: SourceFormat
    columns: list[str] | None = None
    text: str = "text"
    label: str = "label"
    encoding: str = "utf-8"
    quoting: bool | None = None  # default: on for csv, off for tsv
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    escape: Annotated[str, Field(min_length=1, max_length=1)] | None = None  # escapes quotes within quotes, besides ""
    header: bool = False
    labels: Annotated[list[str], Field(min_length=1)] | None = None
    pattern: str | None = None
    max_record_bytes: Annotated[int, Field(gt=0, le=1 << 30)] = 1 << 20
    recursive: bool = True
    partition_types: PartitionTypes | None = None
    max_rejects: Share | None = None

    @field_validator("encoding")
    @classmethod
    def _line_feed_is_one_byte(cls, value: str) -> str:
        check_encoding(value)
        return value

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, value: list[str] | None) -> list[str] | None:
        labels = None if value is None else [label.strip() for label in value]  # as in the records
        for label in labels or ():
            if not label or "\0" in label:
                raise ValueError(f"expected labels that records can have, received {label!r}")
            if (labels or []).count(label) > 1:
                raise ValueError(f"expected distinct labels, received {label!r} twice; blanks around them are removed")
        return labels

    @model_validator(mode="after")
    def _keys_fit_the_format(self) -> "Source":
        if self.format == "text":
            self._check_pattern()
        elif self.pattern is not None:
            raise ValueError(f"pattern is for format 'text', received it with format '{self.format}'")
        if self.format in DELIMITED:
            if self.columns is None and not self.header:
                raise ValueError("columns is missing: give the order of the fields, or header = true")
            if self.columns is not None and not {self.text, self.label} <= set(self.columns):
                raise ValueError(f"columns must name '{self.text}' and '{self.label}', received {self.columns}")
            twice = [name for name in (self.text, self.label) if (self.columns or []).count(name) > 1]
            if twice:
                raise ValueError(f"columns must name '{twice[0]}' once, received {self.columns}")
            if self.escape is not None and not self.quoted:
                raise ValueError("escape is for quoted fields: set quoting = true, or leave it out")
            check_field_signs(self.encoding, quoted=self.quoted, separator=self.separator, escape=self.escape)
        elif (
            self.columns is not None
            or self.header
            or any(key is not None for key in (self.quoting, self.delimiter, self.escape))
        ):
            raise ValueError(f"columns, header, quoting, delimiter and escape are for {' and '.join(DELIMITED)}")
        if self.partition_types is not None and self.format != "parquet":
            raise ValueError(f"partition_types is for format 'parquet', received it with format '{self.format}'")
        if self.format == "delta" and not self.recursive:
            raise ValueError("recursive is for files; the log of a Delta table lists its files")
        return self

    def _check_pattern(self) -> None:
        if self.pattern is None:
            raise ValueError("format 'text' needs pattern, a regular expression with groups text and label")
        try:
            groups = set(re.compile(self.pattern).groupindex)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"pattern is not a regular expression: {error}") from error
        if not {self.text, self.label} <= groups:
            raise ValueError(
                f"pattern must have the named groups '{self.text}' and '{self.label}', "
                f"received {sorted(groups) or 'none'}"
            )

    @property
    def quoted(self) -> bool:
        """Whether fields may be enclosed in double quotes and then hold line breaks."""
        return self.format == "csv" if self.quoting is None else self.quoting

    @property
    def separator(self) -> str:
        """The character between two fields."""
        return self.delimiter or ("\t" if self.format == "tsv" else ",")
