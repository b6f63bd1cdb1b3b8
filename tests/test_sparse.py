"""Sparse tensors: every function on several of them beside TensorFlow; inside tf.function; gradients; errors."""

import warnings

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.fingerprint import combine, fingerprint64
from tests.support.parity import assert_same, outcome, reference

# name: indices, values, dense shape
SAMPLES = {
    "vector": ([[1], [3]], [4.0, 5.0], [5]),
    "matrix": ([[0, 0], [0, 2], [1, 2], [3, 1]], [1.0, -2.0, 3.0, 0.5], [4, 3]),
    "unordered": ([[3, 1], [0, 2], [1, 2], [0, 0]], [0.5, -2.0, 3.0, 1.0], [4, 3]),
    "empty": (np.zeros((0, 2), np.int64), np.zeros(0, np.float32), [2, 3]),
    "cube": ([[0, 0, 1], [0, 1, 0], [1, 1, 1]], [1.0, 2.0, -3.0], [2, 2, 2]),
    "full": ([[0, 0], [0, 1], [1, 0], [1, 1]], [1.0, 2.0, 3.0, 4.0], [2, 2]),
}


def made(tf, name, dtype=np.float32):
    indices, values, shape = SAMPLES[name]
    return tf.SparseTensor(np.asarray(indices, np.int64), np.asarray(values, dtype), shape)


def parts(value):
    """Return a structure with the parts of sparse tensors in their places."""
    if isinstance(value, list | tuple):
        return [parts(item) for item in value]
    if hasattr(value, "indices"):
        return [value.indices, value.values, value.dense_shape]
    return value


def transposed_matrix(tf, st):
    return tf.sparse.sparse_dense_matmul(st, np.ones((st.shape[0], 2), np.float32), adjoint_a=True)


