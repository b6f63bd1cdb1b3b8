"""Bytes in other words: Base64, and compressed."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from typing import Any

from dovetail.base.errors import (
    DataLossError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnimplementedError,
    at_user_location,
)
from dovetail.ops.families import op
from dovetail.ops.files.content import to_string
from dovetail.ops.strings import mapped

_WEB_SAFE = re.compile(rb"[A-Za-z0-9_-]*={0,2}")
_MOST_BYTES = 1 << 31  # of one string when it is inflated
_SAME = {"engine": "host", "differentiable": False, "shape": lambda shape, **_: shape, "dtype": to_string}
# What zlib calls them: the size of the window, and 16 for gzip's header.
_WINDOWS = {"ZLIB": zlib.MAX_WBITS, "GZIP": zlib.MAX_WBITS | 16}


@op("io.encode_base64", **_SAME)
def encode_base64(xp: Any, input: Any, *, pad: bool = False) -> Any:
    """Returns strings in Base64 whose alphabet is safe in URLs.

    Args:
        input: string tensor.
        pad: fill up with "=" to a multiple of four characters.
    """
    return mapped(lambda value: _in_base64(value, pad), input)


def _in_base64(value: bytes, pad: bool) -> bytes:
    text = base64.urlsafe_b64encode(value)
    return text if pad else text.rstrip(b"=")


@op("io.decode_base64", **_SAME)
def decode_base64(xp: Any, input: Any) -> Any:
    """Returns what strings in Base64 (with "-" and "_") stand for; the "=" at the end may be missing.

    Raises:
        InvalidArgumentError: a string is none.
    """
    return mapped(_out_of_base64, input)


def _out_of_base64(text: bytes) -> bytes:
    bare = text.rstrip(b"=")
    if _WEB_SAFE.fullmatch(text) is None or (bare != text and len(text) % 4):
        raise InvalidArgumentError(f"Invalid character found in base64: {text!r:.60}{at_user_location()}")
    if len(bare) % 4 == 1:
        raise InvalidArgumentError(
            f"Base64 string length cannot be 1 modulo 4: {text!r:.60}{at_user_location()}"
        )
    try:
        return base64.urlsafe_b64decode(bare + b"=" * (-len(bare) % 4))
    except binascii.Error as error:
        raise InvalidArgumentError(f"{text!r:.60} is no base64: {error}{at_user_location()}") from None


@op("io.decode_compressed", **_SAME)
def decode_compressed(xp: Any, bytes: Any, *, compression_type: str = "") -> Any:
    """Returns what compressed strings hold.

    Args:
        bytes: string tensor.
        compression_type: "ZLIB", "GZIP" or "": not compressed.

    Raises:
        DataLossError: a string is damaged or ends too early.  Differs from TensorFlow, which gives what there is.
        ResourceExhaustedError: it would become larger than 2 GiB.
    """
    if compression_type == "":
        return bytes
    if compression_type == "ZSTD":
        raise UnimplementedError(f"tf.io.decode_compressed: ZSTD is not read here{at_user_location()}")
    if compression_type not in _WINDOWS:
        raise InvalidArgumentError(
            f"tf.io.decode_compressed: compression_type must be 'ZLIB', 'GZIP' or '', received "
            f"{compression_type!r}{at_user_location()}"
        )
    return mapped(lambda value: inflated(value, _WINDOWS[compression_type]), bytes)


def inflated(data: bytes, window: int) -> bytes:
    """Returns the content of a compressed string, of all members where there are several."""
    parts: list[bytes] = []
    total = 0
    while data:
        stream = zlib.decompressobj(window)
        try:
            part = stream.decompress(data, _MOST_BYTES - total + 1)
        except zlib.error as error:
            if parts:  # what follows the last member
                break
            raise DataLossError(f"inflate() failed: {error}{at_user_location()}") from None
        parts.append(part)
        total += len(part)
        if total > _MOST_BYTES:
            raise ResourceExhaustedError(
                f"a compressed string of {len(data)} bytes holds more than {_MOST_BYTES}{at_user_location()}"
            )
        if not stream.eof:
            raise DataLossError(
                f"a compressed string of {len(data)} bytes ends too early{at_user_location()}"
            )
        data = stream.unused_data
    return b"".join(parts)
