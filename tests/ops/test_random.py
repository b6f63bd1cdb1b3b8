"""Random ops: distributions, the same numbers on both engines and when traced, repeatability, gradients."""

import numpy as np
import pytest
from scipy import stats

import dovetail as tf
from dovetail.keras import random as keras_random
from dovetail.ops import draws, generator, random
from tests.ops.case import engine

pytestmark = pytest.mark.code_of_users  # both engines draw the same bits

ENGINES = ("host", "xla")
SEED = [7, 11]
COUNT = 20_000
ENOUGH = 1e-4  # the smallest p-value that passes; the seeds are fixed, so a test passes always or never


def both(draw):
    """Returns what a draw gives on the two engines."""
    results = []
    for name in ENGINES:
        with engine(name):
            results.append(np.asarray(draw()))
    return results


DRAWS = {
    "uniform": lambda: tf.random.stateless_uniform([1001], SEED),
    "uniform_half": lambda: tf.random.stateless_uniform([1001], SEED, dtype="float16"),
    "uniform_bfloat16": lambda: tf.cast(
        tf.random.stateless_uniform([1001], SEED, dtype="bfloat16"), "float32"
    ),
    "uniform_double": lambda: tf.random.stateless_uniform([3, 7], SEED, dtype="float64"),
    "int32": lambda: tf.random.stateless_uniform([1001], SEED, -5, 1000, "int32"),
    "int64": lambda: tf.random.stateless_uniform([1001], SEED, 0, 1 << 40, "int64"),
    "full": lambda: tf.random.stateless_uniform([1001], SEED, None, None, "int32"),
    "shuffle": lambda: tf.random.experimental.stateless_shuffle(np.arange(101), SEED),
    "dropout": lambda: tf.nn.experimental.stateless_dropout(tf.ones([31, 33]), 0.3, SEED),
    "split": lambda: tf.random.split(SEED, 3),
    "fold_in": lambda: tf.random.fold_in(SEED, 3),
    "categorical": lambda: tf.random.stateless_categorical(np.zeros((2, 5), np.float32), 50, SEED),
    "poisson": lambda: draws.poisson(tf.constant([3, 4], "int64"), [0.5, 8.0, 90.0], shape=(100, 3)),
    "bernoulli": lambda: draws.bernoulli(tf.constant([3, 4], "int64"), 0.3, shape=(1001,)),
}


@pytest.mark.parametrize("name", DRAWS)
def test_engines_give_the_same_numbers(name):
    host, xla = both(DRAWS[name])
    assert host.dtype == xla.dtype
    np.testing.assert_array_equal(host, xla)


@pytest.mark.parametrize("draw", [tf.random.stateless_normal, tf.random.stateless_truncated_normal])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_engines_give_almost_the_same_normal_numbers(draw, dtype):
    host, xla = both(lambda: draw([33, 31], SEED, 1.0, 2.0, dtype))
    assert host.dtype == xla.dtype == dtype
    np.testing.assert_allclose(host, xla, rtol=1e-6 if dtype != "float16" else 1e-3, atol=2e-6)


DISTRIBUTIONS = {
    "uniform": (lambda: tf.random.uniform([COUNT], -1, 3), stats.uniform(-1, 4)),
    "normal": (lambda: tf.random.normal([COUNT], 2.0, 3.0), stats.norm(2, 3)),
    "truncated": (lambda: tf.random.truncated_normal([COUNT], 2.0, 3.0), stats.truncnorm(-2, 2, 2, 3)),
    "gamma": (lambda: tf.random.gamma([COUNT], 3.0, 2.0), stats.gamma(3, scale=0.5)),
    "gamma_below_1": (lambda: tf.random.gamma([COUNT], 0.4), stats.gamma(0.4)),
    "beta": (lambda: random.draw_beta(2.0, 0.7, shape=(COUNT,)), stats.beta(2, 0.7)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name):
    draw, distribution = DISTRIBUTIONS[name]
    tf.random.set_seed(3)
    drawn = np.asarray(draw(), np.float64)
    assert drawn.shape == (COUNT,)
    assert stats.kstest(drawn, distribution.cdf).pvalue > ENOUGH


@pytest.mark.parametrize("rate", [0.5, 5.0, 9.9, 30.0, 1000.0])
def test_poisson(rate):
    tf.random.set_seed(4)
    drawn = np.asarray(tf.random.poisson([COUNT], rate))
    assert drawn.dtype == np.float32
    assert abs(drawn.mean() - rate) < 5 * np.sqrt(rate / COUNT)
    assert abs(drawn.var() / rate - 1) < 0.1


@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.3), (20, 0.1), (20, 0.9), (15, 0.5), (100, 0.4), (5000, 0.002), (3000, 0.7)]
)
def test_binomial(n, p):
    """Few and many successes: the counts are those of the distribution, on both engines."""
    drawn = np.asarray(keras_random.binomial([COUNT], n, p, seed=5))
    assert drawn.dtype == np.float32 and drawn.min() >= 0 and drawn.max() <= n
    edges = np.unique(stats.binom(n, p).ppf(np.linspace(0.05, 0.95, 10)))
    cells = np.diff([0, *stats.binom(n, p).cdf(edges), 1])
    counts = np.bincount(np.searchsorted(edges, drawn), minlength=len(cells))
    assert stats.chisquare(counts[cells > 1e-9], cells[cells > 1e-9] * COUNT).pvalue > ENOUGH
    host, xla = both(lambda: keras_random.binomial([50], n, p, seed=2))
    np.testing.assert_array_equal(host, xla)


