"""Unpacking archives that may come from anywhere: nothing gets out of the folder, and no small file fills the disk."""

from __future__ import annotations

import os
import posixpath
import shutil
import struct
import tarfile
import zipfile
import zlib
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.wire.inflation import is_absurd

FORMATS = {"tar": tarfile.is_tarfile, "zip": zipfile.is_zipfile}

_MAX_UNQUESTIONED_BYTES = 1 << 30  # files of data sets: the disk holds them, not the memory
# What the packages for archives raise where one is damaged.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, IndexError, struct.error),
    UnicodeDecodeError,
)
_MAX_NAME = 1024
_MAX_MEMBERS = 2_000_000


class UnsafeArchiveError(ValueError):
    """An archive that would write outside of its folder, or fill the disk."""


def unpack(kind: str, archive: str, folder: str) -> None:
    """Unpacks an archive into a folder.

    Args:
        kind: "tar" or "zip".

    Raises:
        UnsafeArchiveError: a member, or what a link in it leads to, lies outside of the folder; or all together are far
            larger than the archive.
        ValueError: it is damaged.
    """
    try:
        (_tar if kind == "tar" else _zip)(archive, folder)
    except _DAMAGE as error:
        raise ValueError(f"get_file: {archive!r} is damaged: {error}{at_user_location()}") from error


class _Watch:
    """Looks at the members of an archive as they come.

    Args:
        archive: path of the archive.
    """

    def __init__(self, archive: str) -> None:
        self._archive, self._stored = archive, os.path.getsize(archive)
        self._size = self._count = 0

    def check(self, name: str, size: int) -> None:
        """Raises UnsafeArchiveError for a member that is not unpacked."""
        if _is_outside(name):
            self._refuse(f"the member {name!r:.200} lies outside of the folder")
        if len(name) > _MAX_NAME:
            self._refuse(f"the member {name[:80]!r}... has a name of {len(name)} characters")
        self._size, self._count = self._size + size, self._count + 1
        if is_absurd(self._size, self._stored, _MAX_UNQUESTIONED_BYTES):
            self._refuse(f"it has {self._stored} bytes and would become more than {self._size}")
        if self._count > _MAX_MEMBERS:
            self._refuse(f"it has more than {_MAX_MEMBERS} members")

    def check_link(self, name: str, target: str, is_symbolic: bool) -> None:
        """Raises UnsafeArchiveError for a link that leads outside."""
        base = posixpath.dirname(name) if is_symbolic else ""
        if posixpath.isabs(target) or _is_outside(posixpath.join(base, target)) or len(target) > _MAX_NAME:
            self._refuse(f"the link {name!r:.200} leads outside of the folder, to {target!r:.200}")

    def _refuse(self, why: str) -> None:
        raise UnsafeArchiveError(
            f"get_file: {self._archive!r} is not unpacked: {why}. If you trust it, fetch it with extract=False and "
            f"unpack it with shutil.unpack_archive{at_user_location()}"
        )


def _is_outside(name: str) -> bool:
    plain = name.replace("\\", "/")
    whole = posixpath.normpath(plain)
    return (
        "\0" in name
        or posixpath.isabs(plain)
        or whole == ".."
        or whole.startswith("../")
        or plain[1:2] == ":"
    )


def _tar(archive: str, folder: str) -> None:
    watch = _Watch(archive)

    def checked(member: tarfile.TarInfo, path: str) -> Any:
        watch.check(member.name, member.size)
        if member.islnk() or member.issym():
            watch.check_link(member.name, member.linkname, member.issym())
        return tarfile.data_filter(member, path)

    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter=checked)


def _zip(archive: str, folder: str) -> None:
    watch = _Watch(archive)
    with zipfile.ZipFile(archive) as packed:
        members = packed.infolist()
        for member in members:
            watch.check(member.filename, member.file_size)
        for member in members:
            target = os.path.join(folder, *member.filename.replace("\\", "/").split("/"))
            if member.is_dir():
                os.makedirs(target, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.islink(target):
                os.remove(target)
            with packed.open(member) as source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
