"""Files and directories that are there whole or not at all, whenever the process dies."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import sys
from collections.abc import Iterator

_EXCHANGE, _HERE = 2, -100  # of Linux' renameat2


@contextlib.contextmanager
def replacing(path: str, alone: bool = True) -> Iterator[str]:
    """Gives the path of a new file beside `path`, which takes its place at the end of the block.

    An error in the block leaves what was there before, and nothing else.

    Args:
        path: of the file.
        alone: nobody else writes the same file now; otherwise the new file has a name that nobody else has.
    """
    partial = f"{path}.partial" if alone else f"{path}.{secrets.token_hex(4)}.part"
    try:
        yield partial
        to_disk(partial)  # before its name is
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
        raise
    os.replace(partial, path)


@contextlib.contextmanager
def replacing_directory(path: str, own: frozenset[str]) -> Iterator[str]:
    """Gives the path of a new directory beside `path`, which takes its place at the end of the block.

    A directory that holds other things, or is the current one, stays, and gets the new files one after the other.

    Args:
        path: of the directory.
        own: the names in it that belong to what is written.
    """
    path = os.path.abspath(path)
    partial = f"{path}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    try:
        yield partial
        for root, _, names in os.walk(partial):
            for name in names:
                to_disk(os.path.join(root, name))
        _take_place(partial, path, own)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take_place(partial: str, path: str, own: frozenset[str]) -> None:
    if not os.path.lexists(path):
        os.rename(partial, path)
        return
    has_others = not os.path.isdir(path) or os.path.islink(path) or not own.issuperset(os.listdir(path))
    if has_others or os.path.samefile(path, os.curdir) or not _exchanged(partial, path):
        _move_into(partial, path)


def _exchanged(first: str, second: str) -> bool:
    """Exchanges two directories at once; returns False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return (
        rename is not None and rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0
    )


def _move_into(source: str, target: str) -> None:
    """Moves all files of a directory into another one, those in its folders first."""
    for root, _, names in os.walk(source, topdown=False):
        folder = os.path.normpath(os.path.join(target, os.path.relpath(root, source)))
        os.makedirs(folder, exist_ok=True)
        for name in sorted(names):
            os.replace(os.path.join(root, name), os.path.join(folder, name))


def to_disk(path: str) -> None:
    """Waits until the content of a file is on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