def test_binomial_at_the_ends():
    drawn = keras_random.binomial([4], [0.0, 7.0, 7.0, -1.0], [0.5, 0.0, 1.0, 0.5], seed=1)
    np.testing.assert_array_equal(np.asarray(drawn), [0, 0, 7, np.nan])


def test_integers_are_uniform():
    tf.random.set_seed(5)
    drawn = np.asarray(tf.random.uniform([COUNT], 3, 11, "int32"))
    assert drawn.min() == 3 and drawn.max() == 10
    assert stats.chisquare(np.bincount(drawn)[3:]).pvalue > ENOUGH


def test_categorical_follows_the_logits():
    tf.random.set_seed(6)
    wanted = np.array([0.1, 0.2, 0.7])
    drawn = np.asarray(tf.random.categorical(np.log(wanted[None]).astype("float32"), COUNT))
    assert drawn.shape == (1, COUNT) and drawn.dtype == np.int64
    assert stats.chisquare(np.bincount(drawn[0]), wanted * COUNT).pvalue > ENOUGH


def test_shuffle_permutes_the_rows():
    tf.random.set_seed(7)
    rows = np.arange(200).reshape(100, 2)
    drawn = np.asarray(tf.random.shuffle(rows))
    assert not (drawn == rows).all()
    np.testing.assert_array_equal(drawn[np.argsort(drawn[:, 0])], rows)


def test_consecutive_draws_are_independent():
    tf.random.set_seed(8)
    draws_ = np.stack([np.asarray(tf.random.normal([5000])) for _ in range(4)])
    assert np.abs(np.corrcoef(draws_) - np.eye(4)).max() < 0.06


# ---- repeatability ------------------------------------------------------------------------------------------------


def test_set_seed_repeats_the_program():
    def program():
        return [
            np.asarray(x)
            for x in (
                tf.random.normal([3]),
                tf.random.uniform([3], seed=5),
                tf.random.uniform([3], seed=5),
                tf.random.normal([3]),
                tf.nn.dropout(tf.ones([20]), 0.5),
            )
        ]

    tf.random.set_seed(1)
    first = program()
    tf.random.set_seed(1)
    again = program()
    tf.random.set_seed(2)
    other = program()
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not (a == c).all()
    assert not (first[1] == first[2]).all()


def test_an_op_seed_has_its_own_sequence():
    tf.random.set_seed(1)
    alone = [np.asarray(tf.random.uniform([4], seed=5)) for _ in range(2)]
    tf.random.set_seed(1)
    tf.random.normal([7])
    mixed = [np.asarray(tf.random.uniform([4], seed=5)) for _ in range(2)]
    np.testing.assert_array_equal(alone, mixed)
    assert not (alone[0] == np.asarray(tf.random.uniform([4], seed=6))).any()


