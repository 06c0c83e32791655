"""A source of labelled text, as the pipeline file describes it."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from textclf.config.base import Name, PartitionTypes, Section, Share
from textclf.formats import FORMATS, SourceFormat
from textclf.formats.encodings import check_encoding

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]  # named where another is refused


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
    format: FormatName
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
        for key, field in sorted(type(self).model_fields.items()):
            owners = [f"'{other.name}'" for other in FORMATS.values() if key in other.keys]
            if owners and key not in self.kind.keys and getattr(self, key) != field.default:
                raise ValueError(
                    f"{key} is for format{'s' * (len(owners) > 1)} {' and '.join(owners)}, "
                    f"received it with format '{self.format}'"
                )
        if not self.kind.files and not self.recursive:
            raise ValueError(f"recursive is for files; the log of a {self.format} table lists its files")
        self.kind.check(self)
        return self

    @property
    def kind(self) -> SourceFormat:
        """The rules of the source's format."""
        return FORMATS[self.format]

    @property
    def quoted(self) -> bool:
        """Whether fields may be enclosed in double quotes and then hold line breaks."""
        return self.kind.quoting if self.quoting is None else self.quoting

    @property
    def separator(self) -> str:
        """The character between two fields."""
        return self.delimiter or self.kind.delimiter
