"""Functions given to `map`, many elements at a time: the same values and random draws as one at a time."""

import subprocess
import sys

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.data import mapping, vectorized
from dovetail.engine import xla
from dovetail.keras.training.rows import RowData
from dovetail.keras.training.sources import evaluation_data
from tests.support import parity
from tests.test_data_cases import Trace, traced

IMAGES = np.random.default_rng(0).integers(0, 255, (70, 6, 5, 3)).astype("uint8")
LABELS = np.arange(70) % 7
SCALE = tf.Variable(2.0)
COUNT = tf.Variable(5)


def often(image, label):
    """Draws twice for some elements, and once for others."""
    if label % 3 == 0:
        return tf.random.uniform([2])
    return tf.random.uniform([2]) + tf.random.uniform([2], 5.0, 6.0)


def counts(image, label):
    COUNT.assign_add(2)
    return COUNT * 1, label


FUNCTIONS = {
    "scale": lambda image, label: (tf.cast(image, "float32") / 255.0, tf.one_hot(label, 7)),
    "dict": lambda image, label: {"x": image[::-1], "y": (label, label > 3)},
    "list": lambda image, label: [tf.reduce_mean(tf.cast(image, "float64"), axis=-1), 1.5],
    "flip": lambda image, label: tf.image.random_flip_left_right(image),
    "resize": lambda image, label: (tf.image.resize(image, [9, 4]), label),
    "crop": lambda image, label: (tf.image.random_crop(image, [4, 4, 3]), tf.random.normal([])),
    "colors": lambda image, label: tf.image.random_brightness(tf.image.random_contrast(image, 0.5, 2.0), 0.3),
    "op_seed": lambda image, label: tf.random.uniform([3], seed=7) + tf.random.uniform([3]),
    "stateless": lambda image, label: tf.random.stateless_normal([2], tf.stack([label, 3])),
    "branch": lambda image, label: tf.cond(label > 2, lambda: label * 2, lambda: label - 1),
    "python_branch": lambda image, label: label * 2 if label > 2 else label - 1,
    "draws_by_value": often,
    "variable": lambda image, label: SCALE * tf.cast(label, "float32"),
    "counter": counts,
    "loop": lambda image, label: tf.while_loop(
        lambda i, s: i < label, lambda i, s: (i + 1, s + i), (0 * label, 0 * label)
    ),
    "table": lambda image, label: tf.gather(tf.constant([10, 11, 12, 13, 14, 15, 16]), label),
    "string": lambda image, label: tf.strings.as_string(label),
    "numpy": lambda image, label: tf.numpy_function(lambda n: n + 1, [label], "int64"),
}
SHAPES = {
    "plain": lambda ds: ds,
    "batch": lambda ds: ds.batch(16),
    "drop": lambda ds: ds.batch(16, drop_remainder=True),
    "small_batch": lambda ds: ds.batch(3),
    "take": lambda ds: ds.take(21),
    "shuffle": lambda ds: ds.shuffle(20, seed=4).batch(16),
    "repeat": lambda ds: ds.repeat(2).batch(16),
    "prefetch": lambda ds: ds.prefetch(2).batch(16).prefetch(2),
    "cache": lambda ds: ds.cache().repeat(2).batch(16),
}


def rows():
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS))


def start_again():
    tf.random.set_seed(11)
    SCALE.assign(2.0)
    COUNT.assign(5)


@pytest.fixture
def many(monkeypatch):
    """Sets how many elements are worth compiling for, and makes chunks small."""
    monkeypatch.setattr(vectorized, "_MOST_ROWS", 16)
    return lambda least: monkeypatch.setattr(mapping, "LEAST_ELEMENTS", least)


def outcome(dataset, use=lambda element: None):
    """Returns the elements, what `use` makes of each, and what is drawn after."""
    found = []
    for element in dataset:
        found.append([element, use(element)])
    return parity.plain([found, tf.random.uniform([2]), COUNT.numpy().item()])


