"""Initializers: distributions, seeds, configs and names beside Keras, errors."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras as own_keras
from dovetail.keras import initializers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

SHAPE = (150, 200)
# Class, arguments.  Every class has a row.
CASES = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 0.3}),
    ("Identity", {"gain": 2.0}),
    ("RandomNormal", {"mean": 1.0, "stddev": 0.5}),
    ("TruncatedNormal", {"mean": -1.0, "stddev": 0.5}),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0}),
    ("VarianceScaling", {}),
    ("VarianceScaling", {"scale": 3.0, "mode": "fan_out", "distribution": "uniform"}),
    ("VarianceScaling", {"scale": 0.5, "mode": "fan_avg", "distribution": "untruncated_normal"}),
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("HeUniform", {}),
    ("HeNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("Orthogonal", {"gain": 1.5}),
]
EVERY_CASE = pytest.mark.parametrize(("kind", "arguments"), CASES)
FIXED = ("Zeros", "Ones", "Constant", "Identity")
RANDOM = [case for case in CASES if case[0] not in FIXED]


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def make(kind, arguments, **more):
    return getattr(initializers, kind)(**arguments, **more)


def drawn(initializer, shape=SHAPE, **kwargs):
    return np.asarray(initializer(shape, **kwargs))


def test_every_class_has_a_case():
    classes = {
        value.__name__
        for value in vars(initializers).values()
        if isinstance(value, type) and issubclass(value, initializers.Initializer)
    }
    assert classes - {"Initializer", "STFT"} == {case[0] for case in CASES}


@EVERY_CASE
def test_values_are_spread_as_in_keras(keras, kind, arguments):
    more = {} if kind in FIXED else {"seed": 3}
    theirs = np.asarray(getattr(keras.initializers, kind)(**arguments, **more)(SHAPE))
    ours = drawn(make(kind, arguments, **more))
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    if kind in FIXED:
        np.testing.assert_array_equal(ours, theirs)
        return
    if kind == "Orthogonal":
        np.testing.assert_allclose(ours @ ours.T, 1.5**2 * np.eye(150), atol=1e-5)
    scale = float(theirs.std())
    assert ours.mean() == pytest.approx(float(theirs.mean()), abs=0.03 * scale)
    assert ours.std() == pytest.approx(scale, rel=0.03)
    shares = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(ours, shares), np.quantile(theirs, shares), atol=0.08 * scale)


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (3, 3, 4, 8), (2, 5, 6)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_limits_for_all_ranks_are_those_of_keras(keras, shape, mode):
    # The same uniform numbers times the limit: a long draw comes close to it.
    settings = {"mode": mode, "distribution": "uniform", "scale": 1.0}
    limits = [
        max(np.abs(np.asarray(kind(seed=seed, **settings)(shape))).max() for seed in range(60))
        for kind in (keras.initializers.VarianceScaling, initializers.VarianceScaling)
    ]
    assert limits[1] == pytest.approx(limits[0], rel=0.06)


def test_truncation_is_at_two_standard_deviations():
    values = drawn(initializers.TruncatedNormal(mean=1.0, stddev=0.1, seed=0), (100_000,))
    assert np.abs(values - 1.0).max() <= 0.2 + 1e-6 and np.abs(values - 1.0).max() > 0.199


@pytest.mark.parametrize(("kind", "arguments"), RANDOM)
def test_seeds(kind, arguments):
    seeded = make(kind, arguments, seed=5)
    np.testing.assert_array_equal(drawn(seeded), drawn(seeded))
    np.testing.assert_array_equal(drawn(seeded), drawn(make(kind, arguments, seed=5)))
    assert not np.array_equal(drawn(seeded), drawn(make(kind, arguments, seed=6)))
    free = make(kind, arguments)
    own_keras.utils.set_random_seed(1)
    first, second = drawn(free), drawn(free)
    own_keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(drawn(free), first)
    np.testing.assert_array_equal(drawn(make(kind, arguments)), second)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(("kind", "arguments"), RANDOM)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes(kind, arguments, dtype):
    value = make(kind, arguments, seed=1)((4, 3), dtype=dtype)
    assert value.dtype == dtype and np.isfinite(np.asarray(value).astype("float32")).all()


def test_values_are_values_inside_of_a_traced_function():
    seen = []

    @tf.function
    def build(x):
        weight = tf.Variable(lambda: initializers.GlorotUniform()((2, 2))) if not seen else seen[0]
        seen[:] = [weight]
        direct = initializers.RandomNormal()((2,))
        assert np.isfinite(np.asarray(direct)).all()
        return x @ weight + direct

    assert build(tf.ones((1, 2))).shape == (1, 2)
    assert np.asarray(seen[0]).any()


@EVERY_CASE
def test_configs_rebuild_the_initializer(keras, kind, arguments):
    ours = make(kind, arguments)
    config = initializers.serialize(ours)
    theirs = keras.initializers.serialize(getattr(keras.initializers, kind)(**arguments))
    if kind == "Identity":  # Keras leaves the gain out of the config
        theirs["config"] = arguments
    assert config == theirs
    for again in (initializers.deserialize(theirs), initializers.get(config), ours.clone()):
        assert type(again) is type(ours) and again.get_config() == ours.get_config()


def test_names_of_keras_are_all_there(keras):
    assert {name for name in dir(keras.initializers) if name[0] != "_"} <= set(dir(initializers))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True},
        {"side": "imag", "window": None},
        {"window": "cosine", "scaling": None},
        {"window": [0.5, 1.0, 2.0, 1.0, 0.5]},
    ],
)
def test_stft(keras, arguments):
    """The kernels of short-time Fourier transforms are Keras', and come back from their configs."""
    ours, theirs = initializers.STFT(**arguments), keras.initializers.STFT(**arguments)
    np.testing.assert_allclose(drawn(ours, (5, 1, 4)), np.asarray(theirs((5, 1, 4))), atol=1e-6)
    again = initializers.deserialize(initializers.serialize(ours))
    np.testing.assert_array_equal(drawn(again, (5, 1, 4)), drawn(ours, (5, 1, 4)))


