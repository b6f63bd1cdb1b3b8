"""GIF: all images of an animation, each drawn over the one before, as TensorFlow reads them.

What follows an image is not what its file says (to take it away, or to restore what was there): images stay.  They are
as large as the largest of them, not as the screen, and what no image has drawn on is black.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from dovetail.ops.files.pixels import check_size, damage_told, plugin, refused, stream

_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_DISPOSAL = 0b00011100  # what happens to an image before the next one
_LEAVE = 0b00000100


def decode(label: str, data: bytes, most: int | None = None) -> np.ndarray:
    """Returns the images of a GIF file, uint8 of shape (images, height, width, 3).

    Args:
        label: the function's name.
        data: the file.
        most: how many images to read, from the first; None: all.
    """
    with damage_told(label, "GIF", data):
        data, boxes = _without_disposal(data)
        if not boxes:
            raise refused(label, "a GIF without an image")
        count = len(boxes) if most is None else min(len(boxes), most)
        width, height = max(box[2] for box in boxes), max(box[3] for box in boxes)
        check_size(label, count, height, width, 3)
        check_size(label, *struct.unpack("<HH", data[6:10]), 4)  # the screen, on which Pillow draws
        image = plugin("GifImagePlugin", label).GifImageFile(stream(data))
        frames: Any = np.zeros((count, height, width, 3), np.uint8)
        drawn: Any = np.zeros((height, width, 1), bool)
        for number, (left, top, across, down) in enumerate(boxes[:count]):
            image.seek(number)
            seen = np.asarray(image.convert("RGBA"))[:height, :width]
            drawn[top : top + down, left : left + across] = True
            area = frames[number, : seen.shape[0], : seen.shape[1]]
            np.copyto(
                area, seen[..., :3], where=(seen[..., 3:] > 0) & drawn[: seen.shape[0], : seen.shape[1]]
            )
    return frames


def _without_disposal(data: bytes) -> tuple[bytes, list[tuple[int, ...]]]:
    """Returns a GIF file all of whose images stay when the next one comes, and their (left, top, width, height)."""
    changed, boxes = bytearray(data), []
    place = 13 + _table_bytes(data[10])
    while place < len(data) and data[place] != _END:
        kind = data[place]
        if kind == _IMAGE:
            boxes.append(struct.unpack_from("<4H", data, place + 1))
            place += 11 + _table_bytes(data[place + 9])
        elif kind == _EXTENSION:
            if data[place + 1] == _GRAPHIC_CONTROL and data[place + 2]:
                changed[place + 3] = (data[place + 3] & ~_DISPOSAL) | _LEAVE
            place += 2
        else:
            raise ValueError(f"unknown block {kind:#x} at byte {place}")
        while size := data[place]:
            place += size + 1
        place += 1
    return bytes(changed), boxes


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
