"""Batches of large elements, which are copied into the batch one by one as they come."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.data import batching

ROWS, COLUMNS = 128, 130  # 65 kB of float32


def large(number):
    return tf.fill([ROWS, COLUMNS], tf.cast(number, tf.float32)), number


def numbered(count, function=large, **options):
    return tf.data.Dataset.from_generator(
        lambda: iter(range(count)), output_signature=tf.TensorSpec([], tf.int64)
    ).map(function, **options)


@pytest.fixture
def groups(monkeypatch):
    """The groups that were made in place."""
    made = []

    class Noted(batching.RowsInPlace):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(batching, "RowsInPlace", Noted)
    return made


@pytest.mark.parametrize("drop, expected", [(False, [4, 4, 2]), (True, [4, 4])])
def test_batches(groups, drop, expected):
    batches = list(numbered(10).batch(4, drop_remainder=drop))
    assert [len(numbers) for _, numbers in batches] == expected
    assert len(groups) == 3
    for images, numbers in batches:
        assert images.shape == (len(numbers), ROWS, COLUMNS)
        assert images.numpy().base is None or images.numpy().base.shape[0] == len(numbers)
        np.testing.assert_array_equal(images, np.broadcast_to(numbers.numpy()[:, None, None], images.shape))
    assert np.concatenate([numbers for _, numbers in batches]).tolist() == list(range(sum(expected)))


def test_batches_are_apart():
    batches = [images for images, _ in numbered(8).batch(4)]
    assert [float(images[0, 0, 0]) for images in batches] == [0, 4]


def test_kept_elements_stay():
    kept = []

    def keep(image):
        kept.append(image)
        return image

    source = numbered(6, lambda number: tf.py_function(keep, [large(number)[0]], tf.float32))
    batch = next(iter(source.batch(6)))
    assert batch.shape == (6, ROWS, COLUMNS)
    assert [float(image[0, 0]) for image in kept] == [0, 1, 2, 3, 4, 5]


def test_what_is_not_for_it(groups):
    small = numbered(6, lambda number: tf.fill([3], number)).batch(3)
    strings = numbered(4, lambda number: (large(number)[0], tf.strings.as_string(number))).batch(2)
    assert [batch.shape[0] for batch in small] == [3, 3]
    assert [names.numpy().tolist() for _, names in strings] == [[b"0", b"1"], [b"2", b"3"]]
    assert next(iter(numbered(3).batch(1 << 40)))[0].shape == (3, ROWS, COLUMNS)
    assert next(iter(numbered(3).padded_batch(2)))[0].shape == (2, ROWS, COLUMNS)
    assert not groups


def test_elements_of_another_shape(groups):
    def odd(number):
        return tf.zeros([ROWS + tf.cast(number == 2, tf.int32), COLUMNS])

    batches = iter(numbered(8, odd).batch(4))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\(129, 130\) \(element 2\)"):
        next(batches)
    assert next(batches).shape == (4, ROWS, COLUMNS)
    assert next(batches, None) is None
    assert len(groups) == 2


def test_an_element_that_fails(groups):
    def failing(number):
        tf.debugging.assert_none_equal(number, tf.constant(2, tf.int64))
        return large(number)

    batches = iter(numbered(8, failing).batch(4))
    with pytest.raises(tf.errors.InvalidArgumentError, match="it was element 2"):
        next(batches)
    assert next(batches)[1].numpy().tolist() == [3, 4, 5, 6]
    assert next(batches)[1].numpy().tolist() == [7]
