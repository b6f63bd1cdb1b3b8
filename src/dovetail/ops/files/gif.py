"""GIF: all images of an animation, each drawn over the one before, as TensorFlow reads them."""

from __future__ import annotations

import struct

import numpy as np

from dovetail.ops.files.pixels import check_size, plugin, read_by_pillow, refused, stream

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
    with read_by_pillow(label, "GIF", data):
        data, count = _without_disposal(data)
        if not count:
            raise refused(label, "a GIF without an image")
        count = count if most is None else min(count, most)
        width, height = struct.unpack("<HH", data[6:10])
        check_size(label, count, height, width, 3)
        image = plugin("GifImagePlugin", label).GifImageFile(stream(data))
        check_size(label, count, *image.size, 3)  # which an image larger than the screen has made larger
        frames = np.empty((count, image.size[1], image.size[0], 3), np.uint8)
        _first(image, frames[0])
        for number in range(1, count):
            image.seek(number)
            frames[number] = image.convert("RGB")
    return frames


def _first(image: object, frame: np.ndarray) -> None:
    """Draws the first image on black."""
    left, top, right, bottom = image.tile[0][1]  # type: ignore[attr-defined]
    pixels = np.asarray(image.convert("RGBA"))  # type: ignore[attr-defined]
    frame[:] = 0
    seen = pixels[top:bottom, left:right]
    frame[top:bottom, left:right] = np.where(seen[..., 3:] > 0, seen[..., :3], 0)


def _without_disposal(data: bytes) -> tuple[bytes, int]:
    """Returns a GIF file all of whose images stay when the next one comes, and their number."""
    changed = bytearray(data)
    place, count = 13 + _table_bytes(data[10]), 0
    while place < len(data) and data[place] != _END:
        kind = data[place]
        if kind == _IMAGE:
            count += 1
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
    return bytes(changed), count


def _table_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
