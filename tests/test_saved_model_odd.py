"""SavedModels of functions that are seldom written: TensorFlow runs them, we do, and what was loaded is saved again."""

import numpy as np
import pytest

import dovetail as tf

S = tf.TensorSpec
X = np.arange(6, dtype=np.float32).reshape(2, 3)
SPARSE = ([[0, 1], [1, 2]], [1.0, 2.0], [2, 4])


def spectrum(x):
    return tf.abs(tf.signal.rfft(x)), tf.abs(tf.cast(x, "complex128"))


def sums(x):
    return tf.reduce_sum(x), tf.reduce_max(x), tf.reduce_any(x > 3.0)


def hyperbolic(x):
    return tf.asinh(x), tf.acosh(x + 1.0), tf.atanh(x / 10.0)


def several_axes(x):
    return tf.keras.ops.expand_dims(x, (1, -1)), tf.keras.ops.expand_dims(x, (-1, 0))


def sums_of_sparse(x):
    return tf.sparse.reduce_sum(x, 1)


def along_rows(x):
    return tf.map_fn(tf.reduce_sum, x), tf.cumsum(x, 1, exclusive=True), tf.linspace(x[0, 0], x[0, 1], 4)


def best_paths(x):
    return tf.nn.ctc_greedy_decoder(tf.expand_dims(x, 1), tf.constant([2]))[1]


ROWS = S([None, 3])
CASES = {
    spectrum: ROWS,
    sums: S(None),
    hyperbolic: ROWS,
    several_axes: ROWS,
    sums_of_sparse: tf.SparseTensorSpec([None, 4]),
    along_rows: ROWS,
    best_paths: S([2, 3]),
}


def same(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-5, atol=1e-5)
        assert np.asarray(one).dtype == np.asarray(other).dtype


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_it_is_written_and_what_was_loaded_is_written_again(function, tmp_path):
    real_tf = pytest.importorskip("tensorflow")

    def given(library):
        return library.SparseTensor(*SPARSE) if function is sums_of_sparse else library.constant(X)

    module = tf.Module()
    module.f = tf.function(function, input_signature=[CASES[function]])
    wanted = tf.nest.flatten(module.f(given(tf)))
    tf.saved_model.save(module, str(tmp_path / "one"))
    loaded = tf.saved_model.load(str(tmp_path / "one"))
    same(tf.nest.flatten(loaded.f(given(tf))), wanted)
    tf.saved_model.save(loaded, str(tmp_path / "two"))
    for name in ("one", "two"):
        same(real_tf.nest.flatten(real_tf.saved_model.load(str(tmp_path / name)).f(given(real_tf))), wanted)


def test_samples_of_logits_are_drawn_where_they_are_loaded(tmp_path):
    module = tf.Module()
    module.f = tf.function(
        lambda x: tf.random.stateless_categorical(x, 5, seed=[1, 2]), input_signature=[ROWS]
    )
    tf.saved_model.save(module, str(tmp_path / "m"))
    found = tf.saved_model.load(str(tmp_path / "m")).f(X).numpy()
    assert found.shape == (2, 5) and set(found.flat) <= {0, 1, 2}


def test_sizes_that_are_not_known_have_no_static_value():
    seen = []

    @tf.function(input_signature=[ROWS])
    def f(x):
        seen.append(tf.get_static_value(tf.stack([tf.shape(x)[0], 3])))
        return x

    f.get_concrete_function().graph
    assert seen[-1] is None


def test_queries_and_keys_of_different_lengths_are_exported(tmp_path):
    real_tf = pytest.importorskip("tensorflow")
    layers = tf.keras.layers
    query, value = tf.keras.Input((None, 4)), tf.keras.Input((None, 4))
    model = tf.keras.Model([query, value], layers.AdditiveAttention()([query, value]))
    given = [np.ones((2, 5, 4), np.float32), X.reshape(2, 3, 1).repeat(4, 2)]
    model.export(str(tmp_path / "m"), verbose=False)
    loaded = real_tf.saved_model.load(str(tmp_path / "m"))
    served = loaded.serve([real_tf.constant(one) for one in given])
    same([served], [model(given)])


def test_a_signature_with_nested_results_is_refused_by_name(tmp_path):
    a = tf.keras.Input((3,))
    model = tf.keras.Model(a, {"o": a, "parts": [a, a]})
    with pytest.raises(ValueError, match="returns a dict whose values are tensors.*'parts'"):
        model.export(str(tmp_path / "m"), verbose=False)


def _attending(causal):
    def make(x):
        return tf.keras.layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=causal)

    return make


PARTS = {
    "causal": ((None, 4), "float32", _attending(True)),
    "counts": ((2,), "int64", lambda x: tf.keras.layers.CategoryEncoding(7, output_mode="count")(x)),
    "mapped": ((3, 4), "float32", lambda x: tf.keras.ops.map(lambda row: row * 2.0, x)),
}


@pytest.mark.parametrize("name", PARTS)
def test_programs_of_any_batch(name, tmp_path):
    shape, dtype, make = PARTS[name]
    x = tf.keras.Input(shape, dtype=dtype)
    model = tf.keras.Model(x, make(x))
    model.export(str(tmp_path / "m"), format="stablehlo", verbose=False)
    for batch in (1, 12):
        given = np.ones((batch, *[5 if size is None else size for size in shape]), dtype)
        same([tf.export.load(str(tmp_path / "m")).serve(given)], [model(given)])


def _arithmetic(x):
    matrices = tf.reduce_mean(x), tf.one_hot(x, 3), tf.matmul(x, x, transpose_b=True)
    return (
        *matrices,
        -x,
        tf.sign(x),
        tf.pow(x, x),
        tf.reduce_sum(x, 1),
        tf.maximum(x, x[:, :1]),
        tf.square(x) // (x + 1),
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "int64"])
def test_whole_numbers_that_tensorflow_does_not_calculate_with_are_written(dtype, tmp_path):
    real_tf = pytest.importorskip("tensorflow")
    module = tf.Module()
    module.f = tf.function(
        lambda x: (*_arithmetic(x), tf.abs(x), x / 2), input_signature=[S([None, 3], dtype)]
    )
    wanted = module.f(tf.cast(X, dtype))
    tf.saved_model.save(module, str(tmp_path / "m"))
    for library in (tf, real_tf):
        same(library.saved_model.load(str(tmp_path / "m")).f(library.cast(X, dtype)), wanted)


def test_a_model_that_keeps_states_is_exported_for_its_batch_size(tmp_path):
    real_tf = pytest.importorskip("tensorflow")
    layer = tf.keras.layers.GRU(3, stateful=True)
    model = tf.keras.Sequential([tf.keras.Input(batch_shape=(2, 5, 4)), layer])
    given = np.ones((2, 5, 4), np.float32)
    model.export(str(tmp_path / "m"), verbose=False)
    wanted = [model(given), model(given)]
    for library in (tf, real_tf):
        loaded = library.saved_model.load(str(tmp_path / "m"))
        same([loaded.serve(library.constant(given)) for _ in wanted], wanted)