def test_a_traced_function_draws_what_eager_code_draws():
    @tf.function
    def traced():
        return (
            tf.random.uniform([5]),
            tf.random.uniform([5], 0, 99, "int32", seed=3),
            tf.random.shuffle(np.arange(9)),
        )

    tf.random.set_seed(9)
    compiled = [np.asarray(x) for _ in range(3) for x in traced()]
    tf.random.set_seed(9)
    eager = [np.asarray(x) for _ in range(3) for x in traced.python_function()]
    for a, b in zip(compiled, eager, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not (compiled[0] == compiled[3]).any()


def test_a_seed_set_after_tracing_counts():
    @tf.function
    def traced():
        return tf.random.uniform([5], seed=3), tf.random.normal([5])

    tf.random.set_seed(1)
    first = [np.asarray(x) for x in traced()]
    traced()
    tf.random.set_seed(1)
    for a, b in zip(first, traced(), strict=True):
        np.testing.assert_array_equal(a, np.asarray(b))


# ---- generators ---------------------------------------------------------------------------------------------------


def test_generator_state():
    g = tf.random.Generator.from_seed(5)
    first, second = np.asarray(g.normal([4])), np.asarray(g.normal([4]))
    assert not (first == second).any()
    g.reset_from_seed(5)
    np.testing.assert_array_equal(first, np.asarray(g.normal([4])))
    copy = tf.random.Generator(copy_from=g)
    np.testing.assert_array_equal(np.asarray(copy.uniform([3])), np.asarray(g.uniform([3])))
    restored = tf.random.Generator.from_state(g.state)
    np.testing.assert_array_equal(
        np.asarray(restored.uniform([3], 0, 9, "int32")), np.asarray(g.uniform([3], 0, 9, "int32"))
    )
    g.reset_from_seed(5)
    g.skip(1)
    np.testing.assert_array_equal(second, np.asarray(g.normal([4])))


def test_generator_in_a_traced_function():
    g = tf.random.Generator.from_seed(5)
    draw = tf.function(lambda: g.uniform([4]))
    compiled = [np.asarray(draw()) for _ in range(2)]
    g.reset_from_seed(5)
    np.testing.assert_array_equal(compiled, [np.asarray(g.uniform([4])) for _ in range(2)])


def test_generator_split_and_seeds():
    g = tf.random.Generator.from_seed(5)
    parts = g.split(3)
    drawn = np.stack([np.asarray(part.normal([1000])) for part in parts])
    assert np.abs(np.corrcoef(drawn) - np.eye(3)).max() < 0.15
    seeds = g.make_seeds(4)
    assert tuple(seeds.shape) == (2, 4) and seeds.dtype == tf.int64
    assert tf.random.Generator.from_non_deterministic_state().algorithm == 1


def test_global_generator():
    g = tf.random.Generator.from_seed(3)
    tf.random.set_global_generator(g)
    assert tf.random.get_global_generator() is g


def test_keras_seeds():
    assert (np.asarray(generator.key_of(3)) == np.asarray(generator.key_of(3))).all()
    assert not (np.asarray(generator.key_of(None)) == np.asarray(generator.key_of(None))).all()
    with pytest.raises(ValueError, match="SeedGenerator"):
        generator.key_of("no")


# ---- dropout, gradients, symbolic calls ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_dropout(name):
    with engine(name):
        x = tf.ones([200, 100])
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.dropout(x, 0.3)
        y_, g = np.asarray(y), np.asarray(tape.gradient(y, x))
        np.testing.assert_array_equal(y_, g)
        assert set(np.unique(y_)) == {0.0, np.float32(1 / 0.7)}
        assert abs((y_ == 0).mean() - 0.3) < 0.015
        rows = np.asarray(tf.nn.dropout(x, 0.5, noise_shape=[None, 1]))
        assert ((rows == rows[:, :1]).all(1)).all()
        assert tf.nn.dropout(x, 0.0) is x
        with pytest.raises(ValueError, match="rate"):
            tf.nn.dropout(x, 1.5)


def test_moments_may_be_tensors_with_gradients():
    mean, stddev = tf.Variable([0.0, 100.0]), tf.Variable(2.0)
    with tf.GradientTape() as tape:
        drawn = tf.random.normal([50, 2], mean, stddev)
        total = tf.reduce_sum(drawn)
    g_mean, g_stddev = tape.gradient(total, [mean, stddev])
    np.testing.assert_array_equal(np.asarray(g_mean), [50, 50])
    assert np.isfinite(float(g_stddev))
    assert np.asarray(drawn)[:, 1].min() > 80


def test_symbolic_draws_are_drawn_at_every_run():
    from dovetail.graph.replay import Graph
    from dovetail.tensor.symbolic import SymbolicTensor

    x = SymbolicTensor((None, 4), "float32")
    y = x + tf.random.normal(tf.shape(x))
    z = tf.nn.dropout(y, 0.5)
    assert tuple(z.shape) == (None, 4)
    graph = Graph([x], [y, z])
    first, second = graph.run([tf.zeros([3, 4])]), graph.run([tf.zeros([3, 4])])
    assert tuple(first[1].shape) == (3, 4)
    assert not (np.asarray(first[0]) == np.asarray(second[0])).any()


def test_large_draws_leave_the_host():
    assert type(tf.random.normal([10])._value) is np.ndarray
    assert (
        type(tf.random.normal([300, 300])._value) is np.ndarray
    )  # which NumPy draws in a third of XLA's time
    assert type(tf.random.truncated_normal([300, 300])._value) is not np.ndarray


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tf.random.uniform([2], 5, 5, "int32"), "minval < maxval"),
        (lambda: tf.random.uniform([2], 5, dtype="int32"), "maxval"),
        (lambda: tf.random.stateless_normal([2], [1, 2, 3]), "two integers"),
        (lambda: tf.random.stateless_normal([2], SEED, alg="mersenne"), "philox"),
        (lambda: tf.random.categorical(np.zeros(3, np.float32), 2), "batch, classes"),
        (lambda: tf.image.random_crop(np.zeros((3, 3)), [4, 2]), "exceeds"),
    ],
)
def test_errors(call, message):
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=message):
        call()