# name: function of (tf, sparse tensor); run on every sample
CASES = {
    "to_dense": lambda tf, st: tf.sparse.to_dense(st),
    "to_dense_default": lambda tf, st: tf.sparse.to_dense(st, default_value=-1.0),
    "to_dense_unchecked": lambda tf, st: tf.sparse.to_dense(st, validate_indices=False),
    "round_trip": lambda tf, st: tf.sparse.from_dense(tf.sparse.to_dense(tf.sparse.reorder(st))),
    "reorder": lambda tf, st: tf.sparse.reorder(st),
    "transpose": lambda tf, st: tf.sparse.transpose(st),
    "transpose_perm": lambda tf, st: tf.sparse.transpose(st, [1, 0]),
    "reshape": lambda tf, st: tf.sparse.reshape(st, [-1]),
    "reshape_column": lambda tf, st: tf.sparse.reshape(st, [-1, 1]),
    "reshape_fails": lambda tf, st: tf.sparse.reshape(st, [7, -1]),
    "expand_dims": lambda tf, st: tf.sparse.expand_dims(st),
    "expand_dims_0": lambda tf, st: tf.sparse.expand_dims(st, 0),
    "expand_dims_1": lambda tf, st: tf.sparse.expand_dims(st, axis=1),
    "concat_0": lambda tf, st: tf.sparse.concat(0, [st, st]),
    "concat_last": lambda tf, st: tf.sparse.concat(-1, [st, st, st]),
    "concat_expanded": lambda tf, st: tf.sparse.concat(
        0, [tf.sparse.reorder(st), tf.sparse.transpose(st)], expand_nonconcat_dims=True
    ),
    "slice": lambda tf, st: tf.sparse.slice(st, [0] * len(st.shape), [2] * len(st.shape)),
    "slice_past_end": lambda tf, st: tf.sparse.slice(st, [1] * len(st.shape), [9] * len(st.shape)),
    "split": lambda tf, st: tf.sparse.split(st, num_split=2, axis=0),
    "split_last": lambda tf, st: tf.sparse.split(sp_input=st, num_split=2, axis=-1),
    "retain": lambda tf, st: tf.sparse.retain(st, st.values > 0.75),
    "reset_shape": lambda tf, st: tf.sparse.reset_shape(st),
    "reset_shape_larger": lambda tf, st: tf.sparse.reset_shape(st, [9] * len(st.shape)),
    "reset_shape_smaller": lambda tf, st: tf.sparse.reset_shape(st, [1] * len(st.shape)),
    "fill_empty_rows": lambda tf, st: tf.sparse.fill_empty_rows(tf.sparse.reorder(st), 7.0),
    "reduce_sum": lambda tf, st: tf.sparse.reduce_sum(st),
    "reduce_sum_0": lambda tf, st: tf.sparse.reduce_sum(st, axis=0),
    "reduce_sum_last": lambda tf, st: tf.sparse.reduce_sum(st, axis=-1, keepdims=True),
    "reduce_sum_axes": lambda tf, st: tf.sparse.reduce_sum(st, axis=[0, 1]),
    "reduce_sum_sparse": lambda tf, st: tf.sparse.reduce_sum(
        tf.sparse.reorder(st), axis=-1, output_is_sparse=True
    ),
    "reduce_max": lambda tf, st: tf.sparse.reduce_max(st, axis=0),
    "reduce_max_keepdims": lambda tf, st: tf.sparse.reduce_max(st, axis=-1, keepdims=True),
    "add": lambda tf, st: tf.sparse.add(tf.sparse.reorder(st), tf.sparse.reorder(st)),
    "add_threshold": lambda tf, st: tf.sparse.add(
        tf.sparse.reorder(st), tf.sparse.reorder(st), threshold=3.0
    ),
    "add_dense": lambda tf, st: tf.sparse.add(st, tf.ones(st.shape)),
    "dense_add": lambda tf, st: tf.sparse.add(tf.ones(st.shape), st),
    "maximum": lambda tf, st: tf.sparse.maximum(tf.sparse.reorder(st), tf.sparse.reorder(tf.negative(st))),
    "minimum": lambda tf, st: tf.sparse.minimum(tf.sparse.reorder(st), tf.sparse.reorder(st * 2.0)),
    "times_number": lambda tf, st: st * 3.0,
    "times_dense": lambda tf, st: tf.sparse.reorder(st) * tf.range(float(st.shape[-1])),
    "dense_times": lambda tf, st: tf.range(float(st.shape[-1])) * tf.sparse.reorder(st),
    "over_dense": lambda tf, st: tf.sparse.reorder(st) / (tf.ones(st.shape) * 4.0),
    "times_misfit": lambda tf, st: st * tf.ones([17]),
    "abs": lambda tf, st: tf.abs(st),
    "square": lambda tf, st: tf.square(st),
    "cast": lambda tf, st: tf.cast(st, tf.int32),
    "map_values": lambda tf, st: tf.sparse.map_values(tf.add, st, st),
    "map_values_wrong": lambda tf, st: tf.sparse.map_values(tf.reduce_sum, st),
    "with_values": lambda tf, st: st.with_values(st.values * 2.0),
    "softmax": lambda tf, st: tf.sparse.softmax(tf.sparse.reorder(st)),
    "matmul": lambda tf, st: tf.sparse.sparse_dense_matmul(st, np.ones((st.shape[-1], 2), np.float32)),
    "matmul_adjoint_a": transposed_matrix,
    "matmul_adjoint_b": lambda tf, st: tf.sparse.sparse_dense_matmul(
        st, np.ones((2, st.shape[-1]), np.float32), adjoint_b=True
    ),
    "dense_matmul": lambda tf, st: tf.sparse.sparse_dense_matmul(np.ones((2, st.shape[0]), np.float32), st),
    "matmul_misfit": lambda tf, st: tf.sparse.sparse_dense_matmul(st, np.ones((17, 2), np.float32)),
    "to_indicator": lambda tf, st: tf.sparse.to_indicator(
        tf.cast(tf.abs(tf.sparse.reset_shape(st)), tf.int64), 7
    ),
    "shape": lambda tf, st: tf.shape(st),
    "static_shape": lambda tf, st: (st.shape.as_list(), st.get_shape().as_list(), st.dtype.name),
}


@pytest.mark.parametrize("name", CASES)
def test_a_function_of_a_sparse_tensor_gives_what_tensorflow_gives(name):
    theirs = reference()
    for sample in SAMPLES:
        kind, expected = outcome(theirs, lambda m, s=sample: parts(CASES[name](m, made(m, s))))
        have, found = outcome(tf, lambda m, s=sample: parts(CASES[name](m, made(m, s))))
        assert have == kind, f"{sample}: {found!r}, expected {expected!r}"
        if kind == "value":
            assert_same(found, expected)
        else:
            assert isinstance(found, ValueError | TypeError | tf.errors.OpError), repr(found)


