"""Files that jobs write for people, such as reports: on this machine, or where the tables are."""

import os
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from textclf.common.atomic_files import replace_file
from textclf.common.file_systems import file_system, is_url, replace_in


@dataclass(frozen=True)
class OutputFile:
    """A file by its location: a path on this machine, or a URL."""

    location: str

    def __str__(self) -> str:
        return self.location if is_url(self.location) else os.path.abspath(self.location)

    @property
    def local(self) -> Path | None:
        """The file on this machine; None if it is elsewhere."""
        return None if is_url(self.location) else Path(self.location)

    def replace(self, content: str | bytes) -> None:
        """Write the file, so that a reader sees the old content or the new one; text is written as UTF-8.

        Raises:
            OSError: The file cannot be written; the old one is unchanged.
        """
        if (path := self.local) is not None:
            replace_file(path, content)
        else:
            replace_in(*self._opened(), content.encode() if isinstance(content, str) else content)

    def read(self) -> bytes:
        """Read the file.

        Raises:
            OSError: The file cannot be read.
        """
        if (path := self.local) is not None:
            return path.read_bytes()
        system, inside = self._opened()
        with system.open_input_stream(inside, compression=None) as stream:
            return bytes(stream.read())

    def exists(self) -> bool:
        """Whether there is such a file.

        Raises:
            OSError: Its storage cannot be reached.
        """
        if (path := self.local) is not None:
            return path.exists()
        system, inside = self._opened()
        return bool(system.get_file_info(inside).is_file)

    def _opened(self) -> tuple[fs.FileSystem, str]:
        try:
            return file_system(self.location)
        except ValueError as error:  # Arrow's, for a URL that it does not know
            raise OSError(str(error)) from error
