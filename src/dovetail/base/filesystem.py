"""Files by path: those of the machine natively, those behind a URL through fsspec; errors are `tf.errors`'.

A file system is found by the scheme in front of a path ("gs://bucket/name"); paths without one, and "file://", are the
machine's.  Whatever opens files for users comes here.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import glob
import os
import re
import shutil
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from dovetail.base.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    OpError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnimplementedError,
    UnknownError,
    at_user_location,
)
from dovetail.base.optional import optional

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_IN_MEMORY = "ram"  # TensorFlow's name of what fsspec calls "memory"
_KINDS: tuple[tuple[type, type], ...] = (
    (FileNotFoundError, NotFoundError),
    (FileExistsError, AlreadyExistsError),
    (PermissionError, PermissionDeniedError),
    (IsADirectoryError, FailedPreconditionError),
    (NotADirectoryError, FailedPreconditionError),
)
_CODES: dict[int, type] = {
    errno.ENOSPC: ResourceExhaustedError,
    errno.EMFILE: ResourceExhaustedError,
    errno.ENOTEMPTY: FailedPreconditionError,
    errno.ENAMETOOLONG: FailedPreconditionError,
}


class Stat(NamedTuple):
    """What is known of a file.

    Attributes:
        length: in bytes.
        mtime_nsec: when it was last changed, in nanoseconds since 1970.
        is_directory: whether it is a folder.
    """

    length: int
    mtime_nsec: int
    is_directory: bool


def path_of(path: Any) -> str:
    """Returns a path as a string.

    Raises:
        TypeError: it is no str, bytes or path.
    """
    return os.fsdecode(path)


@contextlib.contextmanager
def told_of(path: str) -> Iterator[None]:
    """Turns errors of the operating system into those of `tf.errors`, which name the path."""
    try:
        yield
    except OpError:
        raise
    except OSError as error:
        kind = next((ours for theirs, ours in _KINDS if isinstance(error, theirs)), None)
        kind = kind or _CODES.get(error.errno or 0, UnknownError)
        raise kind(f"{path}; {error.strerror or error}{at_user_location()}") from error


class FileSystem(abc.ABC):
    """What files can be asked for.  Paths are whole, with their scheme."""

    @abc.abstractmethod
    def open(self, path: str, mode: str) -> IO[bytes]:
        """Returns an open file of bytes; `mode` has a "b"."""

    @abc.abstractmethod
    def stat(self, path: str) -> Stat:
        """Raises FileNotFoundError where there is nothing."""

    @abc.abstractmethod
    def names(self, path: str) -> list[str]:
        """Returns the names in a folder."""

    @abc.abstractmethod
    def make(self, path: str, parents: bool) -> None:
        """Makes a folder, which may be there already."""

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """Removes a file."""

    @abc.abstractmethod
    def remove_tree(self, path: str) -> None:
        """Removes a file, or a folder with all that it holds."""

    @abc.abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Moves a file or a folder over what is there."""

    @abc.abstractmethod
    def matching(self, pattern: str) -> list[str]:
        """Returns the paths that match `*`, `?` and `[...]`, none of which stands for a slash."""


class _Local(FileSystem):
    """The machine's own files."""

    def open(self, path: str, mode: str) -> IO[bytes]:
        return open(_plain(path), mode)

    def stat(self, path: str) -> Stat:
        found = os.stat(_plain(path))
        return Stat(found.st_size, found.st_mtime_ns, os.path.isdir(_plain(path)))

    def names(self, path: str) -> list[str]:
        return os.listdir(_plain(path))

    def make(self, path: str, parents: bool) -> None:
        path = _plain(path)
        if os.path.exists(path) and not os.path.isdir(path):
            raise NotADirectoryError(errno.ENOTDIR, "Not a directory")
        if parents:
            os.makedirs(path, exist_ok=True)
        elif not os.path.isdir(path):
            os.mkdir(path)

    def remove(self, path: str) -> None:
        os.remove(_plain(path))

    def remove_tree(self, path: str) -> None:
        path = _plain(path)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)

    def rename(self, source: str, target: str) -> None:
        os.replace(_plain(source), _plain(target))

    def matching(self, pattern: str) -> list[str]:
        return sorted(glob.glob(_for_glob(_plain(pattern)), include_hidden=True))


