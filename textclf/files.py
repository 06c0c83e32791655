"""Files that are replaced in one step."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write a text file, UTF-8: whoever looks at it sees the old one or the new one, never half of either.

    Folders on the way are made. Everybody may read the file.

    Raises:
        OSError: It cannot be written there; the old one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except OSError:
        Path(aside).unlink(missing_ok=True)
        raise
