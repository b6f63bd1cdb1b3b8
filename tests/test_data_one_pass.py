"""Functions of image files given to `map`: what they do to the pixels in one pass gives the same as op by op."""

import io

import numpy as np
import pytest
from PIL import Image

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.data import mapping
from dovetail.ops.image_chain import STEPS, resize_chain
from dovetail.ops.image_resize import resize_


def _file(height, width, kind="JPEG", mode="RGB"):
    shape = (height, width, 3)[: 3 if mode == "RGB" else 2]
    pixels = np.random.default_rng(height * width).integers(0, 256, shape).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


SIZES = [(70, 90), (64, 48), (33, 120), (200, 10), (48, 64), (80, 81)]
FILES = [_file(*size) for size in SIZES]
SCALE = tf.Variable(3.0)


def _resized(file, size=(48, 64), **options):
    return tf.image.resize(tf.io.decode_jpeg(file, channels=3), size, **options)


def augmented(file):
    image = tf.image.random_flip_left_right(_resized(file), seed=3)
    image = tf.image.random_brightness(image, 20.0, seed=4)
    return tf.clip_by_value(image, 0.0, 255.0) / 127.5 - 1.0


def labelled(file, label):
    return {"image": _resized(file) / 255.0, "label": (label, tf.strings.length(file))}


def turned_around(file):
    image = tf.image.flip_left_right(tf.image.random_flip_left_right(_resized(file), seed=5))
    return 2.0 + image * SCALE


def twice(file):
    small, large = _resized(file, (30, 20)) * 0.1, 0.1 + _resized(file, (60, 70))
    return small, tf.image.random_flip_left_right(tf.image.random_flip_left_right(large, seed=6), seed=7)


def by_image(file):
    image = _resized(file)
    return image - tf.reduce_mean(image), image + tf.reduce_max(image)


def by_own_number(file):
    image = _resized(file) * 0.5
    return tf.minimum(image - tf.cast(tf.strings.length(file), tf.float32), 20.0)


def cubic(file):
    return tf.clip_by_value(_resized(file, method="bicubic", antialias=True), 10.0, 200.0) + 1.0


def wide(file):
    return _resized(file, (40, 45), method="lanczos5", antialias=True) / 255.0


def gray(file):
    return tf.image.resize(tf.io.decode_jpeg(file, channels=1), [70, 61]) * (1 / 255)


JOINED = {
    function.__name__: function
    for function in (augmented, turned_around, twice, by_own_number, cubic, wide, gray)
}
LEFT = {
    "by_image": by_image,
    "nearest": lambda file: _resized(file, method="nearest") / 2,
    "proportions": lambda file: _resized(file, preserve_aspect_ratio=True) / 2.0,
    "a vector": lambda file: _resized(file) / [1.0, 2.0, 3.0],
    "no step": lambda file: _resized(file),
    "printed": lambda file: (tf.print("", end=""), _resized(file) / 2.0)[1],
    "a choice": lambda file: _resized(file) / 2.0 if tf.strings.length(file) > 0 else _resized(file),
}


def _elements(function, files=FILES, **options):
    tf.random.set_seed(1)
    dataset = tf.data.Dataset.from_tensor_slices(files).map(function, **options)
    found = [tf.nest.flatten(element) for element in dataset]
    return [np.asarray(leaf) for element in found for leaf in element], dataset._node._one_pass


def _same(found, expected, tolerance=0.0):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", JOINED)
def test_joined_functions(name, monkeypatch):
    found, joined = _elements(JOINED[name])
    assert joined is not None
    monkeypatch.setattr(mapping, "one_pass", lambda function: None)
    expected, joined = _elements(JOINED[name])
    assert joined is None
    _same(found, expected)


@pytest.mark.parametrize("name", JOINED)
def test_without_the_library(name, monkeypatch):
    found, _ = _elements(JOINED[name])
    monkeypatch.setattr(settings, "native", False)
    expected, joined = _elements(JOINED[name])
    assert joined is not None
    _same(found, expected, 1e-3)


@pytest.mark.parametrize("name", LEFT)
def test_functions_left_as_they_are(name):
    assert _elements(LEFT[name])[1] is None