class _Remote(FileSystem):
    """Files behind a URL, through fsspec.

    Args:
        scheme: of the URLs, such as "gs".
        files: fsspec's file system.
    """

    def __init__(self, scheme: str, files: Any) -> None:
        self._scheme, self._files = scheme, files

    def _inner(self, path: str) -> str:
        return self._files._strip_protocol(path.replace(f"{_IN_MEMORY}://", "memory://", 1))

    def open(self, path: str, mode: str) -> IO[bytes]:
        return self._files.open(self._inner(path), mode)

    def stat(self, path: str) -> Stat:
        found = self._files.info(self._inner(path))
        changed = found.get("mtime") or found.get("created") or found.get("LastModified") or 0
        seconds = changed.timestamp() if hasattr(changed, "timestamp") else float(changed)
        return Stat(int(found.get("size") or 0), int(seconds * 1e9), found["type"] == "directory")

    def names(self, path: str) -> list[str]:
        inner = self._inner(path)
        found = (each.rstrip("/").rpartition("/")[2] for each in self._files.ls(inner, detail=False))
        return sorted({name for name in found if name})

    def make(self, path: str, parents: bool) -> None:
        self._files.makedirs(self._inner(path), exist_ok=True)

    def remove(self, path: str) -> None:
        self._files.rm_file(self._inner(path))

    def remove_tree(self, path: str) -> None:
        self._files.rm(self._inner(path), recursive=True)

    def rename(self, source: str, target: str) -> None:
        self._files.mv(self._inner(source), self._inner(target), recursive=True)

    def matching(self, pattern: str) -> list[str]:
        found = self._files.glob(_for_glob(self._inner(pattern)))
        return sorted(f"{self._scheme}://{path.lstrip('/')}" for path in found)


_LOCAL = _Local()
_REMOTE: dict[str, _Remote] = {}


def _plain(path: str) -> str:
    return path.removeprefix("file://")


def _for_glob(pattern: str) -> str:
    """Spells as Python's `glob` does what TensorFlow writes as [^a] and \\*."""
    return re.sub(r"\\(.)", r"[\1]", pattern).replace("[^", "[!")


def scheme_of(path: str) -> str:
    """Returns "gs" for "gs://bucket/name", "" for a path of the machine."""
    found = _SCHEME.match(path)
    return found[1] if found else ""


def file_system(path: str) -> FileSystem:
    """Returns the file system of a path.

    Raises:
        UnimplementedError: nobody knows the scheme.
        ImportError: it has a scheme, and fsspec or the package behind it is not installed.
    """
    scheme = scheme_of(path)
    if scheme in ("", "file"):
        return _LOCAL
    if scheme not in _REMOTE:
        registry = optional("fsspec", f"the file {path!r}", "'dovetail[remote]'")
        name = "memory" if scheme == _IN_MEMORY else scheme
        try:
            _REMOTE[scheme] = _Remote(scheme, registry.filesystem(name))
        except ValueError as error:
            raise UnimplementedError(
                f"File system scheme {scheme!r} not implemented (file: {path!r}){at_user_location()}"
            ) from error
    return _REMOTE[scheme]


def schemes() -> list[str]:
    """Returns the schemes of paths that can be opened, "" for none."""
    try:
        known = optional("fsspec", "", "").available_protocols()
    except ImportError:
        return ["", "file"]
    return ["", "file", _IN_MEMORY, *sorted({*known} - {"", "file", "local", _IN_MEMORY})]


def asked(path: Any, method: str, *arguments: Any) -> Any:
    """Returns what a method of the path's file system says; its errors name the path."""
    path = path_of(path)
    with told_of(path):
        return getattr(file_system(path), method)(path, *arguments)


def opened(path: Any, mode: str = "rb") -> IO[bytes]:
    """Returns an open file of bytes."""
    path = path_of(path)
    with told_of(path):
        return file_system(path).open(path, mode)


def content(path: Any) -> bytes:
    """Returns all bytes of a file."""
    path = path_of(path)
    with told_of(path), file_system(path).open(path, "rb") as file:
        return file.read()


def found(path: Any) -> Stat | None:
    """Returns what is known of a file or a folder, None where there is none."""
    path = path_of(path)
    if not path:
        return None
    try:
        with told_of(path):
            return file_system(path).stat(path)
    except (NotFoundError, FailedPreconditionError):
        return None
