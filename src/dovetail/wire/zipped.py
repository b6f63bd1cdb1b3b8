"""Zip archives that may come from anywhere: members are read by name, and their sizes are checked before."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.wire.inflation import is_absurd
from dovetail.wire.seekable import Seekable

_HEADER_BYTES = 30  # of a member, before its name
_AT_ONCE = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes to begin with


def opened(path: Any, caller: str, kind: str) -> zipfile.ZipFile:
    """Opens an archive.

    Args:
        path: of the file, or an open binary file.
        caller: the public name of what reads it, for messages.
        kind: what the file should be, such as ".keras".

    Raises:
        ValueError: it is no archive, names stand twice, or all members together claim an absurd size.
    """
    try:
        archive = zipfile.ZipFile(path, "r")
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        OverflowError,
        OSError,
        struct.error,
    ) as error:
        raise ValueError(
            f"{caller}: {str(path)!r} is not a {kind} file: {error}{at_user_location()}"
        ) from error
    try:
        _check_members(archive, path, caller)
    except BaseException:
        archive.close()
        raise
    return archive


def _check_members(archive: zipfile.ZipFile, path: Any, caller: str) -> None:
    members = archive.infolist()
    names = {member.filename for member in members}
    if len(names) < len(members):
        raise ValueError(
            f"{caller}: {str(path)!r} has members of the same name, of which others may read the other"
            f"{at_user_location()}"
        )
    size, file = sum(member.file_size for member in members), archive.fp
    stored = file.seek(0, os.SEEK_END) if file is not None else 0
    if any(member.compress_size > stored for member in members):
        raise ValueError(
            f"{caller}: {str(path)!r} is damaged: a member claims to be larger than the file{at_user_location()}"
        )
    if is_absurd(size, stored):
        raise ValueError(
            f"{caller}: {str(path)!r} claims {size} bytes in all and stores {stored}: it is not read"
            f"{at_user_location()}"
        )


def member(
    archive: zipfile.ZipFile, name: str, path: Any, caller: str, kind: str, most: int | None = None
) -> bytes:
    """Returns a member of an archive.

    Args:
        path, caller, kind: as of `opened`.
        most: how many bytes it may have, whatever is stored of them.

    Raises:
        ValueError: it is not there, damaged, or claims an absurd size.
    """
    facts = _facts_of(archive, name, path, caller, kind, most)
    try:
        return archive.read(facts)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ValueError(
            f"{caller}: {str(path)!r}: {name} is damaged: {error}{at_user_location()}"
        ) from error


def _facts_of(
    archive: zipfile.ZipFile, name: str, path: Any, caller: str, kind: str, most: int | None = None
) -> zipfile.ZipInfo:
    try:
        facts = archive.getinfo(name)
    except KeyError:
        raise ValueError(
            f"{caller}: {str(path)!r} has no {name}: it is not a whole {kind} file{at_user_location()}"
        ) from None
    if is_absurd(facts.file_size, facts.compress_size) or (most is not None and facts.file_size > most):
        raise ValueError(
            f"{caller}: {str(path)!r}: {name} claims {facts.file_size} bytes and stores {facts.compress_size}: it is "
            f"not read{at_user_location()}"
        )
    if facts.compress_type not in _METHODS:
        raise ValueError(
            f"{caller}: {str(path)!r}: {name} is compressed in a way that {kind} files never are (method "
            f"{facts.compress_type}){at_user_location()}"
        )
    return facts


def file_of_member(archive: zipfile.ZipFile, name: str, path: Any, caller: str, kind: str) -> Any:
    """Returns an open binary file of a member: a part of the archive's own where it is stored as it is.

    Arguments and errors are those of `member`; what it holds has been compared with its checksum.
    """
    facts = _facts_of(archive, name, path, caller, kind)
    if facts.compress_type != zipfile.ZIP_STORED or not isinstance(path, str | os.PathLike):
        return io.BytesIO(member(archive, name, path, caller, kind))
    try:
        with archive.open(facts) as whole:  # compares names and, at its end, the checksum
            while whole.read(_AT_ONCE):
                pass
        return _Part(path, _beginning(path, facts), facts.file_size)
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
    ) as error:
        raise ValueError(
            f"{caller}: {str(path)!r}: {name} is damaged: {error}{at_user_location()}"
        ) from error


def _beginning(path: Any, facts: zipfile.ZipInfo) -> int:
    """Returns where a member's data begins: behind its header, a name and what else belongs to it."""
    with open(path, "rb") as file:
        file.seek(facts.header_offset + _HEADER_BYTES - 4)
        return facts.header_offset + _HEADER_BYTES + sum(struct.unpack("<2H", file.read(4)))


class _Part(Seekable):
    """Some bytes of a file, as a file that cannot be written.

    Args:
        path: of the file.
        begin, size: where they begin, and how many they are.
    """

    def __init__(self, path: Any, begin: int, size: int) -> None:
        super().__init__(size)
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed with this file
        self._begin = begin

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, whole where there are bytes enough."""
        view = memoryview(buffer).cast("B")[: self.left()]
        self._file.seek(self._begin + self.at)
        done = 0
        while done < len(view):
            count = self._file.readinto(view[done : done + _AT_ONCE])
            if not count:
                raise OSError("the file has become shorter")
            done += count
        self.at += done
        return done

    def getvalue(self) -> bytes:
        """Returns all bytes, as `io.BytesIO` does."""
        before, self.at = self.at, 0
        try:
            return self.read(self.size)
        finally:
            self.at = before

    def close(self) -> None:
        self._file.close()
        super().close()