@pytest.mark.parametrize("name", [n for n in CASES if n not in ("static_shape", "map_values_wrong")])
@pytest.mark.filterwarnings("ignore:tf.function")
def test_a_function_of_a_sparse_tensor_gives_the_same_inside_tf_function(name):
    for sample in ("vector", "matrix", "cube"):
        kind, expected = outcome(tf, lambda m, s=sample: parts(CASES[name](m, made(m, s))))
        if kind == "error":
            continue
        function = tf.function(lambda st: CASES[name](tf, st))
        found = outcome(tf, lambda m, s=sample, f=function: parts(f(made(m, s))))
        assert found[0] == "value", f"{sample}: {found[1]!r}"
        assert_same(found[1], expected)


# Functions of a module alone.
ALONE = {
    "from_dense": lambda tf: tf.sparse.from_dense([[0, 5], [6, 0]]),
    "from_dense_strings": lambda tf: tf.sparse.from_dense([["a", ""], ["", "b"]]),
    "from_dense_cube": lambda tf: tf.sparse.from_dense(np.eye(3).reshape(3, 1, 3)),
    "eye": lambda tf: tf.sparse.eye(3),
    "eye_wide": lambda tf: tf.sparse.eye(2, 4, dtype=tf.int32),
    "strings_to_dense": lambda tf: tf.sparse.to_dense(tf.SparseTensor([[0, 1]], ["x"], [1, 3])),
    "bools_to_dense": lambda tf: tf.sparse.to_dense(tf.SparseTensor([[1]], [True], [3])),
    "repeated": lambda tf: tf.sparse.to_dense(tf.SparseTensor([[1], [1]], [1, 2], [3])),
    "out_of_range": lambda tf: tf.sparse.to_dense(tf.SparseTensor([[3]], [1], [3])),
    "repeated_sum": lambda tf: tf.sparse.reduce_sum(tf.SparseTensor([[1], [1]], [1, 2], [3]), axis=0),
    "repeated_matmul": lambda tf: tf.sparse.sparse_dense_matmul(
        tf.SparseTensor([[1, 0], [1, 0]], [1.0, 2.0], [2, 2]), tf.ones([2, 1])
    ),
    "different_patterns": lambda tf: tf.sparse.add(
        tf.SparseTensor([[0], [2]], [1, 2], [4]), tf.SparseTensor([[1], [2]], [5, -2], [4])
    ),
    "different_shapes": lambda tf: tf.sparse.add(tf.sparse.eye(2), tf.sparse.eye(3)),
    "different_dtypes": lambda tf: tf.sparse.add(tf.sparse.eye(2), tf.sparse.eye(2, dtype=tf.float64)),
    "concat_misfit": lambda tf: tf.sparse.concat(0, [tf.sparse.eye(2), tf.sparse.eye(3)]),
    "add_dense_only": lambda tf: tf.sparse.add(tf.ones([2]), tf.ones([2])),
    "segment_sum": lambda tf: tf.sparse.segment_sum(tf.eye(3), [0, 2, 1], [0, 0, 1]),
    "segment_sum_more": lambda tf: tf.sparse.segment_sum(tf.eye(3), [0, 2, 1], [0, 0, 2], num_segments=5),
    "segment_mean": lambda tf: tf.sparse.segment_mean(tf.eye(3), [0, 2, 1], [0, 0, 2]),
    "segment_sqrt_n": lambda tf: tf.sparse.segment_sqrt_n(tf.eye(3), [0, 2, 1], [0, 0, 2]),
    "segment_sum_by_rows": lambda tf: tf.sparse.segment_sum(
        tf.eye(3), [0, 2, 1], [0, 0, 1], sparse_gradient=True
    ),
    "segment_sum_out_of_range": lambda tf: tf.sparse.segment_sum(tf.eye(3), [0, 3], [0, 0]),
    "sampled_addmm": lambda tf: tf.sparse.sampled_addmm(
        [[0, 0], [1, 2]],
        [0.5, 0.3],
        [2, 3],
        np.float32([[1, 2], [3, 4]]),
        np.float32(np.eye(2, 3)),
        0.25,
        0.75,
    ),
    "sampled_addmm_batch": lambda tf: tf.sparse.sampled_addmm(
        [[[0, 1]], [[1, 0]]], [[3.0], [5.0]], [2, 2], tf.ones([2, 2, 3]), tf.ones([2, 3, 2])
    ),
    "sampled_addmm_empty": lambda tf: tf.sparse.sampled_addmm(
        np.zeros((0, 2), np.int32), np.zeros(0, np.float32), [2, 2], tf.ones([2, 1]), tf.ones([1, 2])
    ),
    "sampled_addmm_double": lambda tf: tf.sparse.sampled_addmm(
        [[1, 1]], [1], [2, 2], np.eye(2), np.eye(2), output_type=tf.float64
    ),
    "sampled_addmm_misfit": lambda tf: tf.sparse.sampled_addmm(
        [[0, 0]], [0.5], [3, 2], tf.ones([2, 2]), tf.ones([2, 2])
    ),
    "bincount": lambda tf: tf.sparse.bincount([2, 1, 1, 0], axis=-1),
    "bincount_rows": lambda tf: tf.sparse.bincount([[2, 1, 1, 0], [3, 3, 3, 3]], axis=-1),
    "bincount_all": lambda tf: tf.sparse.bincount([[2, 1], [3, 3]], axis=0, minlength=9),
    "bincount_binary": lambda tf: tf.sparse.bincount([[2, 1, 1], [3, 3, 0]], axis=-1, binary_output=True),
    "bincount_maximum": lambda tf: tf.sparse.bincount([[2, 1, 1], [3, 3, 0]], axis=-1, maxlength=3),
    "bincount_weights": lambda tf: tf.sparse.bincount([[2, 1, 1]], weights=[[0.5, 1.0, 2.0]], axis=-1),
    "bincount_sparse": lambda tf: tf.sparse.bincount(
        tf.SparseTensor([[0, 1], [2, 0]], tf.constant([4, 1], tf.int64), [3, 2]), axis=-1
    ),
    "cross": lambda tf: tf.sparse.cross(
        [tf.sparse.from_dense([["a", ""], ["b", "c"]]), tf.constant([["x", "y"], ["z", "w"]])]
    ),
    "cross_three": lambda tf: tf.sparse.cross(
        [tf.constant([["a", "b"]]), tf.constant([[1, 2]], tf.int64), tf.constant([["c"]])], separator=","
    ),
    "cross_hashed": lambda tf: tf.sparse.cross_hashed(
        [tf.constant([["a", "a longer feature than sixteen"]]), tf.constant([[1, -2]], tf.int64)],
        num_buckets=100,
    ),
    "cross_hashed_key": lambda tf: tf.sparse.cross_hashed(
        [tf.constant([["a", "b" * 40]]), tf.constant([["c" * 70]])], hash_key=5
    ),
    "cross_floats": lambda tf: tf.sparse.cross([tf.constant([[1.0]])]),
    "intersection": lambda tf: tf.sets.intersection([[1, 2, 3], [4, 5, 5]], [[2, 3, 9], [5, 7, 8]]),
    "difference": lambda tf: tf.sets.difference([[1, 2, 3], [4, 5, 5]], [[2, 3, 9], [5, 7, 8]]),
    "difference_back": lambda tf: tf.sets.difference([[1, 2, 3]], [[2, 3, 9]], aminusb=False),
    "union": lambda tf: tf.sets.union([["b", "a"], ["c", "c"]], [["a"], ["d"]]),
    "sets_of_sparse": lambda tf: tf.sets.intersection(
        tf.constant([[1, 2], [3, 4]]), tf.SparseTensor([[0, 0], [1, 0], [1, 1]], [2, 3, 5], [2, 2])
    ),
    "sets_misfit": lambda tf: tf.sets.union([[1]], [[1], [2]]),
    "edits": lambda tf: tf.edit_distance(*sequences(tf)),
    "edits_counted": lambda tf: tf.edit_distance(*sequences(tf), normalize=False),
    "edits_of_grids": lambda tf: tf.edit_distance(
        tf.sparse.from_dense([[[1, 2, 3], [4, 5, 6]]]), tf.sparse.from_dense([[[1, 3]], [[1, 2]]])
    ),
    "edits_misfit": lambda tf: tf.edit_distance(tf.sparse.eye(2), tf.sparse.from_dense([1.0])),
    "edits_of_none": lambda tf: tf.edit_distance(tf.sparse.from_dense(tf.zeros([2, 0])), tf.sparse.eye(2)),
    "edits_of_dense": lambda tf: tf.edit_distance([[1]], tf.sparse.from_dense([[1]])),
    "set_size": lambda tf: tf.sets.size(tf.SparseTensor([[0, 0], [0, 1], [2, 0]], [5, 5, 5], [3, 2])),
    "mask": lambda tf: tf.sparse.mask(
        tf.IndexedSlices(tf.constant([[1], [2], [3]]), tf.constant([4, 7, 9]), tf.constant([10, 1])), [7, 4]
    ),
    "int32_indices": lambda tf: tf.SparseTensor(tf.constant([[1]], tf.int32), [1], [3]),
    "numpy_indices": lambda tf: tf.SparseTensor(np.array([[1]], np.int32), [1], np.array([3])),
    "rank_of_indices": lambda tf: tf.SparseTensor([0, 1], [1, 2], [3]),
    "rank_of_shape": lambda tf: tf.SparseTensor([[0, 1]], [1], [3]),
    "number_of_values": lambda tf: tf.SparseTensor([[0], [1]], [1], [3]),
    "not_sparse": lambda tf: tf.sparse.to_dense(tf.ones([2])),
    "to_tensor": lambda tf: tf.convert_to_tensor(tf.sparse.eye(2)),
    "plus": lambda tf: tf.sparse.eye(2) + tf.sparse.eye(2),
    "embedding_sum": lambda tf: tf.nn.embedding_lookup_sparse(TABLE, ids(tf), None, combiner="sum"),
    "embedding_mean": lambda tf: tf.nn.embedding_lookup_sparse(TABLE, ids(tf), weights(tf), combiner="mean"),
    "embedding_sqrtn": lambda tf: tf.nn.embedding_lookup_sparse(
        TABLE, ids(tf), weights(tf), combiner="sqrtn", max_norm=1.5
    ),
    "embedding_wrong": lambda tf: tf.nn.embedding_lookup_sparse(TABLE, ids(tf), None, combiner="median"),
    "embedding_safe": lambda tf: tf.nn.safe_embedding_lookup_sparse(TABLE, holes(tf), combiner="mean"),
    "embedding_default": lambda tf: tf.nn.safe_embedding_lookup_sparse(
        TABLE, holes(tf), combiner="sqrtn", default_id=3
    ),
    "embedding_cube": lambda tf: tf.nn.safe_embedding_lookup_sparse(
        TABLE, tf.sparse.reshape(holes(tf), [2, 2, 2]), combiner="sum"
    ),
}

