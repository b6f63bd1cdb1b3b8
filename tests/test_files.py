"""Columns of text, bytes, images and sounds: TensorFlow's values, and the values beside the files of ../shared/data."""

import gzip
import io
import os
import pathlib
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

import dovetail as dv
from dovetail.ops import random_keys
from tests.support.parity import assert_same, outcome, plain, reference

RECORDS = pathlib.Path(__file__).resolve().parents[2] / "shared" / "data" / "records"
RNG = np.random.default_rng(7)
COLORS = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
SMOOTH = np.asarray(Image.fromarray(COLORS[:3, :4]).resize((61, 43), Image.Resampling.BICUBIC))


def same_outcome(case, rtol=1e-5):
    """Both give the same values, or errors of the same class."""
    kind, found = outcome(dv, case)
    expected_kind, expected = outcome(reference(), case)
    assert kind == expected_kind, (found, expected)
    if kind == "value":
        assert_same(found, expected, rtol=rtol)
    else:
        kinds = type(found).__name__, type(expected).__name__
        assert kinds[0] == kinds[1] or kinds == ("InvalidArgumentError", "ValueError"), (found, expected)


def file_of(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# ---- columns -----------------------------------------------------------------------------------------------------

LINES = [
    "1,2", " 1, 2 ", "1_0,2", "0x1,2", "+1,-2", "1.0,2", "2147483648,1", '"1",2', '1, "2"', '1,2"', '1,"2"x', "1,",
    '1,"2\n3"', "1,2\n", "1,2\r\n", "", "1", ",", "1;2", "1,2,", '1,""', '"1","2"', '"1""","2"', '"",""', '"1,2",3',
    '1,"2', '"', '""', '"1"2', '"1" ,2', "ü,é", '"a,b",",,"', '"""",""""""', '"a""b""c",","', 'a"b,c', '\0,"\0,"',
]  # fmt: skip
FLOATS = [
    "1,2", " 1.5 ,nan", "inf,-Infinity", "1e400,1", "1f,2", "1_0.5,2", "0x1p3,1", ".5,5.", "NaN,INF", "--1,2",
    "3.4e38,3.5e38",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_as_tensorflow_reads_it(line):
    same_outcome(lambda tf: tf.io.decode_csv(line, [[0], [7]]))
    same_outcome(lambda tf: tf.io.decode_csv([line, "5,6"], [["a"], ["b"]]))
    same_outcome(lambda tf: tf.io.decode_csv(["5,6", line], [["a"], ["b"]], use_quote_delim=False))
    same_outcome(lambda tf: tf.io.decode_csv(line, [["a"]], select_cols=[1], na_value="2"))


@pytest.mark.parametrize("line", FLOATS)
def test_numbers_are_read_as_tensorflow_reads_them(line):
    same_outcome(lambda tf: tf.io.decode_csv(line, [[0.0], [0.0]]))
    same_outcome(lambda tf: tf.io.decode_csv(line, [tf.constant([], tf.float64)] * 2))


CALLS = {
    "empty": lambda tf: tf.io.decode_csv(tf.constant([], tf.string), [[0], [0.0]]),
    "required": lambda tf: tf.io.decode_csv(",1", [tf.constant([], tf.int32), 0]),
    "two_defaults": lambda tf: tf.io.decode_csv("1,", [[5, 6], [1]]),
    "bad_dtype": lambda tf: tf.io.decode_csv("1,", [[True], [1]]),
    "no_columns": lambda tf: tf.io.decode_csv("1,", []),
    "long_delimiter": lambda tf: tf.io.decode_csv("1,", [[5], [6]], field_delim=",,"),
    "tabs": lambda tf: tf.io.decode_csv('1\t"2\t3"', [[5], ["6"]], field_delim="\t"),
    "unsorted": lambda tf: tf.io.decode_csv("1,2,3", [[5], [6]], select_cols=[2, 0]),
    "too_few_selected": lambda tf: tf.io.decode_csv("1,2,3", [[5], [6]], select_cols=[1]),
    "beyond": lambda tf: tf.io.decode_csv("1,2,3", [[5], [6]], select_cols=[1, 7]),
    "uneven": lambda tf: tf.io.decode_csv(["1,2,3", "4,5"], [[5], [6]], select_cols=[0, 1]),
    "dtypes": lambda tf: tf.io.decode_csv("1,2,3,4", [np.int64(3), np.float64(2.0), "s", 1.0]),
    "defaults": lambda tf: tf.io.decode_csv(["NA,", ",NA"], [-3, 2.5], na_value="NA"),
    "shape": lambda tf: tf.io.decode_csv([["1,2"], ["3,4"]], [0, 0]),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_decode_csv(name):
    same_outcome(CALLS[name])


def test_an_error_says_where_the_field_is():
    with pytest.raises(
        dv.errors.InvalidArgumentError, match=r"Field 1 in record 2 is not a valid int32: x \(at"
    ):
        dv.io.decode_csv(["1,2", '"3",4', "5,x"], [[0], [0]])
    with pytest.raises(dv.errors.InvalidArgumentError, match="record 1, b'3,4\\\\n'"):
        dv.io.decode_csv(["1,2", "3,4\n"], [[0], [0]])


def test_columns_of_random_tables():
    """Fields of all kinds, quoted or not, are what was written; TensorFlow reads the same."""
    rng = np.random.default_rng(3)
    parts = ["a", ",", '"', "\n", "ü", "7", " ", "\0"]
    rows = [["".join(parts[i] for i in rng.integers(0, len(parts), 4)) for _ in range(3)] for _ in range(60)]
    lines = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    found = dv.io.decode_csv(lines, ["x"] * 3)
    assert [[t.decode() for t in column.numpy()] for column in found] == [list(c) for c in zip(*rows)]
    same_outcome(lambda tf: tf.io.decode_csv(lines, ["x"] * 3))


# ---- bytes -------------------------------------------------------------------------------------------------------


def example_of(message):
    """The features of an example, in order: the bytes of equal messages differ."""
    found = dv.train.Example.FromString(message.numpy())
    return sorted(str(item) for item in found.features.feature.items())


PACKED = zlib.compress(b"hello" * 10)
RAW_KINDS = [
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "float16",
    "bfloat16",
    "float32",
    "float64",
]
BASE64 = [b"YQ==", b"YQ", b"YQ=", b"//79", b"__79", b"Y", b"Y Q", b"YQ==YQ==", b"YR", b"!!!!", b""]
BYTES = {
    **{
        f"raw_{kind}": lambda tf, kind=kind: tf.io.decode_raw([b"\1\2\3\4\5\6\7\0", b"\0" * 8], kind)
        for kind in RAW_KINDS
    },
    "raw_bool": lambda tf: tf.io.decode_raw([b"\1\2\0"], tf.bool),
    "raw_string": lambda tf: tf.io.decode_raw([b"\1\2\0"], tf.string),
    "raw_big": lambda tf: tf.io.decode_raw(b"\1\2\3\4\5\6\7\0", tf.int32, little_endian=False),
    "raw_odd": lambda tf: tf.io.decode_raw(b"\1\2\3", tf.int16),
    "raw_uneven": lambda tf: tf.io.decode_raw([b"ab", b"abcd"], tf.uint8),
    "raw_nothing": lambda tf: tf.io.decode_raw(tf.constant([], tf.string), tf.int16),
    "raw_empty": lambda tf: tf.io.decode_raw([b"", b""], tf.int16),
    "raw_padded": lambda tf: tf.io.decode_raw([b"abc", b"abcdef"], tf.int16, fixed_length=4),
    "raw_padded_big": lambda tf: tf.io.decode_raw([b"abc", b""], tf.int16, little_endian=False, fixed_length=4),
    "raw_padded_odd": lambda tf: tf.io.decode_raw(b"abc", tf.int16, fixed_length=3),
    "raw_padded_none": lambda tf: tf.io.decode_raw(b"abc", tf.int16, fixed_length=0),
    "raw_complex": lambda tf: tf.io.decode_raw(b"\0\0\x80\x3f\0\0\0\x40", tf.complex64),
    "base64": lambda tf: [tf.io.encode_base64([b"", b"a", b"ab", b"abc", b"\xff\xfe"], pad=p) for p in (False, True)],
    **{
        f"base64_{i}": lambda tf, text=text: tf.io.decode_base64(text)
        for i, text in enumerate(BASE64)
    },
    "zlib": lambda tf: tf.io.decode_compressed([[PACKED], [PACKED]], "ZLIB"),
    "gzip": lambda tf: tf.io.decode_compressed(gzip.compress(b"abc") + gzip.compress(b"d"), "GZIP"),
    "no_zlib": lambda tf: tf.io.decode_compressed(b"bad", "ZLIB"),
    "no_gzip": lambda tf: tf.io.decode_compressed(b"bad", "GZIP"),
    "nothing": lambda tf: tf.io.decode_compressed([b"", b"x"], ""),
    "unknown": lambda tf: tf.io.decode_compressed(b"", "foo"),
    **{
        f"json_{i}": lambda tf, text=text: example_of(tf.io.decode_json_example(text))
        for i, text in enumerate(
            [
                "{}", '{"features":{}}', "{nonsense", "[]", '{"x":1}', '{"features":null}',
                '{"features":{"feature":{"a":{"int64List":{"value":["1", 2]}}}}}',
                '{"features":{"feature":{"a":{"bytesList":{"value":["_-8="]}}}}}',
                '{"features":{"feature":{"a":{"int64List":{"value":["9223372036854775808"]}}}}}',
                '{"features":{"feature":{"b":{"floatList":{"value":["NaN", 2.5]}},"a":{}}}}',
            ]
        )  # fmt: skip
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_bytes_are_read_as_tensorflow_reads_them(name):
    same_outcome(BYTES[name])


def test_what_is_compressed_may_not_end_early_or_grow_for_ever(monkeypatch):
    from dovetail.ops.files import encoded

    for data, kind in ((PACKED[:-3], "ZLIB"), (gzip.compress(b"abc")[:-6], "GZIP")):
        with pytest.raises(dv.errors.DataLossError, match="ends too early"):
            dv.io.decode_compressed(data, kind)
    monkeypatch.setattr(encoded, "_MOST_BYTES", 1 << 16)
    with pytest.raises(dv.errors.ResourceExhaustedError, match="holds more than 65536"):
        dv.io.decode_compressed(zlib.compress(b"\0" * (1 << 24)), "ZLIB")


# ---- images ------------------------------------------------------------------------------------------------------


def png_files():
    gray, alpha = COLORS[..., 0], RNG.integers(0, 256, (20, 30, 4)).astype(np.uint8)
    few = Image.fromarray(COLORS).quantize(7)
    return {
        "rgb": file_of(Image.fromarray(COLORS), "PNG"),
        "gray": file_of(Image.fromarray(gray), "PNG"),
        "rgba": file_of(Image.fromarray(alpha), "PNG"),
        "gray_alpha": file_of(Image.fromarray(alpha[..., :2], "LA"), "PNG"),
        "black_white": file_of(Image.fromarray(gray > 128), "PNG"),
        "deep": file_of(Image.fromarray(RNG.integers(0, 65536, (4, 5)).astype(np.uint16)), "PNG"),
        "palette": file_of(few, "PNG"),
        "palette_alpha": file_of(few, "PNG", transparency=2),
        "gray_key": file_of(Image.fromarray(gray), "PNG", transparency=int(gray[3, 4])),
        "rgb_key": file_of(Image.fromarray(COLORS), "PNG", transparency=tuple(COLORS[3, 4].tolist())),
    }


PNGS = png_files()


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("kind", PNGS)
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_png_pixels(kind, channels):
    if channels == 4 and kind in ("palette", "black_white"):
        pytest.skip("TensorFlow's alpha there is 2 ** bits - 1, not 255")
    for dtype in ("uint8", "uint16"):
        same_outcome(lambda tf: tf.io.decode_png(PNGS[kind], channels=channels, dtype=dtype))  # noqa: B023


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_files_go_both_ways(channels, dtype):
    tf = reference()
    pixels = np.random.default_rng(1).integers(0, 65536, (7, 5, channels)).astype(dtype)
    for level in (-1, 0, 9):
        ours, theirs = (module.io.encode_png(pixels, compression=level).numpy() for module in (dv, tf))
        for module, file in ((tf, ours), (dv, theirs)):
            np.testing.assert_array_equal(module.io.decode_png(file, dtype=dtype).numpy(), pixels)


JPEGS = {
    "rgb": file_of(Image.fromarray(SMOOTH), "JPEG", quality=90),
    "444": file_of(Image.fromarray(SMOOTH), "JPEG", quality=95, subsampling=0),
    "422": file_of(Image.fromarray(SMOOTH), "JPEG", quality=90, subsampling=1),
    "noise": file_of(Image.fromarray(COLORS), "JPEG", quality=80),
    "gray": file_of(Image.fromarray(SMOOTH[..., 0]), "JPEG"),
    "progressive": file_of(Image.fromarray(SMOOTH), "JPEG", progressive=True),
    "cmyk": file_of(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG"),
}
OPTIONS = [
    {},
    {"dct_method": "INTEGER_ACCURATE"},
    {"channels": 1},
    {"channels": 3},
    {"ratio": 2},
    {"ratio": 8, "dct_method": "INTEGER_ACCURATE"},
    {"fancy_upscaling": False},
]


@pytest.mark.parametrize("kind", JPEGS)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_jpeg_pixels(kind, options, exact=True):
    """With simplejpeg they are TensorFlow's; Pillow's differ where TensorFlow takes the fast cosine transform."""
    tf = reference()
    call = lambda tf: tf.io.decode_jpeg(JPEGS[kind], **options)
    if not has_simplejpeg() and not options.get("fancy_upscaling", True):
        pytest.skip("Pillow has no simple upscaling")
    how, found = outcome(dv, call)
    expected_how, expected = outcome(tf, call)
    assert how == expected_how, (found, expected)
    if how == "error":
        assert type(found).__name__ == type(expected).__name__
        return
    assert found.shape == expected.shape and found.dtype == expected.dtype
    error = np.abs(found.astype(int) - expected.astype(int))
    if has_simplejpeg():
        assert error.max() <= (1 if kind == "cmyk" else 0)
    else:
        assert error.max() <= 8 and error.mean() <= 2


def has_simplejpeg():
    try:
        import simplejpeg  # noqa: F401
    except ImportError:
        return False
    return True


WINDOWS = [
    [0, 0, 10, 10], [3, 5, 16, 24], [0, 0, 43, 61], [0, 0, 0, 10], [-1, 0, 3, 3], [40, 50, 10, 10], [1, 2, 3],
]  # fmt: skip


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_window_of_a_jpeg(window):
    call = lambda tf: tf.io.decode_and_crop_jpeg(JPEGS["rgb"], window, dct_method="INTEGER_ACCURATE")
    how, found = outcome(dv, call)
    expected_how, expected = outcome(reference(), call)
    assert how == expected_how, (found, expected)
    if how == "value":
        inner = (
            slice(1, -1),
            slice(1, -1),
        )  # the edge of TensorFlow's has no neighbours to blend its colours with
        assert found.shape == expected.shape
        assert np.abs(found[inner].astype(int) - expected[inner].astype(int)).max() <= 6


def animation(**options):
    frames = [Image.fromarray(COLORS[::step, ::step]).quantize(8 + step) for step in (1, 1, 1)]
    frames[1].paste(3, (2, 3, 9, 12))
    return file_of(frames[0], "GIF", save_all=True, append_images=frames[1:], **options)


def odd_gif():
    """The first image covers a part of the screen, the second has a transparent colour, and is taken away."""
    image = Image.fromarray(COLORS[:6, :8]).quantize(8)
    small = bytearray(animation(disposal=2, transparency=1))
    small[6:10] = (40).to_bytes(2, "little") + (35).to_bytes(2, "little")
    del image
    return bytes(small)


GIFS = {
    "one": file_of(Image.fromarray(COLORS).quantize(16), "GIF"),
    "several": animation(),
    "taken_away": animation(disposal=2),
    "restored": animation(disposal=3),
    "transparent": animation(transparency=2),
    "transparent_taken_away": animation(transparency=2, disposal=2),
    "on_a_larger_screen": odd_gif(),
    "interlaced": file_of(Image.fromarray(COLORS).quantize(16), "GIF", interlace=1),
}


@pytest.mark.parametrize("kind", GIFS)
def test_gif_pixels(kind):
    same_outcome(lambda tf: tf.io.decode_gif(GIFS[kind]))
    same_outcome(lambda tf: tf.io.decode_image(GIFS[kind], expand_animations=False))
    same_outcome(lambda tf: tf.io.decode_png(GIFS[kind]))


BMPS = {
    "rgb": file_of(Image.fromarray(COLORS[:, :7]), "BMP"),
    "gray": file_of(Image.fromarray(COLORS[..., 0]), "BMP"),
    "palette": file_of(Image.fromarray(COLORS).quantize(16), "BMP"),
    "rgba": file_of(Image.fromarray(np.dstack([COLORS, COLORS[..., :1]])), "BMP"),
    "one_bit": file_of(Image.fromarray(COLORS[..., 0] > 9), "BMP"),
}
UPSIDE = bytearray(BMPS["rgb"])
UPSIDE[22:26] = (-20).to_bytes(4, "little", signed=True)
BMPS["downwards"] = bytes(UPSIDE)


@pytest.mark.parametrize("kind", BMPS)
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_bmp_pixels(kind, channels):
    same_outcome(lambda tf: tf.io.decode_bmp(BMPS[kind], channels=channels))


WEBPS = {
    "rgb": file_of(Image.fromarray(COLORS), "WEBP", lossless=True),
    "rgba": file_of(Image.fromarray(np.dstack([COLORS, COLORS[..., :1]])), "WEBP", lossless=True, exact=True),
    "lossy": file_of(Image.fromarray(SMOOTH), "WEBP", quality=80),
}


@pytest.mark.parametrize("kind", WEBPS)
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_webp_pixels(kind, channels):
    same_outcome(lambda tf: tf.io.decode_webp(WEBPS[kind], channels=channels))
    same_outcome(lambda tf: tf.io.decode_image(WEBPS[kind], expand_animations=False))


def test_an_animated_webp_has_all_its_images():
    frames = [Image.fromarray(COLORS), Image.fromarray(COLORS[::-1])]
    file = file_of(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    found = dv.io.decode_webp(file).numpy()
    np.testing.assert_array_equal(found[..., :3], np.stack([COLORS, COLORS[::-1]]))


ALL = {
    "jpeg": JPEGS["gray"], "png": PNGS["rgb"], "deep": PNGS["deep"], "gif": GIFS["one"], "bmp": BMPS["rgb"],
    "tiff": file_of(Image.fromarray(COLORS), "TIFF"), "nothing": b"", "text": b"not an image",
}  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
def test_each_decoder_recognizes_the_other_formats(kind):
    for name in ("decode_jpeg", "decode_png", "decode_bmp", "decode_gif", "decode_jxl", "decode_image"):
        if kind == "jpeg" and not has_simplejpeg():
            continue
        same_outcome(lambda tf, name=name: getattr(tf.io, name)(ALL[kind]))
        same_outcome(lambda tf, name=name: getattr(tf.image, name)([ALL[kind]]))


@pytest.mark.parametrize("kind", ["png", "deep", "gif", "bmp"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64", "int32", "bfloat16"])
def test_an_image_in_another_dtype(kind, dtype):
    same_outcome(lambda tf: tf.io.decode_image(ALL[kind], dtype=tf.as_dtype(dtype)))


BAD_CALLS = {
    "png_channels": lambda tf: tf.io.decode_png(PNGS["rgb"], channels=2),
    "png_dtype": lambda tf: tf.io.decode_png(PNGS["rgb"], dtype=tf.float32),
    "jpeg_channels": lambda tf: tf.io.decode_jpeg(JPEGS["rgb"], channels=4),
    "jpeg_ratio": lambda tf: tf.io.decode_jpeg(JPEGS["rgb"], ratio=3),
    "jpeg_dct": lambda tf: tf.io.decode_jpeg(JPEGS["rgb"], dct_method="zz"),
    "jpeg_half": lambda tf: tf.io.decode_jpeg(JPEGS["rgb"][:500]),
    "jpeg_no_end": lambda tf: tf.io.decode_jpeg(JPEGS["rgb"][:-2]),
    "jpeg_shape_of_png": lambda tf: tf.io.extract_jpeg_shape(PNGS["rgb"]),
    "webp_dtype": lambda tf: tf.io.decode_webp(WEBPS["rgb"], dtype=tf.float32),
    "encode_png_rank": lambda tf: tf.io.encode_png(COLORS[..., 0]),
    "encode_png_level": lambda tf: tf.io.encode_png(COLORS, compression=10),
    "encode_png_channels": lambda tf: tf.io.encode_png(np.zeros((2, 2, 5), np.uint8)),
    "encode_png_float": lambda tf: tf.io.encode_png(COLORS.astype(np.float32)),
    "encode_jpeg_rank": lambda tf: tf.io.encode_jpeg(COLORS[None]),
    "encode_jpeg_channels": lambda tf: tf.io.encode_jpeg(COLORS[..., :2]),
    "encode_jpeg_format": lambda tf: tf.io.encode_jpeg(COLORS, format="grayscale"),
    "encode_jpeg_unknown": lambda tf: tf.io.encode_jpeg(COLORS, format="x"),
    "encode_jpeg_quality": lambda tf: tf.io.encode_jpeg(COLORS, quality=101),
    "encode_jpeg_unit": lambda tf: tf.io.encode_jpeg(COLORS, density_unit="x"),
    "random_quality": lambda tf: tf.image.random_jpeg_quality(COLORS, 50, 50),
    "random_quality_range": lambda tf: tf.image.random_jpeg_quality(COLORS, -1, 50),
    "wav": lambda tf: tf.audio.decode_wav(b"RIFFnonsense"),
    "wav_nothing": lambda tf: tf.audio.decode_wav(b""),
    "wav_rank": lambda tf: tf.audio.encode_wav([1.0], 8000),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_calls(name):
    how, found = outcome(dv, BAD_CALLS[name])
    expected_how, expected = outcome(reference(), BAD_CALLS[name])
    assert how == expected_how == "error", (found, expected)
    assert isinstance(found, ValueError | TypeError) and isinstance(
        found, dv.errors.OpError | TypeError | ValueError
    )


def test_a_jpeg_that_ends_too_early_is_given_an_end():
    half = JPEGS["444"][: len(JPEGS["444"]) // 2]
    found = dv.io.decode_jpeg(half, try_recover_truncated=True, dct_method="INTEGER_ACCURATE").numpy()
    whole = dv.io.decode_jpeg(JPEGS["444"], dct_method="INTEGER_ACCURATE").numpy()
    np.testing.assert_array_equal(found[:8], whole[:8])
    assert found.shape == whole.shape and (found[-1] == 128).all()


def test_a_jpeg_with_unusual_resolutions_of_its_colours():
    """Three samples of luma for one of each colour."""
    tf = reference()
    file = bytearray(JPEGS["422"])
    place = file.index(b"\xff\xc0")
    file[place + 11] = 0x31  # 3 across, 1 down, which makes nonsense of these data, alike everywhere
    for options in ({"dct_method": "INTEGER_ACCURATE"}, {"channels": 1, "dct_method": "INTEGER_ACCURATE"}):
        ours, theirs = (
            m.io.decode_jpeg(bytes(file), try_recover_truncated=True, **options).numpy() for m in (dv, tf)
        )
        assert ours.shape == theirs.shape and np.abs(ours.astype(int) - theirs.astype(int)).mean() < 1


def test_jpeg_files_are_written_as_asked():
    tf = reference()
    for options in (
        {"quality": 30}, {"quality": 0}, {"progressive": True}, {"optimize_size": True},
        {"chroma_downsampling": False, "quality": 100},
        {"density_unit": "cm", "x_density": 5, "y_density": 6, "xmp_metadata": "hello"},
    ):  # fmt: skip
        ours, theirs = (module.io.encode_jpeg(SMOOTH, **options).numpy() for module in (dv, tf))
        assert ours[:20] == theirs[:20]
        assert (b"hello" in ours[20:80]) == (b"hello" in theirs[20:80])
        assert (b"\xff\xc2" in ours) == (b"\xff\xc2" in theirs)
        for module in (dv, tf):
            a, b = (module.io.decode_jpeg(file).numpy().astype(int) for file in (ours, theirs))
            assert np.abs(a - b).max() <= 6 and np.abs(a - b).mean() <= 1, options


def test_the_quality_of_an_image():
    tf = reference()
    for image in (SMOOTH, (SMOOTH / 255).astype(np.float32), SMOOTH[..., :1]):
        ours, theirs = (
            module.image.adjust_jpeg_quality(image, 40, dct_method="INTEGER_ACCURATE").numpy()
            for module in (dv, tf)
        )
        scale = 255 if image.dtype == np.float32 else 1
        assert (
            ours.dtype == theirs.dtype and np.abs(ours * scale - theirs.astype(float) * scale).max() <= 6.01
        )
    first, again = (dv.image.stateless_random_jpeg_quality(SMOOTH, 5, 90, (1, 2)).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert dv.image.random_jpeg_quality(SMOOTH, 5, 90, seed=1).shape == SMOOTH.shape


def drawn_files(seed):
    """Files of random images of a few pixels, in all formats: `(function, file, options)`."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(6, 24, 2)
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    quality, sampling = int(rng.integers(1, 101)), int(rng.integers(3))
    jpeg = file_of(image, "JPEG", quality=quality, subsampling=sampling, progressive=bool(rng.integers(2)))
    yield "decode_jpeg", jpeg, {"channels": int(rng.choice([0, 1, 3])), "dct_method": "INTEGER_ACCURATE"}
    if has_simplejpeg():
        yield "decode_jpeg", jpeg, {"ratio": int(rng.choice([1, 2, 4])), "fancy_upscaling": seed % 2 == 0}
        yield "decode_image", jpeg, {}
    for mode in ("RGB", "L", "P", "LA", "RGBA"):
        yield "decode_png", file_of(image.convert(mode), "PNG"), {"channels": int(rng.choice([0, 1, 3]))}
    frames = [
        Image.fromarray(rng.integers(0, 256, pixels.shape).astype(np.uint8)).quantize(
            int(rng.integers(2, 17))
        )
        for _ in range(rng.integers(1, 5))
    ]
    options = {"transparency": 1} if rng.integers(2) else {}
    animated = file_of(
        frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=int(rng.integers(4)), **options
    )
    yield "decode_gif", animated, {}
    yield "decode_bmp", file_of(image, "BMP"), {}


@pytest.mark.parametrize("seed", range(12))
def test_drawn_images(seed):
    for name, file, options in drawn_files(seed):
        same_outcome(lambda tf, args=(name, file, options): getattr(tf.io, args[0])(args[1], **args[2]))


# ---- sounds ------------------------------------------------------------------------------------------------------

WAVE = np.random.default_rng(0).uniform(-1.3, 1.3, (50, 2)).astype(np.float32)


@pytest.mark.parametrize("channels", [-1, 0, 1, 2])
@pytest.mark.parametrize("samples", [-1, 0, 20, 80])
def test_sounds_go_both_ways(channels, samples):
    ours, theirs = (module.audio.encode_wav(WAVE, 22050).numpy() for module in (dv, reference()))
    assert ours == theirs
    same_outcome(lambda tf: tf.audio.decode_wav(ours, desired_channels=channels, desired_samples=samples))


def test_sounds_of_other_widths():
    """What TensorFlow does not read: 8, 24 and 32 bits, and floats."""
    import struct

    wave = np.array([[0.5], [-0.25], [0.0]])
    for kind, bits, body in (
        (1, 8, (wave * 128 + 128).astype("u1").tobytes()),
        (1, 24, b"".join(int(v * (1 << 23)).to_bytes(3, "little", signed=True) for v in wave[:, 0])),
        (1, 32, (wave * (1 << 31)).astype("<i4").tobytes()),
        (3, 32, wave.astype("<f4").tobytes()),
        (3, 64, wave.astype("<f8").tobytes()),
    ):
        form = struct.pack("<HHIIHH", kind, 1, 8000, 8000 * bits // 8, bits // 8, bits)
        chunks = (
            b"WAVEfmt "
            + struct.pack("<I", 16)
            + form
            + b"LIST\3\0\0\0abc\0data"
            + struct.pack("<I", len(body))
        )
        found, rate = dv.audio.decode_wav(b"RIFF\0\0\0\0" + chunks + body)
        np.testing.assert_array_equal(found.numpy(), wave.astype(np.float32))
        assert int(rate) == 8000


# ---- in functions and datasets -----------------------------------------------------------------------------------


def test_images_in_a_dataset_keep_their_order():
    files = [dv.io.encode_png(np.full((4, 5, 3), i, np.uint8)).numpy() for i in range(40)]
    found = dv.data.Dataset.from_tensor_slices(files).map(
        dv.io.decode_png, num_parallel_calls=dv.data.AUTOTUNE
    )
    assert found.element_spec.shape.as_list() == [None, None, None]
    assert [int(image[0, 0, 0]) for image in found] == list(range(40))
    rows = dv.data.Dataset.from_tensor_slices(["1,a", "2,b"]).map(
        lambda line: dv.io.decode_csv(line, [0, ""])
    )
    assert [(int(n), t.numpy()) for n, t in rows] == [(1, b"a"), (2, b"b")]


def threads_of(dataset):
    """The names of the threads in which a function ran."""
    return {name.numpy().decode() for _, name in dataset}


def test_autotune_decodes_in_threads_where_the_order_of_draws_does_not_matter(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    files = dv.data.Dataset.from_tensor_slices([PNGS["rgb"]] * 8)

    def in_thread(name):
        return dv.numpy_function(
            lambda _: np.array(threading.current_thread().name.encode(), object), [name], "string"
        )

    def decoded(file):
        return dv.io.decode_png(file), in_thread(file)

    def flipped(file):
        return dv.image.random_flip_left_right(dv.io.decode_png(file, channels=3)), in_thread(file)

    here = {threading.current_thread().name}
    auto = {"num_parallel_calls": dv.data.AUTOTUNE}
    assert threads_of(files.map(decoded)) == here
    assert not threads_of(files.map(decoded, **auto)) & here
    assert threads_of(files.map(lambda file: (dv.strings.length(file), in_thread(file)), **auto)) == here
    monkeypatch.setattr(random_keys._global, "seed", None)
    assert not threads_of(files.map(flipped, **auto)) & here
    dv.random.set_seed(3)
    assert threads_of(files.map(flipped, **auto)) == here


def test_images_in_a_compiled_function():
    @dv.function
    def darker(file):
        image = dv.io.decode_image(file, channels=3, expand_animations=False)
        return dv.io.encode_png(image // 2)

    for kind in ("png", "bmp", "gif"):
        found = dv.io.decode_png(darker(dv.constant(ALL[kind]))).numpy()
        np.testing.assert_array_equal(
            found, plain(dv.io.decode_image(ALL[kind], channels=3)).reshape(20, -1, 3) // 2
        )


# ---- the files of ../shared --------------------------------------------------------------------------------------

FILES = [
    ("color.png", "decode_png", "color_png", {}),
    ("gray.png", "decode_png", "gray_png", {}),
    ("alpha.png", "decode_png", "alpha_png", {}),
    ("palette.png", "decode_png", "palette_png", {}),
    ("gray16.png", "decode_png", "gray16_png", {"dtype": "uint16"}),
    ("gray.png", "decode_png", "gray_png_rgb", {"channels": 3}),
    ("color.png", "decode_png", "color_png_gray", {"channels": 1}),
    ("color.bmp", "decode_bmp", "color_bmp", {}),
    ("moving.gif", "decode_gif", "moving_gif", {}),
    ("still.gif", "decode_gif", "still_gif", {}),
    ("moving.gif", "decode_image", "moving_gif_first", {"expand_animations": False}),
    *((f"{stem}.jpg", "decode_jpeg", f"{stem}_jpg_accurate", {"dct_method": "INTEGER_ACCURATE"})
      for stem in ("color", "color_444", "gray", "progressive")),
]  # fmt: skip


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the folder ../shared/data is not here")
@pytest.mark.parametrize("name, function, key, options", FILES, ids=[f[2] for f in FILES])
def test_images_come_out_with_the_values_beside_them(name, function, key, options):
    with np.load(RECORDS / "images.npz") as values:
        found = getattr(dv.io, function)(dv.io.read_file(str(RECORDS / name)), **options)
        np.testing.assert_array_equal(found.numpy(), values[key])


@pytest.mark.skipif(not RECORDS.is_dir(), reason="the folder ../shared/data is not here")
def test_sounds_and_tables_come_out_with_the_values_beside_them():
    with np.load(RECORDS / "sound.npz") as values:
        for name in ("mono", "stereo"):
            file = next(RECORDS.glob(name + "_*.wav"))
            found, rate = dv.audio.decode_wav(dv.io.read_file(str(file)))
            np.testing.assert_array_equal(found.numpy(), values[name])
            assert int(rate) == {"mono": 8000, "stereo": 16000}[name]
    with np.load(RECORDS / "tables.npz", allow_pickle=True) as values:
        lines = (RECORDS / "numbers_tab.tsv").read_text().splitlines()[1:]
        found = dv.io.decode_csv(lines, [0.0, 0.0, 0.0, 0], field_delim="\t")
        np.testing.assert_array_equal(np.stack([column.numpy() for column in found[:3]], 1), values["abc"])
        np.testing.assert_array_equal(found[3].numpy(), values["k"])
