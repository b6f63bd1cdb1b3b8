"""Files and directories that are there whole or not at all, whenever the process dies.

What is not whole yet stands beside it, as `NAME.0123abcd.part`; a process that is killed leaves that there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator

from dovetail.base.errors import PathKindError, at_user_location

_EXCHANGE, _HERE = 2, -100  # of Linux' renameat2


def require_folder(path: str) -> None:
    """Raises PathKindError where a file is in the way of a directory: at its path, or at that of one around it."""
    found = os.path.realpath(path)
    while not os.path.lexists(found):
        found = os.path.dirname(found)
    if not os.path.isdir(found):
        raise PathKindError(
            f"cannot write to the directory {path!r}: {found!r} is a file. Remove it, or pass another path"
            f"{at_user_location()}"
        )


def make_folder(path: str) -> None:
    """Makes a directory, and those around it, where they are not there.

    Raises:
        PathKindError: a file is in the way.
    """
    require_folder(path)
    os.makedirs(path, exist_ok=True)


def _require_file(path: str) -> None:
    """Raises PathKindError where no file can be: at the path of a directory, or below a file."""
    require_folder(os.path.dirname(path))
    if os.path.isdir(path):
        raise PathKindError(
            f"cannot write the file {path!r}: it is a directory. Remove it, or pass the path of a file"
            f"{at_user_location()}"
        )


@contextlib.contextmanager
def replacing(path: str, like: str | None = None) -> Iterator[str]:
    """Gives the path of a new file beside `path`, which takes its place at the end of the block.

    An error in the block leaves what was there before, and nothing else.  The new file has a name that nobody else has,
    and in the end the permissions of the old one; where `path` is a symbolic link, the file that it names is replaced.

    Args:
        path: of the file.
        like: the file whose permissions it gets; `path` when None.
    """
    with replacing_all([path], like) as partials:
        yield partials[0]


@contextlib.contextmanager
def replacing_all(paths: list[str], like: str | None = None) -> Iterator[list[str]]:
    """Gives the paths of new files as `replacing` does, which take their places when all of them are on the disk.

    Args:
        paths: of the files.  The last one lists the others: it is removed before the first of them is replaced, so that
            no list is ever there whose files are of two sets.
        like: the file whose permissions they get; each its own when None.

    Raises:
        PathKindError: there is a directory at one of the paths, or a file where one must be.
    """
    targets = [os.path.realpath(path) for path in paths]
    for target in targets:
        _require_file(target)
    partials = [_beside(target) for target in targets]
    try:
        yield partials
        for partial, target in zip(partials, targets, strict=True):
            _keep_mode(like or target, partial)
            to_disk(partial)  # before its name is
        if len(targets) > 1:
            _remove(targets[-1])
        for partial, target in zip(partials, targets, strict=True):
            os.replace(partial, target)
    finally:
        for partial in partials:
            _remove(partial)


def _beside(path: str) -> str:
    return f"{path}.{secrets.token_hex(4)}.part"


def _keep_mode(old: str, new: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.chmod(new, stat.S_IMODE(os.stat(old).st_mode))


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.remove(path)


@contextlib.contextmanager
def replacing_directory(path: str, own: frozenset[str]) -> Iterator[str]:
    """Gives the path of a new directory beside `path`, which takes its place at the end of the block.

    A directory that holds other things, or is the current one, stays, and gets the new files one after the other.
    Permissions stay as they were.

    Args:
        path: of the directory.
        own: the names in it that belong to what is written; those that are not written again are removed.

    Raises:
        PathKindError: there is a file at the path, or where a directory around it must be.
    """
    path = os.path.realpath(path)
    require_folder(path)
    partial = _beside(path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.mkdir(partial, 0o700 if os.path.exists(path) else 0o777)
    try:
        yield partial
        for root, _, names in os.walk(partial, topdown=False):
            before = os.path.normpath(os.path.join(path, os.path.relpath(root, partial)))
            for name in names:
                _keep_mode(os.path.join(before, name), os.path.join(root, name))
                to_disk(os.path.join(root, name))
            _keep_mode(before, root)
        _take_place(partial, path, own)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take_place(partial: str, path: str, own: frozenset[str]) -> None:
    if not os.path.lexists(path):
        os.rename(partial, path)
        return
    has_others = not own.issuperset(os.listdir(path))
    if has_others or os.path.samefile(path, os.curdir) or not _exchanged(partial, path):
        _move_into(partial, path, own)


def _exchanged(first: str, second: str) -> bool:
    """Exchanges two directories at once; returns False where the system cannot."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return (
        rename is not None and rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0
    )


def _move_into(source: str, target: str, own: frozenset[str]) -> None:
    """Moves all files of a directory into another one, those in its folders first.

    What is `own` there and not new is removed before: it would be taken for a part of the new set.
    """
    for name in own.difference(os.listdir(source)).intersection(os.listdir(target)):
        old = os.path.join(target, name)
        if os.path.isdir(old) and not os.path.islink(old):
            shutil.rmtree(old)
        else:
            os.remove(old)
    for root, _, names in os.walk(source, topdown=False):
        folder = os.path.normpath(os.path.join(target, os.path.relpath(root, source)))
        os.makedirs(folder, exist_ok=True)
        for name in sorted(names):
            os.replace(os.path.join(root, name), os.path.join(folder, name))


def to_disk(path: str) -> None:
    """Waits until the content of a file is on the disk."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
