"""CRC-32C (Castagnoli), the checksum of record files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import google_crc32c
import numpy as np

_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes) -> int:
    """Returns the checksum of bytes.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    return google_crc32c.value(data)


def masked(data: bytes) -> int:
    """Returns the checksum as record files hold it: turned by 15 bits, and a constant added."""
    return mask(google_crc32c.value(data))


def mask(value: int) -> int:
    """Returns a checksum in that form."""
    return (((value >> 15) | (value << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def masked_all(parts: Iterable[bytes], count: int) -> np.ndarray:
    """Returns the checksums of `count` byte strings as record files hold them: uint32 (count,)."""
    values: Any = np.fromiter(map(google_crc32c.value, parts), np.uint32, count)
    return ((values >> np.uint32(15)) | (values << np.uint32(17))) + np.uint32(_MASK_DELTA)
