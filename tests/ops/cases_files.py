"""Rows for the ops on what files hold; those on files themselves take a file of this folder."""

import gzip
import pathlib
import zlib

import numpy as np

from tests.ops.case import Case, of

HERE = pathlib.Path(__file__)
WORDS = np.array([[b"", b"a"], [b"ab", b"\xff\xfe\xfd"]], object)


def text(value):
    return of(np.array(value, object))


def lines(*values):
    return of(np.array(values, object))


def images():
    """The same image in each format."""
    import io

    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)
    pixels = np.kron(pixels[:2, :3], np.ones((8, 8, 1), np.uint8))
    found = {"pixels": pixels}
    for kind in ("JPEG", "PNG", "GIF", "BMP"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        found[kind] = file.getvalue()
    return found


IMAGES = images()
PIXELS = IMAGES["pixels"]
JPEG = {"dct_method": "INTEGER_ACCURATE"}
WAVE = np.linspace(-1.2, 1.2, 24, dtype=np.float32).reshape(12, 2)


def decoded(*files):
    """Compares files by the images that they hold."""
    import tensorflow as tf

    return [np.asarray(tf.io.decode_image(one)) for file in files for one in np.ravel(file)]


def of_wave(samples):
    import tensorflow as tf

    return tf.audio.encode_wav(samples, 8000).numpy()


CASES = [
    Case("io.read_file", text(str(HERE).encode()), xla=False),
    Case(
        "write_file",
        of(np.array(b"/dev/null", object), np.array(b"x", object)),
        oracle=lambda *_: [],
        xla=False,
    ),
    Case("io.matching_files", lines(str(HERE.parent / "cases_f*.py").encode(), b"/nowhere/*"), xla=False),
    Case("io.encode_base64", of(WORDS), xla=False),
    Case("io.encode_base64", of(WORDS), {"pad": True}, xla=False, id="padded"),
    Case("io.decode_base64", lines(b"", b"YQ", b"YWI=", b"__79"), xla=False),
    Case("io.decode_compressed", lines(zlib.compress(b"abc" * 9)), {"compression_type": "ZLIB"}, xla=False),
    Case("io.decode_compressed", text(gzip.compress(b"abc")), {"compression_type": "GZIP"}, xla=False),
    Case("io.decode_compressed", of(WORDS), xla=False, id="none"),
    Case(
        "io.decode_csv",
        lambda rng: (
            np.array([[b'1,2.5,"a,b"'], [b",,x"]], object),
            [np.array(7, np.int64), np.array([0.5], np.float64), np.array(b"")],
        ),
        xla=False,
    ),
    Case("io.decode_json_example", lines(b'{"features": {}}', b"{}"), xla=False),
    Case("io.decode_raw", lines(b"abcd", b"\0\1\2\3"), {"out_type": "int16"}, xla=False),
    Case(
        "io.decode_raw",
        lines(b"abcd", b"\0"),
        {"out_type": "float32", "little_endian": False, "fixed_length": 8},
        xla=False,
        id="padded",
    ),
    Case("io.decode_jpeg", text(IMAGES["JPEG"]), JPEG, xla=False),
    Case("io.decode_jpeg", text(IMAGES["JPEG"]), {**JPEG, "channels": 1, "ratio": 2}, xla=False, id="gray"),
    Case("io.decode_and_crop_jpeg", of(np.array(IMAGES["JPEG"], object), [0, 0, 16, 24]), JPEG, xla=False),
    Case("io.extract_jpeg_shape", text(IMAGES["JPEG"]), xla=False),
    Case("io.is_jpeg", lines(IMAGES["JPEG"], IMAGES["PNG"], b""), xla=False),
    Case("io.decode_png", text(IMAGES["PNG"]), xla=False),
    Case("io.decode_png", text(IMAGES["PNG"]), {"channels": 4, "dtype": "uint16"}, xla=False, id="rgba"),
    Case("io.decode_bmp", text(IMAGES["BMP"]), xla=False),
    Case("io.decode_gif", text(IMAGES["GIF"]), xla=False),
    Case("io.decode_webp", text(IMAGES["PNG"]), xla=False, symbolic="of the rank of WebP, which it is not"),
    Case("io.decode_jxl", text(IMAGES["PNG"]), xla=False),
    Case("io.decode_image", text(IMAGES["PNG"]), {"channels": 3}, xla=False),
    Case("io.decode_image", text(IMAGES["GIF"]), {"dtype": "float32"}, xla=False, id="animation"),
    Case("io.decode_image", text(IMAGES["GIF"]), {"expand_animations": False}, xla=False, id="first"),
    Case("io.encode_png", of(np.stack([PIXELS, PIXELS[::-1]])), xla=False, compare=decoded),
    Case("io.encode_png", of(PIXELS.astype(np.uint16) * 200), xla=False, compare=decoded, id="deep"),
    Case("io.encode_jpeg", of(PIXELS), {"quality": 100}, xla=False, compare=decoded),
    Case("image.adjust_jpeg_quality", of(PIXELS, 50), JPEG, xla=False),
    Case("audio.decode_wav", lambda rng: (np.array(of_wave(WAVE), object),), xla=False),
    Case(
        "audio.decode_wav",
        lambda rng: (np.array(of_wave(WAVE), object),),
        {"desired_channels": 1, "desired_samples": 20},
        xla=False,
        id="one",
    ),
    Case("audio.encode_wav", of(WAVE, 8000), xla=False),
]