def one_and_many(many, build, use=lambda element: None):
    results = []
    for least in (1 << 60, 8):
        many(least)
        start_again()
        dataset = build()
        results.append([outcome(dataset, use), outcome(dataset, use)])
    parity.assert_same(results[1], results[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, many):
    one_and_many(many, lambda: rows().map(FUNCTIONS[name]))
    one_and_many(many, lambda: rows().map(FUNCTIONS[name]).batch(16))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("function", ["scale", "flip", "draws_by_value"])
def test_what_follows(name, function, many):
    one_and_many(many, lambda: SHAPES[name](rows().map(FUNCTIONS[function])))


def test_maps_of_maps_and_of_endless_sources(many):
    again = lambda image: tf.image.random_flip_up_down(image)
    one_and_many(many, lambda: rows().map(FUNCTIONS["flip"]).map(again).batch(16))
    one_and_many(
        many, lambda: rows().map(FUNCTIONS["numpy"]).map(lambda n: tf.random.uniform([]) + 1).batch(16)
    )
    one_and_many(
        many,
        lambda: rows().map(FUNCTIONS["flip"]).map(lambda image: tf.numpy_function(abs, [image], "uint8")),
    )
    one_and_many(
        many, lambda: rows().map(FUNCTIONS["scale"]).map(lambda x, y: (x + 1, y)).shuffle(9, seed=1).batch(8)
    )
    one_and_many(many, lambda: rows().repeat().map(FUNCTIONS["flip"]).take(90).batch(16))
    one_and_many(
        many, lambda: rows().shuffle(70, seed=1).map(FUNCTIONS["flip"], num_parallel_calls=1).batch(16)
    )
    one_and_many(many, lambda: tf.data.Dataset.zip((rows().map(FUNCTIONS["scale"]), rows())).batch(16))


def test_who_draws_between_elements_gets_what_it_would_get(many):
    one_and_many(many, lambda: rows().map(FUNCTIONS["flip"]), lambda element: tf.random.uniform([]))
    one_and_many(many, lambda: rows().map(FUNCTIONS["flip"]).batch(8), lambda element: tf.random.uniform([]))


def test_variables_that_change_between_elements(many):
    one_and_many(
        many, lambda: rows().map(FUNCTIONS["variable"]), lambda element: SCALE.assign_add(0.5).numpy()
    )


# ---- which functions


COMPILED = {"scale", "dict", "list", "flip", "resize", "crop", "colors", "op_seed", "stateless", "branch"}
COMPILED |= {"python_branch", "draws_by_value", "variable", "counter", "loop"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_which_functions_are_compiled(name, many):
    many(8)
    node = rows().map(FUNCTIONS[name])._node
    assert (node.row_function is not None) == (name in COMPILED)


def failing(n):
    return tf.debugging.check_numerics(1.0 / tf.cast(n - 40, "float32"), "division")


FAILURES = {
    "check": failing,
    "assert": lambda n: tf.debugging.assert_less(n, tf.constant(40, "int64")) or n,
    "division": lambda n: 7 // (n - 40),
    "index": lambda n: tf.gather(tf.range(40), n),
}


@pytest.mark.parametrize("name", FAILURES)
def test_errors_come_at_their_element(name, many):
    many(8)
    seen = []
    with pytest.raises(tf.errors.OpError):
        for element in tf.data.Dataset.range(70).map(FAILURES[name]):
            seen.append(element)
    assert len(seen) == 40


def test_python_that_keeps_things_runs_each_time(many):
    many(8)
    seen = []
    assert len(list(tf.data.Dataset.range(70).map(lambda n: (seen.append(1), n)[1]))) == 70
    assert len(seen) >= 70


def test_sources_that_notice_are_not_asked_ahead(many):
    many(8)
    asked = []

    def generator():
        for n in range(70):
            asked.append(n)
            yield n

    numbers = tf.data.Dataset.from_generator(generator, output_signature=tf.TensorSpec((), "int64"))
    numbers = numbers.apply(tf.data.experimental.assert_cardinality(70))
    next(iter(numbers.map(lambda n: n + 1)))
    assert asked == [0]


def test_a_function_is_traced_once(many):
    many(8)
    calls = []
    dataset = (
        rows()
        .map(lambda image, label: (len(calls.__class__.__name__), tf.cast(image, "float32"))[1])
        .batch(10)
    )
    node = dataset._node.source
    first = node.row_function
    for _ in range(2):
        assert sum(1 for _ in dataset) == 7
    assert node.row_function is first


# ---- into fit


def test_mapped_rows_reach_the_executor(many):
    many(8)
    dataset = rows().map(FUNCTIONS["scale"])
    for following in (
        lambda ds: ds.shuffle(70, seed=2).batch(16),
        lambda ds: ds.cache().shuffle(70, seed=2).batch(16),
    ):
        batches = following(dataset)
        assert isinstance(evaluation_data(batches, None, None, None, None), RowData)
        expected = [[tf.nest.flatten(batch) for batch in batches] for _ in range(2)]
        model = Trace()
        model.fit(following(dataset), epochs=2, verbose=0)
        np.testing.assert_allclose(model.trace.numpy(), traced([*expected[0], *expected[1]]), rtol=1e-5)
    drawn = rows().map(FUNCTIONS["flip"]).batch(16)
    assert not isinstance(evaluation_data(drawn, None, None, None, None), RowData)


def test_models_train_on_augmented_images_as_on_their_elements(many):
    many(8)
    results = []
    for through_fit in (True, False):
        keras.utils.set_random_seed(4)
        model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        dataset = (
            rows().map(lambda image, label: (tf.image.random_crop(image, [4, 4, 3]) / 255, label)).batch(16)
        )
        if through_fit:
            model.fit(dataset, epochs=2, verbose=0)
        else:
            for _ in range(2):
                for x, y in dataset:
                    model.train_on_batch(x, y)
        results.append(model.get_weights())
    parity.assert_same(results[0], results[1])


ONE_PASS = """
import dovetail as tf
from dovetail.engine import loaded_xla

dataset = tf.data.Dataset.range(2048).map(lambda n: n * 2).map(lambda n: tf.cast(n, "float32") + 0.5)
first = [float(x) for x in dataset]
assert loaded_xla() is None
assert [float(x) for x in dataset] == first == [2 * n + 0.5 for n in range(2048)]
assert loaded_xla() is not None and len(dataset._node._functions) == 2
"""


def test_a_single_pass_does_not_load_xla():
    done = subprocess.run(
        [sys.executable, "-c", ONE_PASS], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


WHOLE = {
    "flip": FUNCTIONS["flip"],
    "dict": lambda images, labels: {"x": tf.cast(images, "float32") / 255.0, "y": (labels, labels > 3)},
    "draws": lambda images, labels: tf.random.normal([2]) + tf.random.uniform(tf.shape(labels)[:1] * 0 + 2),
    "counter": counts,
    "numpy": FUNCTIONS["numpy"],
    "string": FUNCTIONS["string"],
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("compiles", [True, False])
def test_batches_of_one_shape_are_mapped_by_a_program(name, compiles, monkeypatch):
    """Values, draws and variables are those of op by op, the smaller last batch included."""
    xla("this test")  # nothing is compiled where that has not been loaded
    results = []
    for least in (1 << 60, 3):
        monkeypatch.setattr(vectorized, "_ELEMENTS_BEFORE_COMPILING", least)
        monkeypatch.setattr(vectorized, "_LARGE_BYTES", 1 if compiles else 1 << 60)
        start_again()
        dataset = rows().batch(8).map(WHOLE[name])
        results.append(outcome(dataset.repeat(2)))
        program = dataset._node._alone._compiled
        assert (program is not None) == (compiles and least == 3 and name not in ("numpy", "string"))
    parity.assert_same(*results)