def test_structure_and_threads():
    options = {"num_parallel_calls": 4}
    given = (FILES * 5, np.arange(30))
    dataset = tf.data.Dataset.from_tensor_slices(given).map(labelled, **options)
    assert dataset.element_spec["image"].shape == (48, 64, 3)
    batch = next(iter(dataset.batch(30)))
    assert dataset._node._one_pass is not None
    assert batch["label"][0].numpy().tolist() == list(range(30))
    assert batch["label"][1].numpy().tolist() == [len(file) for file in FILES * 5]
    np.testing.assert_array_equal(batch["image"][:6], batch["image"][24:])


def test_each_element_draws_its_own_number():
    def drawn(file):
        return tf.image.random_brightness(_resized(file) * 0.0, 20.0), tf.random.uniform([])

    files = tf.data.Dataset.from_tensor_slices(FILES[:1] * 200)
    dataset = files.map(drawn, num_parallel_calls=8)
    found = [(float(image[0, 0, 0]), float(number)) for image, number in dataset]
    assert dataset._node._one_pass is not None
    assert all(len(set(numbers)) == 200 for numbers in zip(*found, strict=True))


@pytest.mark.parametrize("workers", [1, 3])
def test_damaged_files(workers, monkeypatch):
    files = [*FILES[:2], FILES[2][:300], FILES[3]]

    def told():
        iterator = iter(tf.data.Dataset.from_tensor_slices(files).map(labels, num_parallel_calls=workers))
        next(iterator), next(iterator)
        with pytest.raises(tf.errors.InvalidArgumentError) as failure:
            next(iterator)
        assert next(iterator).shape == (48, 64, 3)  # it goes on
        return str(failure.value), failure.value.__notes__

    def labels(file):
        return _resized(file) / 255.0

    (message, notes), _ = told(), monkeypatch.setattr(mapping, "one_pass", lambda function: None)
    expected, expected_notes = told()
    assert message == expected and "test_data_one_pass.py" in message
    assert notes == expected_notes and "it was element 2 (the first is 0)" in notes


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("shape", [(40, 50, 3), (9, 300, 1), (60, 31, 4), (700, 1, 2)])
def test_chain_of_all_steps(shape, kind):
    image = tf.constant((np.random.default_rng(0).random(shape) * 255).astype(kind))
    one = tf.constant(0.3)
    steps = (*STEPS, "flip_some")
    numbers = [x for name in steps for x in ([one * 10, one * 300][: STEPS[name][1]])]
    options = {"size": (31, 33), "method": "bilinear", "antialias": False, "grid": "centers"}
    numbers[-1] = tf.constant(0.9)  # no flip
    found = resize_chain(image, *numbers, steps=steps, **options)
    expected, left = resize_(image, **options), list(numbers)
    for name in steps:
        op, count = STEPS[name]
        expected = op(expected, *left[:count], **({"axis": -2} if name == "flip_some" else {}))
        left = left[count:]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "low, high", [(0.0, 1.0), (1.0, 0.0), (np.nan, 1.0), (0.0, np.nan), (-np.inf, np.inf)]
)
def test_clip_of_odd_numbers(low, high):
    given = np.linspace(-2, 2, 1 << 15, dtype=np.float32)
    given[::7] = np.nan
    expected = np.maximum(np.minimum(given, np.float32(high)), np.float32(low))
    np.testing.assert_array_equal(tf.clip_by_value(given, low, high), expected)
    image = np.tile(given[:3000].reshape(30, 100, 1), (1, 1, 1))
    options = {"size": (30, 100), "method": "bilinear", "antialias": False, "grid": "centers"}
    chained = resize_chain(image, np.float32(low), np.float32(high), steps=("clip_by_value",), **options)
    plain = np.asarray(tf.clip_by_value(resize_(image, **options), low, high))
    np.testing.assert_array_equal(chained, plain)


def test_flips(monkeypatch):
    for shape in [(40, 60, 3), (3, 40, 1, 3), (64, 70, 1), (30, 41, 4), (200, 2, 3)]:
        for kind in ("uint8", "float32", "float64", "int16"):
            image = (np.random.default_rng(1).random(shape) * 200).astype(kind)
            found = [tf.image.stateless_random_flip_left_right(image, [0, seed]).numpy() for seed in range(8)]
            flipped = [np.array_equal(one, image[..., ::-1, :]) for one in found]
            same = [np.array_equal(one, image) for one in found]
            assert len(shape) == 4 or all(a or b for a, b in zip(flipped, same, strict=True))
            assert len(shape) == 4 or (any(flipped) and any(same))