TABLE = np.arange(8, dtype=np.float32).reshape(4, 2)


def test_the_id_of_empty_rows_may_be_a_tensor():
    rows = tf.SparseTensor([[0, 0]], [1], [2, 2])
    look_up = tf.function(
        lambda i: tf.nn.safe_embedding_lookup_sparse(tf.constant(TABLE), rows, default_id=i)
    )
    for i in (0, 3):
        np.testing.assert_array_equal(look_up(tf.constant(i)), TABLE[[1, i]])


def rows(tf):
    return tf.IndexedSlices(tf.constant([[1], [2], [3]]), tf.constant([4, 7, 9]), tf.constant([10, 1]))


def ids(tf):
    return tf.SparseTensor([[0, 0], [0, 1], [2, 0]], tf.constant([1, 3, 0], tf.int64), [4, 2])


def sequences(tf):
    """Sequences that differ, without a hypothesis, without a truth, without both."""
    said, true = [["a", "b"], ["", ""], ["x", ""], ["", ""]], [["a", "c"], ["q", ""], ["", ""], ["", ""]]
    return tf.sparse.from_dense(said), tf.sparse.from_dense(true)


def weights(tf):
    return tf.SparseTensor([[0, 0], [0, 1], [2, 0]], [1.0, 3.0, 0.5], [4, 2])


