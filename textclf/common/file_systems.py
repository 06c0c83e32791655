"""Folders on disks and object stores by their path or URL, through Arrow's file systems."""

import re
from pathlib import Path
from uuid import uuid4

from pyarrow import fs


def file_system(location: str) -> tuple[fs.FileSystem, str]:
    """Arrow's file system of a path or URL, and the path in it.

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
    """Write a file aside and move it to its place, so that a reader sees the old one or the new one.

    Folders on the way are made.
    """
    folder, _, name = path.rpartition("/")
    aside = f"{folder}/.{name[:40]}-{uuid4().hex}"
    system.create_dir(folder, recursive=True)
    with system.open_output_stream(aside, compression=None) as stream:
        stream.write(data)
    if system.type_name == "hdfs" and system.get_file_info(path).is_file:
        system.delete_file(path)  # its rename does not replace
    system.move(aside, path)
