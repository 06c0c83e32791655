"""What every format of a source is: a name, the keys that go with it, and a way to take a record apart."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from textclf.formats.reject_reasons import Reason

Fields = Callable[[str], tuple[str | None, str | None] | Reason]
"""A function from a decoded record to its text and label, or the reason for rejecting it."""


class SourceKeys(Protocol):
    """What a format reads of a source's section of the pipeline file; ``textclf.config.Source`` is one."""

    @property
    def text(self) -> str:
        """Name of the text column."""

    @property
    def label(self) -> str:
        """Name of the label column."""

    @property
    def columns(self) -> list[str] | None:
        """Order of the fields."""

    @property
    def encoding(self) -> str:
        """Encoding of the files."""

    @property
    def header(self) -> bool:
        """Whether each file begins with the names of its fields."""

    @property
    def pattern(self) -> str | None:
        """Regular expression of a record."""

    @property
    def escape(self) -> str | None:
        """Escape character inside of quotes."""

    @property
    def max_record_bytes(self) -> int:
        """Length of the longest record that is accepted, in bytes."""

    @property
    def quoted(self) -> bool:
        """Whether fields may be enclosed in double quotes."""

    @property
    def separator(self) -> str:
        """The character between two fields."""


class SourceFormat(ABC):
    """A format of the package; one instance each in the registry.

    Attributes:
        name: What ``format`` is in the pipeline file.
        keys: Keys of a source that have a meaning in this format alone, or in this one and others that list them.
        columnar: Whether a record is a row with columns of its own instead of a line.
        files: Whether a source is files in folders, which ``recursive`` is about, instead of a table.
        quoting: What ``quoting`` is where the pipeline file does not say it.
        delimiter: What ``delimiter`` is where the pipeline file does not say it.
    """

    name: ClassVar[str]
    keys: ClassVar[frozenset[str]] = frozenset()
    columnar: ClassVar[bool] = False
    files: ClassVar[bool] = True
    quoting: ClassVar[bool] = False
    delimiter: ClassVar[str] = ","

    def check(self, source: SourceKeys) -> None:  # noqa: B027 - most have nothing to check
        """Refuse keys that contradict each other.

        Raises:
            ValueError: Says which, and what was expected.
        """


class LineFormat(SourceFormat):
    """A format of one record a line; a record in quotes may hold line breaks.

    Encodings, limits, numbers of records and everything else about lines is the same in all of these.
    """

    @abstractmethod
    def fields(self, source: SourceKeys, columns: Sequence[str]) -> Fields:
        """A function from a record, decoded and without its line end, to its text and label.

        Args:
            source: Keys of the source.
            columns: Order of the fields: of the file's header, else of the key ``columns``; empty without either.
        """

    def structural_byte(self, source: SourceKeys) -> bytes:
        """A byte that stands in each record: it tells UTF-16 from text that happens to hold NULs."""
        return b" "

    def refusal(self, line: bytes) -> str | None:
        """Why a file that begins with this line is not of the format, and how to convert it; None where it is.

        Args:
            line: The file's first line without its line feed, or the beginning of a long one.
        """
        return None
