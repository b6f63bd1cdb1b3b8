"""`keras.utils.get_file`: files from the network, kept in a folder, checked and unpacked."""

from __future__ import annotations

import hashlib
import os
import pathlib
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import idiom
from dovetail.keras.utils import messages, unpacking
from dovetail.keras.utils.progbar import Progbar

__all__ = ["cache_folder", "get_file"]

_BLOCK = 1 << 16
_HASHES = ("auto", "sha256", "md5")
_FORMATS: dict[Any, tuple[str, ...]] = {"auto": ("tar", "zip"), "tar": ("tar",), "zip": ("zip",), None: ()}


def get_file(
    fname: Any = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: Any = "auto",
    cache_dir: Any = None,
    force_download: bool = False,
) -> str:
    """Returns the path of a local copy of a file, which is fetched when there is none yet.

    Args:
        fname: name of the copy; the last part of `origin` by default.  An absolute path is taken as it is.
        origin: URL to fetch from; `file://` works as well.
        untar: unpack it: what old programs say for `extract`.
        md5_hash: what old programs say for `file_hash`.
        file_hash: SHA-256 or MD5 in hexadecimal.  A copy with another hash is fetched again.
        cache_subdir: folder for the copy, in the cache; an absolute path is taken as it is.
        hash_algorithm: "sha256", "md5" or "auto", which tells them by their length.
        extract: unpack tar and zip archives.
        archive_format: "auto", "tar", "zip", a list of these, or None: no archive.
        cache_dir: folder of the cache; by default $KERAS_HOME, or ~/.keras.  /tmp/.keras takes the place of one that
            cannot be written to.
        force_download: fetch it in any case.

    Returns:
        Path of the copy.  Of an archive that is unpacked, it is the folder `<fname>_extracted` with its contents; in
        the Keras 2 idiom, they are put beside the archive, whose path is returned.

    Raises:
        ConnectionError: it cannot be fetched; the message says where to put the file by hand.
        ValueError: the hash of what was fetched is another, and nothing is kept; or an archive would write outside of
            its folder, or is far larger than it pretends.

    Example:
        >>> path = keras.utils.get_file(origin="https://example.org/words.tar.gz", extract=True)
    """
    if not origin:
        raise ValueError(
            f"get_file: pass origin=, the URL of the file, received {origin!r}{at_user_location()}"
        )
    if hash_algorithm not in _HASHES:
        raise ValueError(
            f"get_file: hash_algorithm must be one of {_HASHES}, received {hash_algorithm!r}{at_user_location()}"
        )
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    name = os.fspath(fname) if fname is not None else _name_of(origin)
    if untar and name.endswith(".tar.gz"):
        name = name.removesuffix(".tar.gz")
    folder = cache_folder(cache_dir, cache_subdir)
    archive = os.path.join(folder, name + ".tar.gz" if untar else name)
    os.makedirs(os.path.dirname(archive), exist_ok=True)
    if force_download or not _is_there(archive, file_hash, hash_algorithm):
        _fetch(origin, archive, file_hash, hash_algorithm)
    if untar:
        return _unpacked(archive, folder, os.path.join(folder, name), ("tar",))
    if not extract:
        return archive
    if idiom.is_keras_2():
        return _unpacked(archive, folder, archive, _formats(archive_format))
    target = archive + "_extracted"
    return _unpacked(archive, target, target, _formats(archive_format))


def cache_folder(cache_dir: Any = None, cache_subdir: str = "datasets") -> str:
    """Returns the folder that files are kept in: see `get_file`."""
    base = os.path.expanduser(cache_dir or os.environ.get("KERAS_HOME") or os.path.join("~", ".keras"))
    if cache_dir is None:
        _try_to_make(base)
    if not os.access(base, os.W_OK):
        base = os.path.join(tempfile.gettempdir(), ".keras")
    return os.path.join(base, cache_subdir)


def _try_to_make(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:  # then the folder for temporary files is used
        return


def _name_of(origin: str) -> str:
    name = os.path.basename(urllib.parse.urlsplit(origin).path)
    if not name:
        raise ValueError(f"get_file: {origin!r} ends without a name; pass fname={at_user_location()}")
    return name


def _formats(wanted: Any) -> tuple[str, ...]:
    given = tuple(wanted) if isinstance(wanted, list | tuple) else _FORMATS.get(wanted)
    if given is None or not set(given) <= set(unpacking.FORMATS):
        raise ValueError(
            f"get_file: archive_format must be 'auto', 'tar', 'zip', None or a list of these, received {wanted!r}"
            f"{at_user_location()}"
        )
    return given


def _is_there(path: str, file_hash: str | None, algorithm: str) -> bool:
    if not os.path.exists(path):
        return False
    if file_hash is None or _has_hash(path, file_hash, algorithm):
        return True
    messages.write(f"{path} has another hash than {file_hash}: it is fetched again\n")
    return False


def _has_hash(path: str, wanted: str, algorithm: str) -> bool:
    if algorithm == "auto":
        algorithm = "sha256" if len(wanted) == 64 else "md5"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == wanted.lower()


def _fetch(origin: str, path: str, file_hash: str | None, algorithm: str) -> None:
    """Fetches a file; it gets its name when all of it is there and is what it should be."""
    messages.write(f"Downloading data from {origin}\n")
    part = f"{path}.{os.getpid()}.part"
    try:
        try:
            with urllib.request.urlopen(origin) as source, open(part, "wb") as file:
                _copy(source, file)
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            reason = getattr(error, "reason", None) or error
            raise ConnectionError(
                f"get_file: {origin} cannot be fetched ({reason}). Without a network, fetch it elsewhere and put it "
                f"at {path}{at_user_location()}"
            ) from error
        if file_hash is not None and not _has_hash(part, file_hash, algorithm):
            raise ValueError(
                f"get_file: what {origin} gave is incomplete or another file: its hash is not {file_hash}"
                f"{at_user_location()}"
            )
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.remove(part)


def _copy(source: Any, file: Any) -> None:
    size = int(source.headers.get("Content-Length") or 0)
    bar = Progbar(size or None, unit_name="byte")
    done = 0
    while block := source.read(_BLOCK):
        file.write(block)
        done += len(block)
        bar.update(done, finalize=done == size)


def _unpacked(archive: str, folder: str, result: str, formats: tuple[str, ...]) -> str:
    """Unpacks an archive of one of the formats, unless that is done already; returns `result`."""
    kind = next((name for name in formats if unpacking.FORMATS[name](archive)), None)
    if kind is None:
        return archive
    done = pathlib.Path(archive + ".unpacked")
    mark = f"{os.path.getmtime(archive)} {os.path.getsize(archive)} {folder}"
    if not (done.exists() and done.read_text() == mark and os.path.exists(result)):
        unpacking.unpack(kind, archive, folder)
        done.write_text(mark)
    return result
