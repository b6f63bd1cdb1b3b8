"""`tf.io.gfile`: files and folders, on the machine and behind URLs, with the errors of `tf.errors`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import IO, Any

from dovetail.base import filesystem
from dovetail.base.errors import (
    AlreadyExistsError,
    InvalidArgumentError,
    NotFoundError,
    OpError,
    OutOfRangeError,
    PermissionDeniedError,
    at_user_location,
)
from dovetail.base.filesystem import Stat, asked, told_of
from dovetail.base.own import declare

__all__ = [
    "GFile",
    "copy",
    "exists",
    "get_registered_schemes",
    "glob",
    "isdir",
    "join",
    "listdir",
    "makedirs",
    "mkdir",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]

# What a file is opened with by Python; "r+" and "a+" need what is there.
_MODES = ("r", "w", "a", "r+", "w+", "a+")
_WHENCE = (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END)
_LONGEST_CHARACTER = 4  # bytes of UTF-8


@declare
class GFile:
    """A file that is opened when it is first read or written.

    Args:
        name: path or URL.
        mode: "r", "w", "a", "r+", "w+" or "a+", for text in UTF-8; with a "b" for bytes.

    Positions and numbers are of bytes, in text too.  Differs from TensorFlow: what was written is read without a flush.

    Raises:
        NotFoundError, PermissionDeniedError, ...: by the methods, when the file is opened.
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        if mode.replace("b", "") not in _MODES:
            raise InvalidArgumentError(
                f"GFile: mode must be one of {', '.join(_MODES)}, with a 'b' for bytes, received {mode!r}"
                f"{at_user_location()}"
            )
        self._name, self._mode = name, mode
        self._kind = mode.replace("b", "")
        self._file: IO[bytes] | None = None

    @property
    def name(self) -> Any:
        return self._name

    @property
    def mode(self) -> str:
        return self._mode

    def _open(self, may: str, why: str) -> IO[bytes]:
        if not set(self._kind) & set(may):
            raise PermissionDeniedError(
                f"File isn't open for {why}: {self._name!r} has mode {self._mode!r}{at_user_location()}"
            )
        if self._file is None:
            self._file = filesystem.opened(self._name, f"{self._kind[0]}b{self._kind[1:]}")
        return self._file

    def _shown(self, data: bytes) -> Any:
        return data if "b" in self._mode else data.decode()

    def size(self) -> int:
        """Returns the number of bytes in the file."""
        return stat(self._name).length

    def write(self, file_content: Any) -> None:
        """Appends text or bytes at the position."""
        data = file_content.encode() if isinstance(file_content, str) else bytes(file_content)
        file = self._open("wa+", "writing")
        with told_of(os.fsdecode(self._name)):
            file.write(data)

    def read(self, n: int = -1) -> Any:
        """Returns `n` bytes, in text to the end of the last character; all that is left for -1."""
        file = self._open("r+", "reading")
        with told_of(os.fsdecode(self._name)):
            data = file.read(n)
            return data if "b" in self._mode else _whole_characters(data, file)

    def readline(self) -> Any:
        """Returns the next line with its end, nothing behind the last one."""
        file = self._open("r+", "reading")
        with told_of(os.fsdecode(self._name)):
            return self._shown(file.readline())

    def readlines(self) -> list:
        """Returns the lines that are left."""
        return list(self)

    def seek(self, offset: int | None = None, whence: int = 0, position: int | None = None) -> None:
        """Moves to a byte, counted from the start (0), from here (1) or from the end (2).

        Raises:
            OutOfRangeError: it is behind the end.
            InvalidArgumentError: it is before the start.
        """
        offset = position if offset is None else offset
        if offset is None:
            raise TypeError(f"seek(): offset argument required{at_user_location()}")
        if whence not in _WHENCE:
            raise InvalidArgumentError(f"Invalid whence argument: {whence}. Valid values are 0, 1, or 2.")
        file = self._open("r+", "reading")
        self.flush()
        length = self.size()
        target = offset + (0, file.tell(), length)[whence]
        if target < 0:
            raise InvalidArgumentError(f"Seeking to a negative position: {target}{at_user_location()}")
        file.seek(min(target, length))
        if target > length:
            raise OutOfRangeError(
                f"{self._name}: reached end of file: it has {length} bytes{at_user_location()}"
            )

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        """Returns the position in bytes."""
        return self._open("rwa+", "reading").tell()

    def flush(self) -> None:
        """Writes out what is held back."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; reading or writing opens it again."""
        file, self._file = self._file, None
        if file is not None:
            with told_of(os.fsdecode(self._name)):
                file.close()

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    next = __next__