def holes(tf):
    return tf.SparseTensor([[0, 0], [2, 0], [2, 1]], tf.constant([3, 1, -1], tf.int64), [4, 2])


@pytest.mark.parametrize("name", ALONE)
def test_it_gives_what_tensorflow_gives(name):
    kind, expected = outcome(reference(), lambda m: parts(ALONE[name](m)))
    have, found = outcome(tf, lambda m: parts(ALONE[name](m)))
    assert have == kind, f"{found!r}, expected {expected!r}"
    if kind == "value":
        assert_same(found, expected)


# ---- gradients with respect to the values ------------------------------------------------------------------------

DENSE = np.linspace(-1, 1, 12).reshape(4, 3)
DIFFERENTIABLE = {
    "to_dense": lambda st: tf.sparse.to_dense(st) ** 2,
    "reduce_sum": lambda st: tf.sparse.reduce_sum(st, axis=0) ** 2,
    "reduce_max": lambda st: tf.sparse.reduce_max(st, axis=1) ** 2,
    "matmul": lambda st: tf.sparse.sparse_dense_matmul(st, tf.transpose(DENSE)) ** 2,
    "times": lambda st: (st * DENSE).values ** 2,
    "over": lambda st: (st / (DENSE + 3.0)).values ** 2,
    "add": lambda st: tf.sparse.add(st, tf.sparse.from_dense(DENSE)).values ** 2,
    "add_dense": lambda st: tf.sparse.add(st, DENSE) ** 2,
    "maximum": lambda st: tf.sparse.maximum(st, tf.sparse.from_dense(DENSE)).values ** 2,
    "softmax": lambda st: tf.sparse.softmax(st).values ** 2,
    "slice": lambda st: tf.sparse.slice(st, [0, 1], [3, 2]).values ** 2,
    "concat": lambda st: tf.sparse.concat(0, [st, st * 2.0]).values ** 3,
    "transpose": lambda st: tf.sparse.transpose(st).values * tf.range(4, dtype=tf.float64),
    "reshape": lambda st: tf.sparse.to_dense(tf.sparse.reshape(st, [2, 6])) ** 2,
    "retain": lambda st: tf.sparse.retain(st, [True, False, True, True]).values ** 2,
    "fill_empty_rows": lambda st: tf.sparse.fill_empty_rows(st, 1.0)[0].values ** 2,
    "map_values": lambda st: tf.sparse.map_values(tf.exp, st).values,
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_agree_with_central_differences(name):
    st = made(tf, "matrix", np.float64)

    def loss(values):
        return tf.reduce_sum(DIFFERENTIABLE[name](st.with_values(values)))

    values = tf.constant(st.values)
    with tf.GradientTape() as tape:
        tape.watch(values)
        out = loss(values)
    step = 1e-6
    numeric = [
        (loss(values + step * row).numpy() - loss(values - step * row).numpy()) / (2 * step)
        for row in np.eye(len(values))
    ]
    np.testing.assert_allclose(
        tf.convert_to_tensor(tape.gradient(out, values)), numeric, rtol=1e-5, atol=1e-7
    )


# ---- as a composite tensor ---------------------------------------------------------------------------------------


def test_specs_compare_as_those_of_tensors_do():
    spec = made(tf, "matrix")._type_spec
    assert spec == tf.SparseTensorSpec([4, 3], tf.float32)
    assert hash(spec) == hash(tf.SparseTensorSpec([4, 3], tf.float32))
    assert tf.SparseTensorSpec([None, 3], tf.float32).is_compatible_with(made(tf, "matrix"))
    assert not tf.SparseTensorSpec([None, 3], tf.int32).is_compatible_with(spec)
    assert not tf.SparseTensorSpec([None, 2], tf.float32).is_compatible_with(spec)
    assert repr(spec) == "SparseTensorSpec(TensorShape([4, 3]), tf.float32)"
    assert spec.most_specific_common_supertype([tf.SparseTensorSpec([2, 3])]) == tf.SparseTensorSpec(
        [None, 3]
    )


def test_it_goes_through_functions_with_its_static_shape():
    shapes = []

    @tf.function
    def double(st):
        shapes.append(st.shape.as_list())
        return st * 2.0, tf.sparse.to_dense(st)

    for _ in range(3):
        doubled, dense = double(made(tf, "matrix"))
    assert isinstance(doubled, tf.SparseTensor)
    np.testing.assert_array_equal(tf.sparse.to_dense(doubled), dense * 2)
    assert shapes == [[4, 3]]


def test_it_goes_through_branches():
    st = made(tf, "matrix")
    for flag in (True, False):
        chosen = tf.function(lambda f: tf.cond(f, lambda: st, lambda: st * -1.0))(tf.constant(flag))
        np.testing.assert_array_equal(chosen.values, st.values if flag else -st.values)


def test_batches_of_it_are_stacked_and_cut():
    st = made(tf, "matrix")
    rows = st._type_spec._unstack(st)
    assert [row.shape.as_list() for row in rows] == [[3]] * 4
    again = rows[0]._type_spec._stack(rows)
    np.testing.assert_array_equal(tf.sparse.to_dense(again), tf.sparse.to_dense(st))


def test_values_of_tensorflow_1_are_taken():
    st = made(tf, "matrix")
    value = tf.compat.v1.SparseTensorValue(*(part.numpy() for part in parts(st)))
    np.testing.assert_array_equal(tf.sparse.to_dense(value), tf.sparse.to_dense(st))
    assert tf.SparseTensor.from_value(st) is st
    with pytest.raises(TypeError, match="Neither a SparseTensor"):
        tf.SparseTensor.from_value([1])


def test_errors_say_what_to_do():
    st = made(tf, "unordered")
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of order.*tf.sparse.reorder"):
        tf.sparse.to_dense(st)
    with pytest.raises(TypeError, match="tf.sparse.add"):
        tf.add(st, st)
    with pytest.raises(TypeError, match="tf.sparse.from_dense"):
        tf.sparse.reduce_sum(tf.ones([2]))


def test_fingerprints_are_farmhash():
    # of TensorFlow 2.21: tf.strings.to_hash_bucket_fast and tf.sparse.cross_hashed
    lengths = (0, 1, 3, 4, 7, 8, 16, 17, 32, 33, 64, 65, 128, 129, 200)
    words = [bytes(range(n)) for n in lengths]
    theirs = reference().strings.to_hash_bucket_fast(words, 2**62).numpy().tolist()
    assert [fingerprint64(word) % 2**62 for word in words] == theirs
    assert combine(1, 2) != combine(2, 1)


RAGGED = {
    "to_sparse": lambda tf: tf.ragged.constant([[1, 2], [], [3]]).to_sparse(),
    "to_sparse_deep": lambda tf: tf.ragged.constant([[[1, 2], []], [[3]]]).to_sparse(),
    "to_sparse_inner": lambda tf: tf.ragged.constant(
        [[[1, 2]], [], [[3, 4], [5, 6]]], ragged_rank=1
    ).to_sparse(),
    "from_sparse": lambda tf: tf.RaggedTensor.from_sparse(
        tf.SparseTensor([[0, 0], [0, 1], [2, 0]], ["a", "b", "c"], [4, 3])
    ).to_list(),
    "from_sparse_gap": lambda tf: tf.RaggedTensor.from_sparse(made(tf, "matrix")),
    "from_sparse_empty": lambda tf: tf.RaggedTensor.from_sparse(made(tf, "empty")).to_list(),
    "from_sparse_cube": lambda tf: tf.RaggedTensor.from_sparse(made(tf, "cube")),
    "cross": lambda tf: tf.ragged.cross(
        [tf.ragged.constant([["a"], ["b", "c"]]), tf.ragged.constant([["d", "e"], ["f"]])]
    ).to_list(),
    "cross_hashed": lambda tf: tf.ragged.cross_hashed(
        [tf.ragged.constant([["a"], ["b", "c"]]), tf.constant([["d"], ["f"]])], num_buckets=100
    ).to_list(),
    "embedding": lambda tf: tf.nn.embedding_lookup_sparse(
        TABLE, tf.ragged.constant([[1, 3], [0]], dtype=tf.int64), None, combiner="sum"
    ),
    "embedding_safe": lambda tf: tf.nn.safe_embedding_lookup_sparse(
        TABLE, tf.ragged.constant([[1, 3], [], [0]], dtype=tf.int64), combiner="mean"
    ),
}


@pytest.mark.parametrize("name", RAGGED)
def test_ragged_and_sparse_tensors_convert_as_in_tensorflow(name):
    kind, expected = outcome(reference(), lambda m: parts(RAGGED[name](m)))
    have, found = outcome(tf, lambda m: parts(RAGGED[name](m)))
    assert have == kind, f"{found!r}, expected {expected!r}"
    if kind == "value":
        assert_same(found, expected)


def test_rows_at_known_places_train_inside_a_function():
    table, optimizer = tf.Variable(tf.ones([4, 2])), tf.keras.optimizers.SGD(0.5)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table, [1, 3, 1]))
        optimizer.apply_gradients([(tape.gradient(loss, table), table)])

    step()
    np.testing.assert_allclose(table, [[1, 1], [0, 0], [1, 1], [0.5, 0.5]])


