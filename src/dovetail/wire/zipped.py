"""Zip archives that may come from anywhere: members are read by name, and their sizes are checked before."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.wire.inflation import is_absurd

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