def _whole_characters(data: bytes, file: IO[bytes]) -> str:
    """Returns the text of bytes that may end inside of a character, which is then read to its end."""
    for _ in range(_LONGEST_CHARACTER - 1):
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            more = file.read(1) if error.reason == "unexpected end of data" else b""
            if not more:
                raise
            data += more
    return data.decode()


def _pair(src: Any, dst: Any, overwrite: bool) -> tuple[str, str]:
    """Returns two paths; raises when the second is there, and may not be."""
    first, second = filesystem.path_of(src), filesystem.path_of(dst)
    if not overwrite and filesystem.found(second) is not None:
        raise AlreadyExistsError(
            f"{second}; file already exists. Pass overwrite=True to replace it{at_user_location()}"
        )
    return first, second


def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copies a file.

    Raises:
        AlreadyExistsError: `dst` is there, without `overwrite`.
    """
    first, second = _pair(src, dst, overwrite)
    with filesystem.opened(first) as source, filesystem.opened(second, "wb") as target, told_of(second):
        shutil.copyfileobj(source, target, 1 << 20)


def exists(path: Any) -> bool:
    """Returns whether there is a file or a folder."""
    return filesystem.found(path) is not None


def get_registered_schemes() -> list[str]:
    """Returns the schemes of paths that can be opened: "" and "file" are the machine's, others fsspec's."""
    return filesystem.schemes()


def glob(pattern: Any) -> list[str]:
    """Returns the paths that match a pattern, or one of a list of patterns.

    Args:
        pattern: `*` and `?` stand for any characters and for one, `[a-c]` for one of these, `[^a-c]` for another; none
            of them for a slash.
    """
    patterns = pattern if isinstance(pattern, list | tuple) else [pattern]
    return [path for each in patterns for path in asked(each, "matching")]


def isdir(path: Any) -> bool:
    """Returns whether there is a folder."""
    known = filesystem.found(path)
    return known is not None and known.is_directory


def join(path: Any, *paths: Any) -> Any:
    """Joins parts of a path with slashes; a part that starts with one starts anew."""
    return os.path.join(path, *paths)


def listdir(path: Any) -> list[str]:
    """Returns the names of what is in a folder, in any order.

    Raises:
        NotFoundError: there is no such folder.
    """
    if not isdir(path):
        raise NotFoundError(f"Could not find directory {filesystem.path_of(path)}{at_user_location()}")
    return asked(path, "names")


def mkdir(path: Any) -> None:
    """Makes a folder in a folder that is there.

    Raises:
        NotFoundError: that one is not there.
    """
    asked(path, "make", False)


def makedirs(path: Any) -> None:
    """Makes a folder, and those around it that are missing."""
    asked(path, "make", True)


def remove(path: Any) -> None:
    """Removes a file.

    Raises:
        NotFoundError: there is none.
    """
    asked(path, "remove")


def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Moves a file or a folder.

    Raises:
        AlreadyExistsError: `dst` is there, without `overwrite`.
    """
    first, second = _pair(src, dst, overwrite)
    asked(first, "rename", second)


def rmtree(path: Any) -> None:
    """Removes a folder with all that it holds.

    Raises:
        NotFoundError: there is none.
    """
    asked(path, "remove_tree")


def stat(path: Any) -> Stat:
    """Returns `length` (bytes), `mtime_nsec` and `is_directory` of a file or a folder.

    Raises:
        NotFoundError: there is none.
    """
    return asked(path, "stat")


def walk(top: Any, topdown: bool = True, onerror: Callable | None = None) -> Iterator[tuple]:
    """Iterates over a folder and all folders below it, as `(path, names of folders, names of files)`.

    Args:
        top: path.
        topdown: a folder comes before those in it.
        onerror: called with the error of a folder that cannot be listed, which is left out.
    """
    try:
        names = sorted(listdir(top))
    except OpError as error:
        if onerror is not None:
            onerror(error)
        return
    path = filesystem.path_of(top)
    folders = [name for name in names if isdir(join(path, name))]
    here = path, folders, [name for name in names if name not in set(folders)]
    if topdown:
        yield here
    for name in folders:
        yield from walk(join(path, name), topdown, onerror)
    if not topdown:
        yield here
