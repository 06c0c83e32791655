"""Access folders on disks and object stores by path or URL, through Arrow's file systems."""

import re
from pathlib import Path
from uuid import uuid4

from pyarrow import fs


def file_system(location: str) -> tuple[fs.FileSystem, str]:
    """Return Arrow's file system of a path or URL, and the path in it.

    Example:
        >>> system, path = file_system("/data/models")
        >>> system.type_name, path
        ('local', '/data/models')
    """
    if "://" in location or location.startswith("file:"):
        system, path = fs.FileSystem.from_uri(re.sub(r"^s3[an]://", "s3://", location))
        return system, path
    return fs.LocalFileSystem(), str(Path(location).absolute())


def replace_in(system: fs.FileSystem, path: str, data: bytes) -> None:
    """Write a file beside its place and move it there, so that a reader sees either the old file or the new one.

    Missing parent folders are created.
    """
    folder, _, name = path.rpartition("/")
    aside = f"{folder}/.{name[:40]}-{uuid4().hex}"
    system.create_dir(folder, recursive=True)
    with system.open_output_stream(aside, compression=None) as stream:
        stream.write(data)
    if system.type_name == "hdfs" and system.get_file_info(path).is_file:
        system.delete_file(path)  # a rename on HDFS does not replace
    system.move(aside, path)
