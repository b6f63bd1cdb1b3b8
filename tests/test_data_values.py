"""Which values datasets make of lists and strings, side by side with TensorFlow."""

import numpy as np

import dovetail as tf
from tests.support import parity


def test_strings_are_joined_as_strings():
    def case(module):
        words = module.data.Dataset.from_tensor_slices(["a", "b", "c"])
        mapped = words.map(lambda word: word + "!")
        return [
            list(mapped.batch(2)),
            list(words.padded_batch(2)),
            list(words.map(lambda w: module.stack([w, w])[:1]).padded_batch(2, [2])),
            list(module.data.Dataset.range(2).map(lambda i: module.where(i > 0, "pos", "neg")).batch(2)),
            list(words.batch(2).map(lambda batch: "x" + batch).unbatch()),
        ]

    parity.check(case)


def test_lists_of_arrays_and_of_numbers():
    def case(module):
        specs = [
            module.data.Dataset.from_tensor_slices(rows).element_spec
            for rows in (
                [np.arange(2), np.arange(2)],
                [np.ones(2, "uint8"), np.ones(2, "uint8")],
                [np.int64(1), np.int64(2)],
                [np.float32(1), 2.0],
                [1, 2],
            )
        ]
        return [(spec.dtype.name, tuple(spec.shape)) for spec in specs]

    parity.check(case)


def test_numpy_iterators_have_next():
    assert tf.data.Dataset.range(3).as_numpy_iterator().next() == 0
