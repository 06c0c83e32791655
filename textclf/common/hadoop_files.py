"""Spark's file systems as one of Arrow's, so that a driver reads and writes everything with what Spark is set up with.

Bytes pass through a local temporary file: Py4J encodes bytes as text and holds them whole, on both sides.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import IO, Any

import pyarrow as pa
from py4j.protocol import Py4JError, Py4JJavaError
from pyarrow import fs
from pyspark.errors import PySparkException

from textclf.common.java_classes import JavaClasses


class NoFileSystemError(OSError):
    """Spark has no class for the scheme of a URL."""


_OBJECT_STORES = {"s3", "s3a", "s3n", "gs", "oss", "cosn", "obs"}
"""Schemes of stores where a file appears whole when its writer closes it, and a rename is a copy and a deletion."""
_LENGTH = "fs.option.openfile.length"
"""Hadoop's option for the size of a file that is opened."""
_CONTEXTS: dict[tuple[int, str], Any] = {}
_ERRORS = {
    "java.io.FileNotFoundException": FileNotFoundError,
    "java.nio.file.NoSuchFileException": FileNotFoundError,
    "org.apache.hadoop.security.AccessControlException": PermissionError,
    "java.nio.file.AccessDeniedException": PermissionError,
    "org.apache.hadoop.fs.FileAlreadyExistsException": FileExistsError,
    "org.apache.hadoop.fs.s3a.RemoteFileChangedException": FileExistsError,
    "org.apache.hadoop.fs.UnsupportedFileSystemException": NoFileSystemError,
}