# ---- images -------------------------------------------------------------------------------------------------------


def test_random_images():
    tf.random.set_seed(2)
    batch = np.random.default_rng(0).uniform(size=(40, 6, 5, 3)).astype(np.float32)
    flipped = np.asarray(tf.image.random_flip_left_right(batch))
    mirrored = (flipped == batch[:, :, ::-1]).all((1, 2, 3))
    assert 5 < mirrored.sum() < 35
    np.testing.assert_array_equal(flipped[~mirrored], batch[~mirrored])
    one = np.asarray(tf.image.random_crop(batch[0], [3, 3, 3]))
    windows = np.lib.stride_tricks.sliding_window_view(batch[0], (3, 3, 3))
    assert (windows == one).all((-1, -2, -3)).any()
    bright = np.asarray(tf.image.random_brightness(batch[0], 0.2)) - batch[0]
    assert np.ptp(bright) < 1e-6 and abs(bright.mean()) <= 0.2
    for name, args in (
        ("contrast", (0.5, 1.5)),
        ("saturation", (0.5, 1.5)),
        ("hue", (0.2,)),
        ("brightness", (0.2,)),
    ):
        function = getattr(tf.image, f"stateless_random_{name}")
        a, b, c = (np.asarray(function(batch[0], *args, seed=seed)) for seed in (SEED, SEED, [1, 2]))
        np.testing.assert_array_equal(a, b)
        assert not (a == c).all()


def test_random_images_in_a_traced_function():
    @tf.function
    def augment(x):
        x = tf.image.random_flip_left_right(x)
        x = tf.image.random_crop(x, [4, 4, 3])
        return tf.image.random_contrast(x, 0.5, 1.5)

    x = tf.constant(np.random.default_rng(0).uniform(size=(6, 5, 3)).astype(np.float32))
    tf.random.set_seed(2)
    compiled = np.asarray(augment(x))
    tf.random.set_seed(2)
    np.testing.assert_allclose(compiled, np.asarray(augment.python_function(x)), rtol=1e-5)


# ---- keras.random -------------------------------------------------------------------------------------------------


KERAS = {
    "normal": lambda seed: keras_random.normal([5], seed=seed),
    "truncated_normal": lambda seed: keras_random.truncated_normal([5], seed=seed),
    "uniform": lambda seed: keras_random.uniform([5], seed=seed),
    "randint": lambda seed: keras_random.randint([5], 0, 1000, seed=seed),
    "categorical": lambda seed: keras_random.categorical(np.zeros((1, 1000), np.float32), 5, seed=seed),
    "dropout": lambda seed: keras_random.dropout(tf.ones([50]), 0.5, seed=seed),
    "shuffle": lambda seed: keras_random.shuffle(tf.range(50), seed=seed),
    "gamma": lambda seed: keras_random.gamma([5], 2.0, seed=seed),
    "beta": lambda seed: keras_random.beta([5], 2.0, 3.0, seed=seed),
    "binomial": lambda seed: keras_random.binomial([50], 50.0, 0.4, seed=seed),
}


@pytest.mark.parametrize("name", KERAS)
def test_keras_random(name):
    draw = KERAS[name]
    np.testing.assert_array_equal(np.asarray(draw(3)), np.asarray(draw(3)))
    seeds = [keras_random.SeedGenerator(3) for _ in range(2)]
    first = [np.asarray(draw(generator_)) for generator_ in seeds]
    np.testing.assert_array_equal(*first)
    assert not (first[0] == np.asarray(draw(seeds[0]))).all()
    assert not (np.asarray(draw(None)) == np.asarray(draw(None))).all()


def test_seed_generators_follow_the_global_seed():
    tf.random.set_seed(4)
    first = [np.asarray(keras_random.SeedGenerator().next()) for _ in range(2)]
    tf.random.set_seed(4)
    second = [np.asarray(keras_random.SeedGenerator().next()) for _ in range(2)]
    np.testing.assert_array_equal(first, second)
    assert not (first[0] == first[1]).all()
    restored = keras_random.SeedGenerator.from_config(keras_random.SeedGenerator(7).get_config())
    assert restored.initial_seed == 7