def test_stft_refuses():
    for arguments in ({"side": "both"}, {"scaling": "loud"}, {"window": "no such"}):
        with pytest.raises(ValueError, match="STFT"):
            initializers.STFT(**arguments)
    with pytest.raises(ValueError, match="must have shape"):
        initializers.STFT(window=[1.0])((5, 1, 4))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("glorot_uniform", "GlorotUniform"),
        ("he_normal", "HeNormal"),
        ("zeros", "Zeros"),
        ("one", "Ones"),
        ("normal", "RandomNormal"),
        ("uniform", "RandomUniform"),
        ("orthogonal", "Orthogonal"),
        ("identity", "Identity"),
        ("truncated_normal", "TruncatedNormal"),
        ("OrthogonalInitializer", "Orthogonal"),
    ],
)
def test_short_names(name, kind):
    assert type(initializers.get(name)).__name__ == kind


def test_all_that_get_takes():
    assert initializers.get(None) is None
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)
    table = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(drawn(initializers.get(table), (2, 3)), table)

    def halves(shape, dtype=None):
        return tf.fill(shape, 0.5)

    assert initializers.get(halves) is halves


def test_users_own_initializers():
    class Halves(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return tf.fill(shape, 0.5)

    with own_keras.utils.custom_object_scope({"Halves": Halves}):
        again = initializers.get(initializers.serialize(Halves()))
        assert isinstance(again, Halves) and isinstance(initializers.get("Halves"), Halves)
    assert drawn(again, (2,)).tolist() == [0.5, 0.5]


def test_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match="'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    with pytest.raises(ValueError, match="known shape"):
        initializers.Zeros()((None, 3))
    with pytest.raises(ValueError, match="floating dtype"):
        initializers.RandomNormal()((2,), dtype="int32")
    with pytest.raises(ValueError, match="two or more axes"):
        initializers.Orthogonal()((4,))
    with pytest.raises(ValueError, match="mode must be one of"):
        initializers.VarianceScaling(mode="fan")
    with pytest.raises(ValueError, match="do not fit a weight"):
        initializers.Constant([1.0, 2.0])((3,))
    with pytest.raises(ValueError, match="seed must be"):
        initializers.RandomNormal(seed="7")
    with pytest.raises(TypeError, match="unknown argument"):
        initializers.Zeros()((2,), partition_shape=(1,))