class HadoopFiles(fs.FileSystemHandler):  # type: ignore[misc]  # Arrow's class has no types
    """One of Hadoop's file systems, for ``pyarrow.fs.PyFileSystem``; paths are absolute, without scheme and host.

    Args:
        gateway: Py4J's way to the driver's JVM.
        configuration: Function that gives Hadoop's configuration of the session.
        location: URL in the file system.

    Raises:
        NoFileSystemError: Spark has no class for the URL's scheme.
        OSError: The file system cannot be reached.
    """

    def __init__(self, gateway: Any, configuration: Callable[[], Any], location: str) -> None:
        self._gateway = gateway
        scheme, _, rest = location.partition(":")
        with translated():
            self._classes = JavaClasses(gateway.jvm)
            self._hadoop = self._classes.org.apache.hadoop.fs
            self._configuration = configuration()
            if scheme in ("s3", "s3n") and self._configuration.get(f"fs.{scheme}.impl") is None:
                location = f"s3a:{rest}"
            path = self._hadoop.Path(location)
            try:
                self._system = path.getFileSystem(self._configuration)
            except Py4JJavaError as error:
                if _lacks_class(error, self._configuration, location):
                    raise NoFileSystemError(str(error.java_exception.toString())) from error
                raise
            # The file that was looked at last and its status, or the size that it must have: to open it takes no look.
            self._seen: tuple[str, Any] = "", None
            self.uri: str = self._system.getUri().toString()
            self.start: str = path.toUri().getPath()

    @property
    def scheme(self) -> str:
        """Scheme of its URLs, such as ``hdfs``."""
        return self.uri.partition(":")[0]

    @property
    def replaces_on_close(self) -> bool:
        """Whether a file that is written appears whole, in place of the one before it."""
        return self.scheme in _OBJECT_STORES

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HadoopFiles) and self.uri == other.uri

    def __hash__(self) -> int:
        return hash(self.uri)

    def get_type_name(self) -> str:
        """Name of the kind of file system."""
        return f"hadoop-{self.scheme}"

    def normalize_path(self, path: str) -> str:
        """The path as it is."""
        return path

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        """What is at each of the paths."""
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        """What is in a folder, and in those below it if the selector says so.

        Raises:
            FileNotFoundError: There is no such folder, and the selector does not allow that.
        """
        flat = selector.recursive and self.replaces_on_close
        try:
            with translated():
                if flat:
                    return self._below(selector)
                listed = list(self._system.listStatus(self._path(selector.base_dir)))
        except FileNotFoundError:
            if selector.allow_not_found:
                return []
            raise
        found = [_described(status) for status in listed]
        if selector.recursive:
            for info in [each for each in found if each.type == fs.FileType.Directory]:
                below = fs.FileSelector(info.path, allow_not_found=True, recursive=True)
                found += self.get_file_info_selector(below)
        return found

    def _below(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        """What is below a folder of an object store, which lists thousands of files at once, however deep they are."""
        base, listed = self._path(selector.base_dir), self._system.listFiles(self._path(selector.base_dir), True)
        root, found = base.toUri().getPath().rstrip("/"), dict[str, fs.FileInfo]()
        for status in iter(lambda: listed.next() if listed.hasNext() else None, None):
            info = _described(status)
            folders = info.path.removeprefix(f"{root}/").split("/")[:-1]
            for depth in range(len(folders)):
                place = "/".join([root, *folders[: depth + 1]])
                found[place] = fs.FileInfo(place, fs.FileType.Directory)
            found[info.path] = info
        return list(found.values())

    def create_dir(self, path: str, recursive: bool) -> None:  # noqa: ARG002 - Arrow's signature
        """Create a folder and those above it. Object stores have none."""
        if not self.replaces_on_close:
            with translated():
                self._system.mkdirs(self._path(path))

    def delete_dir(self, path: str) -> None:
        """Delete a folder with all that is in it."""
        with translated():
            self._system.delete(self._path(path), True)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool) -> None:
        """Delete all that is in a folder."""
        for info in self.get_file_info_selector(fs.FileSelector(path, allow_not_found=missing_dir_ok)):
            self.delete_dir(info.path)

    def delete_root_dir_contents(self) -> None:
        """Refuse: nothing here empties a whole file system."""
        raise NotImplementedError

    def delete_file(self, path: str) -> None:
        """Delete a file.

        Raises:
            FileNotFoundError: There is none.
        """
        with translated():
            deleted = self._system.delete(self._path(path), False)
        if not deleted:
            raise FileNotFoundError(path)

    def move(self, src: str, dest: str) -> None:
        """Rename a file, in place of the one that is there: in one step where the file system has that."""
        with translated():
            if self.replaces_on_close:  # without a class that renames in one step, and no storage for it either
                self._system.delete(self._path(dest), False)
                if not self._system.rename(self._path(src), self._path(dest)):
                    raise OSError(f"{src} could not be renamed to {dest}")
                return
            rename = getattr(self._hadoop, "Options$Rename")
            options = self._gateway.new_array(rename, 1)
            options[0] = rename.OVERWRITE  # FileSystem.rename would refuse, or say nothing
            self._file_context().rename(self._path(src), self._path(dest), options)

    def _file_context(self) -> Any:
        """One for all uses: on HDFS each has connections of its own, which nobody closes."""
        key = id(self._gateway), self.uri
        if key not in _CONTEXTS:
            found = self._hadoop.FileContext.getFileContext(self._system.getUri(), self._configuration)
            _CONTEXTS[key] = found
        return _CONTEXTS[key]

    def create_once(self, path: str, data: bytes) -> None:
        """Create a file unless there is one; on S3 by a conditional write.

        Raises:
            FileExistsError: There is one already.
            OSError: The file cannot be created, or the store knows no conditional writes.
        """
        with translated():
            builder = self._system.createFile(self._path(path)).recursive()
            if self.replaces_on_close:
                builder = builder.overwrite(True).must("fs.option.create.conditional.overwrite", True)
                builder = builder.opt("fs.s3a.create.performance", True)  # no requests that look for the name first
            else:
                builder = builder.overwrite(False)
            stream = builder.build()
            stream.write(data, 0, len(data))
            stream.close()

    def copy_file(self, src: str, dest: str) -> None:
        """Copy a file."""
        with self.open_input_stream(src) as source, self.open_output_stream(dest, {}) as target:
            while piece := source.read(1 << 20):
                target.write(piece)

    def open_input_stream(self, path: str) -> pa.NativeFile:
        """Open a file to be read."""
        return pa.PythonFile(self._fetched(path), mode="r")

    def open_input_file(self, path: str) -> pa.NativeFile:
        """Open a file to be read at any place."""
        return self.open_input_stream(path)

    def open_output_stream(self, path: str, metadata: Any) -> pa.NativeFile:  # noqa: ARG002 - Arrow's signature
        """Open a new file to be written; it is stored when it is closed."""
        return pa.PythonFile(_Stored(self, path), mode="w")

    def open_append_stream(self, path: str, metadata: Any) -> pa.NativeFile:
        """Refuse: object stores cannot append."""
        raise NotImplementedError

    def _path(self, path: str) -> Any:
        return self._hadoop.Path(None, None, path or "/")

    def _info(self, path: str) -> fs.FileInfo:
        try:
            with translated():
                status = self._system.getFileStatus(self._path(path))
                info = _described(status, path)
            if info.is_file:
                self._seen = path, status
            return info
        except FileNotFoundError:
            return fs.FileInfo(path, fs.FileType.NotFound)

    def expect(self, path: str, size: int) -> None:
        """Note the size of a file that is opened next, so that an object store is not asked for it."""
        self._seen = path, size

    def _fetched(self, path: str) -> IO[bytes]:
        """Copy a file to this machine; the copy ends with the returned handle."""
        handle, name = tempfile.mkstemp(prefix="textclf-")
        try:
            with (
                translated(),
                closing(self._opened(path)) as source,
                closing(self._classes.java.io.FileOutputStream(name)) as target,
            ):
                source.transferTo(target)
            return os.fdopen(handle, "rb")
        except BaseException:
            os.close(handle)
            raise
        finally:
            os.unlink(name)

    def _opened(self, path: str) -> Any:
        """Open a file, on an object store without a request for what has just been found about it."""
        (seen, status), self._seen = self._seen, ("", None)
        if seen != path or not self.replaces_on_close:
            return self._system.open(self._path(path))
        builder = self._system.openFile(self._path(path))
        known = builder.opt(_LENGTH, str(status)) if isinstance(status, int) else builder.withFileStatus(status)
        return known.build().get()

    def store(self, name: str, path: str) -> None:
        """Copy a local file to a path; on an object store the old content stays if that fails."""
        with translated(), closing(self._classes.java.io.FileInputStream(name)) as source:
            target = self._system.createFile(self._path(path)).overwrite(True).recursive().build()
            try:
                source.transferTo(target)
            except BaseException:
                # Closing would make an object of the part that has been written.
                if target.hasCapability("fs.capability.outputstream.abortable"):
                    target.abort()
                else:
                    target.close()
                raise
            target.close()