def test_the_gradient_of_a_product_is_dense():
    matrix = tf.Variable(tf.ones([3, 2]))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sparse.sparse_dense_matmul(made(tf, "matrix"), matrix))
    gradient = tape.gradient(loss, matrix)
    assert isinstance(gradient, tf.Tensor)
    np.testing.assert_allclose(gradient, [[1, 1], [0.5, 0.5], [1, 1]])


def test_the_gradient_of_a_product_in_a_function_is_dense():
    matrix = tf.Variable(tf.ones([3, 2]))
    st = made(tf, "matrix")
    product = tf.function(lambda: tf.reduce_sum(tf.sparse.sparse_dense_matmul(st, matrix)))
    with tf.GradientTape() as tape:
        loss = product()
    np.testing.assert_allclose(tape.gradient(loss, matrix), [[1, 1], [0.5, 0.5], [1, 1]])


def test_a_dense_layer_takes_sparse_inputs():
    layer = tf.keras.layers.Dense(2, activation="tanh")
    st = made(tf, "matrix")
    expected = layer(tf.sparse.to_dense(st))
    np.testing.assert_allclose(layer(st), expected, rtol=1e-6)
    inputs = tf.keras.Input([3], sparse=True)
    np.testing.assert_allclose(tf.keras.Model(inputs, layer(inputs))(st), expected, rtol=1e-6)


