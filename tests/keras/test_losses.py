"""Losses: values, gradients and reductions beside Keras, the same on every engine, names, configs, errors."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.keras import losses

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(7)
SHAPE = (4, 3, 5)
PROBABILITIES = RNG.dirichlet(np.ones(5), SHAPE[:-1]).astype("float32")
LOGITS = RNG.normal(size=SHAPE).astype("float32") * 3
NUMBERS = RNG.normal(size=SHAPE).astype("float32")
BINARY = (RNG.random(SHAPE) > 0.5).astype("float32")
SIGNS = BINARY * 2 - 1
CLASSES = RNG.integers(0, 5, SHAPE[:-1]).astype("int32")
ONE_HOT = np.eye(5, dtype="float32")[CLASSES]
UNIT = RNG.normal(size=(6, 5)).astype("float32")
UNIT /= np.linalg.norm(UNIT, axis=-1, keepdims=True)
SPOKEN = np.array([[1, 1, 3], [2, 4, 2], [1, 2, 0], [3, 0, 0]], "int32")
STEPS = RNG.normal(size=(4, 7, 5)).astype("float32")
SOFT = RNG.dirichlet(np.ones(5), SHAPE[:-1]).astype("float32")

# Class, arguments, targets, predictions.  Every class has a row.
CASES = [
    ("MeanSquaredError", {}, NUMBERS, LOGITS),
    ("MeanAbsoluteError", {}, NUMBERS, LOGITS),
    ("MeanAbsolutePercentageError", {}, NUMBERS, LOGITS),
    ("MeanSquaredLogarithmicError", {}, np.abs(NUMBERS), np.abs(LOGITS)),
    ("Huber", {}, NUMBERS, LOGITS),
    ("Huber", {"delta": 0.3}, NUMBERS, LOGITS),
    ("LogCosh", {}, NUMBERS, LOGITS),
    ("CosineSimilarity", {}, NUMBERS, LOGITS),
    ("CosineSimilarity", {"axis": 1}, NUMBERS, LOGITS),
    ("BinaryCrossentropy", {}, BINARY, PROBABILITIES),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, BINARY, LOGITS),
    ("BinaryFocalCrossentropy", {}, BINARY, PROBABILITIES),
    (
        "BinaryFocalCrossentropy",
        {"apply_class_balancing": True, "gamma": 1.5, "from_logits": True, "label_smoothing": 0.1},
        BINARY,
        LOGITS,
    ),
    ("CategoricalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, SOFT, LOGITS),
    ("CategoricalCrossentropy", {"from_logits": True, "axis": 1}, SOFT / SOFT.sum(1, keepdims=True), LOGITS),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT, PROBABILITIES),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "alpha": 0.4, "gamma": 1.0}, SOFT, LOGITS),
    ("SparseCategoricalCrossentropy", {}, CLASSES, PROBABILITIES),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, CLASSES[..., None], LOGITS),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, CLASSES, LOGITS),
    ("CategoricalGeneralizedCrossEntropy", {}, CLASSES, PROBABILITIES),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.3}, CLASSES.astype("float32"), PROBABILITIES),
    ("CTC", {}, SPOKEN, STEPS),
    ("Circle", {}, np.array([0, 1, 0, 2, 1, 1]), UNIT),
    ("Circle", {"gamma": 4.0, "margin": 0.2, "remove_diagonal": False}, np.array([0, 1, 0, 2, 1, 1]), UNIT),
    ("KLDivergence", {}, SOFT, PROBABILITIES),
    ("Poisson", {}, np.abs(NUMBERS), np.abs(LOGITS) + 0.1),
    ("Hinge", {}, SIGNS, LOGITS),
    ("Hinge", {}, BINARY, LOGITS),
    ("SquaredHinge", {}, SIGNS, LOGITS),
    ("CategoricalHinge", {}, ONE_HOT, LOGITS),
    ("Dice", {}, BINARY, PROBABILITIES),
    ("Dice", {"axis": (1, 2)}, BINARY, PROBABILITIES),
    ("Tversky", {"alpha": 0.3, "beta": 0.8}, BINARY, PROBABILITIES),
]
IDS = [f"{case[0]}-{'-'.join(case[1])}" for case in CASES]
BASES = {"Loss", "LossFunctionWrapper"}
EVERY_CASE = pytest.mark.parametrize(("kind", "arguments", "y_true", "y_pred"), CASES, ids=IDS)


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=1e-6)


def names_of(kind):
    return {
        name
        for name, value in vars(losses).items()
        if isinstance(value, kind) and getattr(value, "__module__", "").startswith("dovetail.keras.losses")
    }


def test_every_class_has_a_case():
    classes = {name for name in names_of(type) if issubclass(getattr(losses, name), losses.Loss)}
    assert classes - BASES == {case[0] for case in CASES}


@EVERY_CASE
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none", "mean_with_sample_weight"])
def test_value_is_that_of_keras(keras, kind, arguments, y_true, y_pred, reduction):
    theirs = getattr(keras.losses, kind)(**arguments, reduction=reduction)(y_true, y_pred)
    close(getattr(losses, kind)(**arguments, reduction=reduction)(y_true, y_pred), theirs)


@EVERY_CASE
def test_gradient_is_that_of_keras(keras, kind, arguments, y_true, y_pred):
    import tensorflow

    variable = tensorflow.Variable(y_pred)
    with tensorflow.GradientTape() as tape:
        value = getattr(keras.losses, kind)(**arguments)(y_true, variable)
    expected = tape.gradient(value, variable)
    own = tf.Variable(y_pred)
    with tf.GradientTape() as own_tape:
        value = getattr(losses, kind)(**arguments)(y_true, own)
    close(own_tape.gradient(value, own), expected, 2e-5)


@EVERY_CASE
def test_engines_and_compiled_code_agree(kind, arguments, y_true, y_pred):
    loss, before, results = getattr(losses, kind)(**arguments), settings.engine, []
    for engine in ("host", "xla"):
        settings.engine = engine
        try:
            results.append(np.asarray(loss(y_true, y_pred)))
        finally:
            settings.engine = before
    results.append(np.asarray(tf.function(lambda a, b: loss(a, b))(tf.constant(y_true), tf.constant(y_pred))))
    close(results[1], results[0])
    close(results[2], results[0])
    assert {result.dtype for result in results} == {np.dtype("float32")}


WEIGHTS = [
    pytest.param(RNG.random(4).astype("float32"), (4, 5), id="sample"),
    pytest.param(RNG.random((4, 1)).astype("float32"), (4, 5), id="column"),
    pytest.param(RNG.random((4, 3)).astype("float32"), (4, 3, 5), id="step"),
    pytest.param(np.float32(0.5), (4, 3, 5), id="scalar"),
    pytest.param(np.zeros(4, "float32"), (4, 5), id="zeros"),
]


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none", "mean_with_sample_weight"])
@pytest.mark.parametrize(("weight", "shape"), WEIGHTS)
def test_weights_count_as_in_keras(keras, weight, shape, reduction):
    y_true, y_pred = (RNG.normal(size=shape).astype("float32") for _ in range(2))
    theirs = keras.losses.MeanSquaredError(reduction=reduction)(y_true, y_pred, sample_weight=weight)
    close(losses.MeanSquaredError(reduction=reduction)(y_true, y_pred, sample_weight=weight), theirs)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none", "mean_with_sample_weight"])
def test_masks_count_as_in_keras(keras, reduction, weighted):
    mask = np.array([[True, True, False], [True, False, False], [False, False, False], [True, True, True]])
    weight = RNG.random((4, 3)).astype("float32") if weighted else None
    theirs, ours = keras.ops.convert_to_tensor(LOGITS), tf.constant(LOGITS)
    theirs._keras_mask, ours._keras_mask = keras.ops.convert_to_tensor(mask), tf.constant(mask)
    expected = keras.losses.MeanSquaredError(reduction=reduction)(NUMBERS, theirs, sample_weight=weight)
    close(losses.MeanSquaredError(reduction=reduction)(NUMBERS, ours, sample_weight=weight), expected)


@pytest.mark.parametrize(("true_shape", "pred_shape"), [((4,), (4, 1)), ((4, 1), (4,)), ((4, 3), (4, 3, 1))])
def test_ranks_are_brought_together_as_in_keras(keras, true_shape, pred_shape):
    y_true, y_pred = (
        RNG.normal(size=true_shape).astype("float32"),
        RNG.normal(size=pred_shape).astype("float32"),
    )
    for name in ("MeanSquaredError", "MeanAbsoluteError", "BinaryCrossentropy"):
        theirs = getattr(keras.losses, name)(reduction="none")(y_true, np.abs(y_pred))
        close(getattr(losses, name)(reduction="none")(y_true, np.abs(y_pred)), theirs)


# ---- functions, names, configs


def test_names_of_keras_are_all_there(keras):
    assert {name for name in dir(keras.losses) if name[0] != "_"} <= set(dir(losses))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("mse", "mean_squared_error"),
        ("MAE", "mean_absolute_error"),
        ("mape", "mean_absolute_percentage_error"),
        ("MSLE", "mean_squared_logarithmic_error"),
        ("bce", "binary_crossentropy"),
        ("kld", "kl_divergence"),
        ("kullback_leibler_divergence", "kl_divergence"),
        ("logcosh", "log_cosh"),
        ("sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
    ],
)
def test_short_names(name, function):
    assert losses.get(name) is getattr(losses, function) is losses.deserialize(name)


@EVERY_CASE
def test_configs_rebuild_the_loss(keras, kind, arguments, y_true, y_pred):
    loss = getattr(losses, kind)(**arguments)
    config = losses.serialize(loss)
    assert {**config, "config": None} == {
        **keras.losses.serialize(getattr(keras.losses, kind)(**arguments)),
        "config": None,
    }
    for again in (losses.deserialize(config), losses.get({"class_name": kind, "config": loss.get_config()})):
        assert type(again) is type(loss) and again.get_config() == loss.get_config()
        close(again(y_true, y_pred), loss(y_true, y_pred))


def test_a_config_of_keras_is_read(keras):
    theirs = keras.losses.BinaryCrossentropy(
        from_logits=True, label_smoothing=0.1, reduction="sum", name="mine"
    )
    again = losses.deserialize(keras.losses.serialize(theirs))
    assert isinstance(again, losses.BinaryCrossentropy) and again.get_config() == theirs.get_config()


def test_a_function_becomes_a_loss():
    def cubic(y_true, y_pred, power=3):
        return tf.reduce_mean(tf.abs(y_true - y_pred) ** power, axis=-1)

    loss = losses.LossFunctionWrapper(cubic, name="cubic", power=2.0)
    close(loss(NUMBERS, LOGITS), losses.MeanSquaredError()(NUMBERS, LOGITS))


def test_own_classes_see_targets_in_the_dtype_of_the_loss():
    class Distance(losses.Loss):
        def call(self, y_true, y_pred):
            assert y_true.dtype == y_pred.dtype == "float32"
            return tf.abs(y_true - y_pred)

    loss = Distance()
    assert loss.name.startswith("distance") and float(loss(np.array([1, 2]), np.array([2.0, 4.0]))) == 1.5
    assert float(Distance(name="sum_of_distances", reduction="sum")([1, 2], [2.0, 4.0])) == 3.0


def test_structures_reach_the_loss():
    class Both(losses.Loss):
        def call(self, y_true, y_pred):
            return y_true["a"] * y_pred["a"] + y_true["b"] * y_pred["b"]

    pair = {"a": np.array([1, 2]), "b": np.array([3, 4])}
    assert float(Both(reduction="sum")(pair, pair)) == 30.0


def test_reductions_of_keras_2():
    kinds = losses.Reduction
    assert losses.MeanSquaredError(reduction=kinds.AUTO).reduction == "sum_over_batch_size"
    assert losses.MeanSquaredError(reduction=kinds.NONE)(NUMBERS, LOGITS).shape == (4, 3)
    close(
        losses.MeanSquaredError(kinds.SUM)(NUMBERS, LOGITS), losses.MeanSquaredError()(NUMBERS, LOGITS) * 12
    )


def test_predictions_of_16_bits_give_a_loss_in_the_dtype_of_the_loss():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss(CLASSES, tf.cast(LOGITS, tf.float16)).dtype == "float32"
    assert losses.MeanSquaredError(dtype="float64")(NUMBERS, LOGITS).dtype == "float64"


# ---- errors


def test_unknown_names_show_the_nearest():
    with pytest.raises(ValueError, match="'mean_squared_error'"):
        losses.get("mean_squared_eror")
    with pytest.raises(ValueError, match="reduction: expected one of"):
        losses.MeanSquaredError(reduction="average")
    with pytest.raises(ValueError, match="expected a loss"):
        losses.get(3)


def test_a_label_out_of_range_is_an_error_eagerly_and_nan_in_compiled_code():
    labels = np.array([0, 5])
    with pytest.raises(ValueError, match=r"label value of 5 .*\[0, 5\)"):
        losses.sparse_categorical_crossentropy(labels, PROBABILITIES[0, :2])
    compiled = tf.function(losses.sparse_categorical_crossentropy)
    result = np.asarray(compiled(tf.constant(labels), tf.constant(PROBABILITIES[0, :2])))
    assert np.isfinite(result[0]) and np.isnan(result[1])


def test_weights_that_do_not_fit_are_explained():
    with pytest.raises(ValueError, match="sample_weight of shape"):
        losses.MeanSquaredError()(NUMBERS, LOGITS, sample_weight=np.ones(7, "float32"))


def test_one_class_is_a_warning():
    with pytest.warns(SyntaxWarning, match="single class"):
        losses.categorical_crossentropy(np.ones((2, 1)), np.ones((2, 1), "float32"))


@pytest.mark.parametrize(
    "kind", ["BinaryCrossentropy", "BinaryFocalCrossentropy", "KLDivergence", "CategoricalCrossentropy"]
)
def test_probabilities_are_clipped_as_in_the_programs_keras(monkeypatch, kind):
    theirs = pytest.importorskip("tf_keras")
    y_true, y_pred = np.array([[1.0, 0.0], [0.0, 1.0]], "float32"), np.array([[0, 1], [0.3, 0.7]], "float32")
    monkeypatch.setattr(settings, "keras", 2)
    close(getattr(losses, kind)()(y_true, y_pred), getattr(theirs.losses, kind)()(y_true, y_pred))
