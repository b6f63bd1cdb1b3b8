"""Truncated, corrupt and hostile files: an error of `tf.errors` that names the function, and no more memory than said.

The damage is drawn from a fixed seed; each file is damaged a fixed number of times.
"""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest

import dovetail as dv
from tests.test_files import BMPS, GIFS, JPEGS, PNGS, WAVE, WEBPS

TRIES = 60
JSON = b'{"features":{"feature":{"a":{"int64List":{}}}}}' + b" " * 9
MOST_BYTES = 64 << 20  # of any of these small files

FILES = {
    "decode_jpeg": [JPEGS["rgb"], JPEGS["progressive"], JPEGS["cmyk"]],
    "decode_png": [PNGS["rgb"], PNGS["palette_alpha"], PNGS["deep"]],
    "decode_gif": [GIFS["several"], GIFS["transparent_taken_away"]],
    "decode_bmp": [BMPS["rgb"], BMPS["palette"]],
    "decode_webp": [WEBPS["rgb"], WEBPS["lossy"]],
}


def damaged(data, rng):
    """Cuts bytes off, changes some, repeats or leaves out a part."""
    data = bytearray(data)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(data[: rng.integers(len(data))])
    if kind == 1:
        for place in rng.integers(0, len(data), rng.integers(1, 9)):
            data[place] = rng.integers(256)
    if kind == 2:
        first, last = sorted(rng.integers(0, len(data), 2))
        del data[first : min(last, first + 20)]
    if kind == 3:  # a number in the header becomes large
        place = rng.integers(4, 60)
        data[place : place + 4] = bytes([255, 255, 255, rng.integers(128)])
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("error")
def test_damaged_images_are_refused_or_read(name):
    rng = np.random.default_rng(11)
    decode = getattr(dv.io, name)
    decode(FILES[name][0])  # what is loaded now does not count
    refused = 0
    tracemalloc.start()
    for data in FILES[name]:
        for _ in range(TRIES):
            for function in (decode, dv.io.decode_image):
                try:
                    found = function(damaged(data, rng))
                    assert found.dtype in ("uint8", "uint16")
                except dv.errors.OpError as error:
                    refused += 1
                    assert "tf.io." in str(error) and "test_files_damaged.py" in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > TRIES / 2
    assert peak < MOST_BYTES


def large_png(width, height):
    """A file of a few kilobytes that claims to be a large image."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def large_gif():
    """A GIF of many images on a large screen."""
    image = b"\x2c" + struct.pack("<HHHHB", 0, 0, 9000, 9000, 0) + b"\2\1\0\0"
    return b"GIF89a" + struct.pack("<HHBBB", 9000, 9000, 0x80, 0, 0) + bytes(6) + image * 50 + b"\x3b"


def noted_png():
    """A PNG with a text that becomes 64 MiB."""
    head, rest = PNGS["rgb"][:33], PNGS["rgb"][33:]
    body = b"a\0\0" + zlib.compress(bytes(64 << 20), 9)
    note = b"zTXt" + body
    return head + struct.pack(">I", len(body)) + note + struct.pack(">I", zlib.crc32(note)) + rest


def jpeg_with_size(height, width):
    data = bytearray(JPEGS["rgb"])
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


BOMBS = {
    "png": lambda: large_png(60_000, 60_000),
    "png_without_size": lambda: large_png(0, 5),
    "gif": large_gif,
    "bmp": lambda: BMPS["rgb"][:18] + struct.pack("<ii", 2**31 - 1, -(2**31)) + BMPS["rgb"][26:],
    "bmp_empty": lambda: BMPS["rgb"][:18] + struct.pack("<ii", 0, 0) + BMPS["rgb"][26:],
    "jpeg": lambda: jpeg_with_size(65_000, 65_000),
    "jpeg_empty": lambda: jpeg_with_size(0, 0),
    "note": noted_png,
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.filterwarnings("error")
def test_files_that_would_fill_the_memory_are_refused(name):
    data = BOMBS[name]()
    tracemalloc.start()
    with pytest.raises(dv.errors.InvalidArgumentError, match=r"tf\.io\.decode_image: .*\(at .*damaged\.py"):
        dv.io.decode_image(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_BYTES


def test_damaged_sounds_are_refused_or_read():
    rng = np.random.default_rng(5)
    file = dv.audio.encode_wav(WAVE, 8000).numpy()
    refused = 0
    for _ in range(200):
        try:
            samples, _ = dv.audio.decode_wav(damaged(file, rng), desired_channels=1)
            assert samples.shape[1] == 1
        except dv.errors.InvalidArgumentError as error:
            refused += 1
            assert "tf.audio.decode_wav" in str(error)
    assert refused > 50
    with pytest.raises(dv.errors.InvalidArgumentError, match="desired_samples is at most"):
        dv.audio.decode_wav(file, desired_samples=2**40)


def test_damaged_text_is_refused_or_read():
    """Lines, Base64, JSON and compressed bytes."""
    rng = np.random.default_rng(6)
    packed = zlib.compress(bytes(range(256)) * 4)
    refused = 0
    for _ in range(150):
        for call in (
            lambda: dv.io.decode_csv(damaged(b'1,"a ""b"" c",2.5,"x,y"\n' * 3, rng), [0, "", 0.0, ""]),
            lambda: dv.io.decode_base64(damaged(b"aGVsbG8gd29ybGQ" * 4, rng)),
            lambda: dv.io.decode_compressed(damaged(packed, rng), "ZLIB"),
            lambda: dv.io.decode_json_example(damaged(JSON, rng)),
            lambda: dv.io.decode_raw(damaged(bytes(64), rng), "float32"),
        ):
            try:
                call()
            except dv.errors.OpError:
                refused += 1
    assert refused > 300
    with pytest.raises(dv.errors.InvalidArgumentError):
        dv.io.decode_json_example("{" * 100_000)
    with pytest.raises(dv.errors.InvalidArgumentError):
        dv.io.decode_json_example('{"features":' * 5_000)


def test_an_image_that_cannot_be_read_is_told_in_a_dataset():
    files = [PNGS["rgb"], PNGS["rgb"][:200]]
    images = dv.data.Dataset.from_tensor_slices(files).map(
        dv.io.decode_png, num_parallel_calls=dv.data.AUTOTUNE
    )
    found = iter(images)
    assert next(found).shape == (20, 30, 3)
    with pytest.raises(dv.errors.InvalidArgumentError, match=r"Invalid PNG data, size 200"):
        next(found)