class _Stored:
    """A local file that is copied to its place when it is closed, if all of it could be written."""

    def __init__(self, files: HadoopFiles, path: str) -> None:
        self._files, self._path = files, path
        self._local = tempfile.NamedTemporaryFile(prefix="textclf-")  # noqa: SIM115 - closed by close
        self._whole = True
        self.closed = False

    def write(self, data: bytes) -> int:
        self._whole, before = False, self._whole
        written = self._local.write(data)
        self._whole = before
        return written

    def tell(self) -> int:
        return self._local.tell()

    def flush(self) -> None:
        self._local.flush()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        with self._local:
            self._local.flush()
            if self._whole:
                self._files.store(self._local.name, self._path)


def _described(status: Any, path: str | None = None) -> fs.FileInfo:
    """Arrow's description of a file; its time is in nanoseconds since 1970."""
    place = path if path is not None else status.getPath().toUri().getPath()
    if status.isDirectory():
        return fs.FileInfo(place, fs.FileType.Directory)
    mtime = status.getModificationTime() * 1_000_000
    return fs.FileInfo(place, fs.FileType.File, size=status.getLen(), mtime_ns=mtime)


@contextmanager
def translated() -> Iterator[None]:
    """Raise Java's errors, and those of the way to Java, as Python's: as Arrow's own file systems do."""
    try:
        yield
    except Py4JJavaError as error:
        java = error.java_exception
        raise _ERRORS.get(java.getClass().getName(), OSError)(str(java.toString())) from error
    except Py4JError as error:
        raise OSError(f"Spark's JVM does not answer: {error}") from error
    except PySparkException as error:  # some of Java's errors, such as that a file system lacks an operation
        raise OSError(str(error)) from error


def _lacks_class(error: Py4JJavaError, configuration: Any, location: str) -> bool:
    """Whether the class of a URL's scheme is not there, such as that of s3a without its jar, and not another one."""
    name = configuration.get(f"fs.{location.partition(':')[0]}.impl")
    said = str(error.java_exception.toString())
    return name is not None and "ClassNotFoundException" in said and str(name) in said
