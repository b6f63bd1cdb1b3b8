"""Resizing images as TensorFlow 1 does, beside TensorFlow itself."""

import itertools

import numpy as np
import pytest

import dovetail as ours

tensorflow = pytest.importorskip("tensorflow")

PIXELS = np.random.default_rng(0).normal(size=(2, 5, 7, 2)).astype("float32") * 50
SIZES = ([3, 4], (8, 9), np.array([1, 1]), [5, 9], [5, 7], [17, 2])
DTYPES = ("float32", "uint8", "float64", "int32")
BY_NAME = ("bilinear", "bicubic", "nearest_neighbor", "area")
BAD = {
    "rank": lambda v1: v1.image.resize_images(PIXELS[0, 0], [3, 3]),
    "three sizes": lambda v1: v1.image.resize_images(PIXELS, [3, 3, 3]),
    "one size": lambda v1: v1.image.resize_images(PIXELS, 3),
    "fractions": lambda v1: v1.image.resize_images(PIXELS, [3.5, 3]),
    "no method": lambda v1: v1.image.resize_images(PIXELS, [3, 3], 7),
    "method of version 2": lambda v1: v1.image.resize_images(PIXELS, [3, 3], "lanczos3"),
    "no batch": lambda v1: v1.image.resize_bilinear(PIXELS[0], [3, 3]),
    "nothing": lambda v1: v1.image.resize_area(PIXELS, [0, 3]),
    "two grids": lambda v1: v1.image.resize_bicubic(PIXELS, [3, 3], True, half_pixel_centers=True),
    "pad to nothing": lambda v1: v1.image.resize_image_with_pad(PIXELS, 1, 1),
}


def both(function):
    """Returns what a function of the module gives in sessions of both."""
    found = []
    for system in (ours, tensorflow):
        v1 = system.compat.v1
        with system.Graph().as_default(), v1.Session() as session:
            found.append([np.asarray(session.run(x)) for x in function(system, v1)])
    return zip(*found, strict=True)


def require_equal(pairs):
    for found, expected in pairs:
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("method", range(4))
@pytest.mark.parametrize("keep", [False, True])
def test_resize_images(method, keep):
    def results(system, v1):
        for size, align, x in itertools.product(SIZES, (False, True), (PIXELS, PIXELS[0])):
            yield v1.image.resize_images(x, size, method, align, keep)
        yield v1.image.resize_images(PIXELS.astype("uint8"), v1.constant([5, 7]), method)

    require_equal(both(results))


@pytest.mark.parametrize("name", BY_NAME)
def test_resize_by_name(name):
    def results(system, v1):
        resize = getattr(v1.image, f"resize_{name}")
        for dtype in DTYPES:
            x = v1.constant(np.abs(PIXELS).astype(dtype))
            yield from (resize(x, size, align) for size in ([3, 9], [5, 7]) for align in (False, True))
            if name != "area":
                yield resize(x, [3, 9], half_pixel_centers=True)
        if name != "area":  # TensorFlow has no gradient of it
            yield from system.gradients(resize(x := v1.constant(PIXELS), [3, 9], True) ** 2, x)

    require_equal(both(results))


@pytest.mark.parametrize("method", range(4))
def test_resize_image_with_pad(method):
    def results(system, v1):
        for size, align in itertools.product([(8, 8), (2, 6), (6, 2), (3, 3)], (False, True)):
            yield v1.image.resize_image_with_pad(PIXELS, *size, method=method, align_corners=align)
        yield v1.image.resize_image_with_pad(PIXELS[0], 3, 9)

    require_equal(both(results))


def test_crop_and_resize_takes_box_ind():
    boxes = np.array([[0, 0, 1, 1], [0.2, 0.1, 0.7, 0.9]], "float32")
    require_equal(
        both(lambda system, v1: [v1.image.crop_and_resize(PIXELS, boxes, box_ind=[0, 1], crop_size=[3, 2])])
    )


def test_sizes_that_come_with_the_run():
    def shapes(system):
        v1 = system.compat.v1
        with system.Graph().as_default(), v1.Session() as session:
            x, size = v1.placeholder("float32", [None, None, None, 3]), v1.placeholder("int32", [2])
            known = v1.placeholder("float32", [4, 5, 3])
            found = [v1.image.resize_images(known, [2, 9], preserve_aspect_ratio=True).shape.as_list()]
            for wanted, keep in itertools.product((size, [2, 9]), (False, True)):
                resized = v1.image.resize_images(x, wanted, preserve_aspect_ratio=keep)
                found.append(resized.shape.as_list())
                for _ in range(4):  # the runs after the first are compiled
                    found.append(session.run(resized, {x: np.ones((1, 4, 5, 3)), size: [2, 9]}).shape)
                found.append(session.run(resized, {x: np.ones((1, 2, 9, 3)), size: [3, 4]}).shape)
        return found

    assert shapes(ours) == shapes(tensorflow)


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name):
    for system in (ours, tensorflow):
        v1 = system.compat.v1
        errors = (ValueError, system.errors.InvalidArgumentError)
        with system.Graph().as_default(), v1.Session() as session, pytest.raises(errors):
            session.run(BAD[name](v1))


def test_images_that_stay_are_tensors_of_their_dtype():
    with ours.Graph().as_default():
        kept = ours.compat.v1.image.resize_images(PIXELS.astype("uint8"), [5, 7])
        assert isinstance(kept, ours.Tensor) and kept.dtype == "uint8"
