"""Ragged tensors in datasets, in `tf.function`, loops and branches, and printed."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.data import Dataset

tf_reference = pytest.importorskip("tensorflow")

ROWS = [[1, 2, 3], [], [4], [5, 6]]


def _lists(dataset):
    return [x.to_list() if isinstance(x, tf.RaggedTensor) else x.numpy().tolist() for x in dataset]


def test_rows_are_sliced_batched_and_unbatched():
    rows = Dataset.from_tensor_slices(tf.ragged.constant(ROWS))
    assert _lists(rows) == ROWS and rows.element_spec == tf.RaggedTensorSpec([None], tf.int32, 0)
    batches = rows.batch(3)
    assert _lists(batches) == [ROWS[:3], ROWS[3:]] and _lists(batches.unbatch()) == ROWS
    assert batches.element_spec == tf.RaggedTensorSpec([None, None], tf.int32)
    assert _lists(batches.map(lambda b: tf.reduce_sum(b, axis=1))) == [[6, 0, 4], [11]]


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [(lambda n: [n, 3], [None, 3]), (lambda n: [2, n], [2, None]), (lambda n: [n, n, 2], [None, None, 2])],
)
def test_ragged_batch_is_tensorflows(sizes, shape):
    def batches(lib):
        elements = lib.data.Dataset.from_generator(
            lambda: (lib.ones(sizes(n)) for n in range(3)), output_signature=lib.TensorSpec(shape)
        )
        made = elements.ragged_batch(2)
        return repr(made.element_spec), [(b.ragged_rank, b.to_list()) for b in made]

    assert batches(tf) == batches(tf_reference)


def test_generators_yield_ragged_tensors():
    spec = tf.RaggedTensorSpec([2, None], tf.int32)
    made = Dataset.from_generator(lambda: iter([tf.ragged.constant([[1], [2, 3]])]), output_signature=spec)
    assert _lists(made) == [[[1], [2, 3]]]
    wrong = Dataset.from_generator(lambda: iter([tf.ragged.constant([[1.5], []])]), output_signature=spec)
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not fit"):
        list(wrong)


def test_branches_carry_rows():
    rows = tf.ragged.constant(ROWS)
    function = tf.function(lambda r, flag: tf.cond(flag, lambda: r + 1, lambda: r * 2))
    assert function(rows, tf.constant(True)).to_list() == (rows + 1).to_list()
    assert function(rows, tf.constant(False)).to_list() == (rows * 2).to_list()


def test_print(tmp_path):
    values = {"a": [[1.5], [], [0.1, 2.0]]}
    for lib, name in ((tf, "mine"), (tf_reference, "theirs")):
        stream = f"file://{tmp_path / name}"
        lib.print({key: lib.ragged.constant(rows) for key, rows in values.items()}, output_stream=stream)
        lib.print("rows", lib.ragged.constant([["a", "b'c"], []]), output_stream=stream)
        lib.print(lib.ragged.constant([list(range(9)), [1]]), output_stream=stream)
    assert (tmp_path / "mine").read_text() == (tmp_path / "theirs").read_text()


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda r: tf.reduce_mean(r, axis=1, keepdims=True), [None, 1]),
        (lambda r: r - tf.reduce_mean(r, axis=1, keepdims=True), [None, None]),
        (lambda r: r.row_lengths(), [None]),
        (lambda r: r.to_tensor(shape=[None, 3]), [None, 3]),
        (lambda r: r.to_tensor(), [None, None]),
        (lambda r: tf.concat([r[:, 1:], r * 2.0], 1), [None, None]),
        (lambda r: tf.reduce_max(r, axis=0), [None]),
        (lambda r: tf.nn.softmax(r), [None, None]),
        (lambda r: r[0], [None]),
        (lambda r: tf.reverse(tf.gather(r, [1, 0]), [1]), [None, None]),
    ],
)
def test_components_of_unknown_size(function, shape):
    """Graphs record what is done with the components; the shapes are inferred, and the replay gives the values."""
    values, splits = tf.keras.Input([], dtype="float32"), tf.keras.Input([], dtype="int64")
    out = function(tf.RaggedTensor.from_row_splits(values, splits))
    assert out.shape.as_list() == shape
    parts = [out.flat_values, out.row_splits] if isinstance(out, tf.RaggedTensor) else [out]
    rows = tf.ragged.constant([[1.0, 5.0, 2.0], [4.0]])
    found = tf.keras.Model([values, splits], parts)([rows.flat_values, rows.row_splits])
    want = function(rows)
    wanted = [want.flat_values, want.row_splits] if isinstance(want, tf.RaggedTensor) else [want]
    for a, b in zip(found if isinstance(found, list) else [found], wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_models_of_ragged_inputs_train_and_predict():
    rows = tf.ragged.constant([[1, 2, 3], [4], [2, 2], [5, 1, 1, 3]], dtype=tf.int64)
    ids = tf.keras.Input([None], dtype=tf.int64, ragged=True)
    embedding = tf.keras.layers.Embedding(6, 4)
    embedded = embedding(ids)
    assert embedded.shape.as_list() == [None, None, 4]
    pooled = tf.reduce_mean(embedded, axis=1)
    table = embedding.embeddings.numpy()
    want = np.stack([table[row].mean(0) for row in rows.to_list()])
    np.testing.assert_allclose(
        tf.keras.Model(ids, pooled).predict(rows, batch_size=3, verbose=0), want, rtol=1e-5
    )
    model = tf.keras.Model(ids, tf.keras.layers.Dense(1, activation="sigmoid")(pooled))
    model.compile(tf.keras.optimizers.Adam(0.1), "binary_crossentropy")
    labels = np.array([0.0, 1.0, 1.0, 0.0], np.float32)
    losses = model.fit(rows, labels, batch_size=2, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    batches = Dataset.from_tensor_slices((rows, labels)).batch(2)
    assert model.evaluate(batches, verbose=0) == pytest.approx(
        model.evaluate(rows, labels, verbose=0), rel=1e-4
    )


def test_one_trace_serves_all_rows_of_a_signature():
    traces = []

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
    def center(rows):
        traces.append(1)
        return rows - tf.reduce_mean(rows, axis=1, keepdims=True), rows.to_tensor(shape=[None, 3])

    for rows in ([[1.0, 3.0], [5.0]], [[2.0]], [[0.0, 3.0, 6.0], [1.0, 1.0], [9.0]]):
        centered, dense = center(tf.ragged.constant(rows))
        assert centered.to_list() == [[v - sum(row) / len(row) for v in row] for row in rows]
        assert dense.numpy().tolist() == [row + [0.0] * (3 - len(row)) for row in rows]
    assert len(traces) == 1
    assert center.get_concrete_function().output_shapes[1].as_list() == [None, 3]
    with pytest.raises(TypeError, match="input_signature"):
        center(tf.ragged.constant([[[1.0]]]))


@pytest.mark.filterwarnings("ignore:tf.function. run runs op by op")
def test_map_fn_takes_and_gives_rows_in_functions_of_unknown_sizes():
    ints = tf.RaggedTensorSpec([None, None], tf.int32)
    count = []

    @tf.function(input_signature=[ints, tf.TensorSpec([None], tf.int32)])
    def run(rows, lengths):
        count.append(1)
        total = tf.map_fn(
            lambda row: tf.reduce_sum(row[0]) + row[1], (rows, lengths), fn_output_signature=tf.int32
        )
        ranges = tf.map_fn(tf.range, lengths, fn_output_signature=tf.RaggedTensorSpec([None], tf.int32))
        return total, tf.map_fn(lambda row: row * 2, rows), ranges, tf.sort(-rows)

    for rows, lengths in (([[1, 2], [], [3]], [1, 0, 2]), ([[4, 6, 5]], [1])):
        total, doubled, ranges, ordered = run(tf.ragged.constant(rows), tf.constant(lengths))
        assert total.numpy().tolist() == [sum(row) + n for row, n in zip(rows, lengths, strict=True)]
        assert doubled.to_list() == [[2 * x for x in row] for row in rows]
        assert ranges.to_list() == [list(range(n)) for n in lengths]
        assert ordered.to_list() == [sorted(-x for x in row) for row in rows]
    assert len(count) == 1


def test_map_fn_over_rows_keeps_its_promises():
    rows = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(rows)
        kept, cut = (tf.map_fn(lambda row: row * row, rows, back_prop=flag) for flag in (True, False))
        kept, cut = tf.reduce_sum(kept), tf.reduce_sum(cut)
    assert tape.gradient(kept, rows).to_list() == [[2.0, 4.0], [], [6.0]] and tape.gradient(cut, rows) is None
    assert tf.map_fn(lambda row: row, rows[:0]).shape.as_list() == [0, None]
    with pytest.raises(TypeError, match="the signature says int32"):
        tf.map_fn(tf.reduce_sum, rows, fn_output_signature=tf.int32)
    with pytest.raises(TypeError, match="the signature says RaggedTensorSpec"):
        tf.map_fn(tf.reduce_sum, rows, fn_output_signature=tf.RaggedTensorSpec([None], tf.float32))


def _row_models(keras):
    ids = keras.Input([None], dtype="int32", ragged=True)
    embed = keras.layers.Embedding(5, 2, embeddings_initializer="ones")
    yield keras.Sequential([ids, embed, keras.layers.GlobalAveragePooling1D()])
    yield keras.Sequential([embed, keras.layers.TimeDistributed(keras.layers.Lambda(lambda x: x * 3.0))])


@pytest.mark.parametrize("number", range(2))
def test_stacks_of_layers_take_rows(number):
    rows = tf.ragged.constant([[1, 2], [3]], dtype=tf.int32)
    model = list(_row_models(tf.keras))[number]
    want = [[[1.0, 1.0]] * 2, [[3.0, 3.0]]][number] if number == 0 else [[[3.0] * 2] * 2, [[3.0] * 2]]
    for found in (model(rows), model.predict(rows, verbose=0)):
        assert (found.to_list() if hasattr(found, "to_list") else np.asarray(found).tolist()) == want


def test_a_gradient_of_zeros_keeps_the_rows():
    rows = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
    with tf.GradientTape() as tape:
        tape.watch(rows)
        other = tf.constant(1.0) * 2.0
    assert tape.gradient(other, rows, unconnected_gradients="zero").to_list() == [[0.0, 0.0], [], [0.0]]


def test_tapes_follow_rows_in_functions_of_unknown_sizes():
    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None]), tf.TensorSpec([None])])
    def run(rows, x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch((rows, x))
            y, z = rows * rows, tf.reduce_sum(x * x)
        zero = tape.gradient(z, rows, unconnected_gradients="zero")
        return tape.gradient(y, {"a": rows, "b": x}), zero, tape.gradient(z, [rows, x])

    for rows in ([[1.0, 2.0], [], [3.0]], [[], [5.0, 4.0, 1.0]]):
        both, zero, pair = run(tf.ragged.constant(rows), tf.constant([1.0, 2.0]))
        assert both["a"].to_list() == [[2 * x for x in row] for row in rows] and both["b"] is None
        assert zero.to_list() == [[0.0] * len(row) for row in rows]
        assert pair[0] is None and pair[1].numpy().tolist() == [2.0, 4.0]


def test_the_shape_of_uniform_rows_is_known():
    rows = tf.RaggedTensor.from_uniform_row_length(tf.ragged.constant([[1], [2, 3], [4], [5]]), 2)
    shape = tf.shape(rows)
    assert shape.static_lengths() == [2, 2, (1, 2, 1, 1)] and int(shape[1]) == 2
    assert [shape.is_uniform(axis) for axis in range(3)] == [True, True, False]
    assert shape[:2].static_lengths() == [2, 2]
    with pytest.raises(ValueError, match="Index 2 is not uniform"):
        shape[2]
    first = tf.function(
        lambda x: tf.shape(x)[:1].inner_shape, input_signature=[tf.RaggedTensorSpec([None, None])]
    )
    assert first(tf.ragged.constant([[1.0], [], [2.0]])).numpy().tolist() == [3]


@pytest.mark.parametrize("index", [3, -1, 7])
def test_an_index_that_names_no_row_is_told_as_it_was_given(index):
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"indices\[1\] = {index} is not in \[0, 3\)"):
        tf.gather(tf.ragged.constant([[1, 2], [], [3]]), [0, index])


def test_a_stack_that_has_seen_rows_takes_tensors_and_the_other_way_round():
    keras = tf.keras
    rows, ids = tf.ragged.constant([[1, 2], [3]]), tf.constant([[1, 2], [3, 4], [0, 0]])
    for inputs in ((rows, ids), (ids, rows), (rows, rows[:1], ids, ids[:1])):
        model = keras.Sequential([keras.layers.Embedding(5, 2), keras.layers.GlobalAveragePooling1D()])
        table = None
        for x in inputs:
            found = model(x).numpy()
            table = model.layers[0].embeddings.numpy() if table is None else table
            want = [table[np.asarray(row)].mean(0) for row in x]
            np.testing.assert_allclose(found, want, rtol=1e-6)