def test_models_train_and_predict_on_sparse_rows():
    rng = np.random.default_rng(3)
    rows = (rng.normal(size=(12, 6)) * (rng.random((12, 6)) < 0.4)).astype(np.float32)
    targets = rows @ rng.normal(size=(6, 1)).astype(np.float32)

    def fitted(data, sparse):
        inputs = tf.keras.Input([6], sparse=sparse)
        model = tf.keras.Model(inputs, tf.keras.layers.Dense(1, kernel_initializer="zeros")(inputs))
        model.compile(tf.keras.optimizers.SGD(0.1), "mse")
        losses = model.fit(data, targets, epochs=2, batch_size=5, shuffle=False, verbose=0).history["loss"]
        return losses, model.predict(data, batch_size=5, verbose=0), model.evaluate(data, targets, verbose=0)

    found, expected = fitted(tf.sparse.from_dense(rows), True), fitted(rows, False)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["sparse", "ragged", "empty"])
def test_embeddings_are_given_up_to_the_last_row_of_ids_eager_and_compiled(kind):
    given = {
        "sparse": lambda: tf.SparseTensor([[0, 0], [1, 0]], tf.constant([1, 2], tf.int64), (4, 4)),
        "ragged": lambda: tf.ragged.constant([[1, 2], [], [3], []], dtype=tf.int64),
        "empty": lambda: tf.SparseTensor(tf.zeros((0, 2), tf.int64), tf.zeros(0, tf.int64), (3, 4)),
    }[kind]()
    count = {"sparse": 2, "ragged": 3, "empty": 0}[kind]

    def look_up(ids):
        return tf.nn.embedding_lookup_sparse(tf.constant(TABLE), ids, None, combiner="mean")

    def safely(ids):
        return tf.nn.safe_embedding_lookup_sparse(tf.constant(TABLE), ids)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for function in (look_up, tf.function(look_up)):
            assert function(given).shape == (count, TABLE.shape[1])
        for function in (safely, tf.function(safely)):
            assert len(function(given)) == given.shape[0]
