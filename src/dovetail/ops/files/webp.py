"""WebP by Pillow: still images and animations."""

from __future__ import annotations

import numpy as np

from dovetail.ops.files.pixels import array_of, check_size, damage_told, plugin, refused, stream


def decode(label: str, data: bytes, channels: int, most: int | None = None) -> np.ndarray:
    """Returns the images of a WebP file, uint8 of shape (images, height, width, channels).

    Args:
        label: the function's name.
        data: the file.
        channels: 3 or 4, as the file has; 0: what it has.
        most: how many images to read, from the first; None: all.
    """
    if channels not in (0, 3, 4):
        raise refused(label, "WebP only supports 3 or 4 channels")
    with damage_told(label, "WebP", data):
        image = plugin("WebPImagePlugin", label).WebPImageFile(stream(data))
        count = getattr(image, "n_frames", 1)
        count = count if most is None else min(count, most)
        mode = "RGBA" if image.mode in ("RGBA", "LA") else "RGB"
        if channels not in (0, len(mode)):
            raise refused(
                label, f"Number of channels requested, {channels}, does not match input, {len(mode)}"
            )
        check_size(label, count, *image.size, len(mode))
        frames = np.empty((count, image.size[1], image.size[0], len(mode)), np.uint8)
        for number in range(count):
            if number:
                image.seek(number)
            frames[number] = array_of(image if image.mode == mode else image.convert(mode))
    return frames
