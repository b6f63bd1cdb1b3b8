"""The functions of `tf.nn` and `keras.backend` for connectionist temporal classification, beside TensorFlow's."""

import numpy as np
import pytest

import dovetail as dv

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(9, 4, 5)).astype("float32") * 2  # (time, batch, classes)
LABELS = np.array([[1, 1, 3], [2, 4, 2], [1, 2, 0], [3, 0, 0]], "int32")
LENGTHS, STEPS = np.array([3, 3, 2, 1], "int32"), np.array([9, 7, 5, 2], "int32")
REPEATED = np.array([[1, 1, 2, 2, 1], [3, 3, 3, 3, 4]], "int32")


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("tensorflow")


def sparse_labels(tf):
    rows = [(i, j) for i, count in enumerate(LENGTHS) for j in range(count)]
    return tf.SparseTensor(
        np.array(rows, "int64"), np.array([LABELS[row] for row in rows]), np.array([4, 3], "int64")
    )


CALLS = {
    "dense": lambda tf: tf.nn.ctc_loss(LABELS, LOGITS, LENGTHS, STEPS),
    "sparse": lambda tf: tf.nn.ctc_loss(sparse_labels(tf), LOGITS, None, STEPS, blank_index=0),
    "batch first": lambda tf: tf.nn.ctc_loss(
        LABELS, np.swapaxes(LOGITS, 0, 1), LENGTHS, STEPS, logits_time_major=False, blank_index=0
    ),
    "greedy": lambda tf: tf.nn.ctc_greedy_decoder(LOGITS, STEPS),
    "greedy repeats": lambda tf: tf.nn.ctc_greedy_decoder(LOGITS, STEPS, merge_repeated=False, blank_index=1),
    "beams": lambda tf: tf.nn.ctc_beam_search_decoder(LOGITS, STEPS, beam_width=6, top_paths=2),
    "collapse": lambda tf: tf.nn.collapse_repeated(REPEATED, np.array([5, 4], "int32")),
    "unique": lambda tf: tf.nn.ctc_unique_labels(LABELS),
}


def parts(value):
    """Returns all arrays of a result, those of sparse tensors included."""
    if hasattr(value, "indices"):
        return [np.asarray(part) for part in (value.indices, value.values, value.dense_shape)]
    if isinstance(value, list | tuple):
        return [part for item in value for part in parts(item)]
    return [np.asarray(value)]


@pytest.mark.parametrize("name", CALLS)
def test_results_are_those_of_tensorflow(peer, name):
    for ours, theirs in zip(parts(CALLS[name](dv)), parts(CALLS[name](peer)), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_dense_labels_become_sparse(peer):
    keras = pytest.importorskip("tf_keras")
    ours = dv.keras.backend.ctc_label_dense_to_sparse(LABELS, LENGTHS)
    theirs = keras.backend.ctc_label_dense_to_sparse(LABELS, LENGTHS)
    for own, their in zip(parts(ours), parts(theirs), strict=True):
        np.testing.assert_array_equal(own, their)


def test_labels_that_no_alignment_gives_cost_much_and_have_no_gradient():
    logits = dv.Variable(LOGITS)
    with dv.GradientTape() as tape:
        loss = dv.nn.ctc_loss(LABELS, logits, LENGTHS, np.array([2, 9, 5, 2], "int32"))
    gradient = np.asarray(tape.gradient(loss, logits))
    assert float(loss[0]) == 708.0 and np.isfinite(gradient).all()
    assert not gradient[:, 0].any() and gradient[:, 1].any()


def test_a_blank_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="one of the 5 classes, received 7"):
        dv.nn.ctc_loss(LABELS, LOGITS, LENGTHS, STEPS, blank_index=7)
    with pytest.raises(ValueError, match="sparse labels need blank_index"):
        dv.nn.ctc_loss(sparse_labels(dv), LOGITS, None, STEPS)
