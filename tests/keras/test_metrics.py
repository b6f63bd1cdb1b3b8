"""Metrics: values over several batches beside Keras, the same on every engine, state, users' own metrics, errors."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail.base.settings import settings
from dovetail.keras import metrics

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(11)
BATCH, CLASSES, BATCHES = 8, 4, 3


def numbers(*shape):
    return lambda: RNG.normal(size=(BATCH, *shape)).astype("float32")


def shares(*shape):
    return lambda: RNG.random((BATCH, *shape)).astype("float32")


def binary(*shape):
    return lambda: (RNG.random((BATCH, *shape)) > 0.5).astype("float32")


def labels(*shape):
    return lambda: RNG.integers(0, CLASSES, (BATCH, *shape)).astype("int32")


def one_hot():
    return np.eye(CLASSES, dtype="float32")[RNG.integers(0, CLASSES, BATCH)]


def distribution():
    return RNG.dirichlet(np.ones(CLASSES), BATCH).astype("float32")


FLAT, TABLE = (), (CLASSES,)

# Class, arguments, makers of targets and predictions.  Every class has a row.
CASES = [
    ("Mean", {}, None, numbers()),
    ("Mean", {}, None, numbers(3, 2)),
    ("Sum", {}, None, numbers(3)),
    ("Accuracy", {}, labels(), labels()),
    ("Accuracy", {}, labels(1), labels()),
    ("BinaryAccuracy", {}, binary(*TABLE), shares(*TABLE)),
    ("BinaryAccuracy", {"threshold": 0.3}, binary(), shares(1)),
    ("CategoricalAccuracy", {}, one_hot, distribution),
    ("SparseCategoricalAccuracy", {}, labels(), distribution),
    ("SparseCategoricalAccuracy", {}, labels(1), distribution),
    ("SparseCategoricalAccuracy", {}, labels(3), numbers(3, CLASSES)),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, distribution),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, labels(), distribution),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, labels(3), numbers(3, CLASSES)),
    ("MeanSquaredError", {}, numbers(*TABLE), numbers(*TABLE)),
    ("RootMeanSquaredError", {}, numbers(*TABLE), numbers(*TABLE)),
    ("MeanAbsoluteError", {}, numbers(*TABLE), numbers(*TABLE)),
    ("MeanAbsolutePercentageError", {}, numbers(*TABLE), numbers(*TABLE)),
    ("MeanSquaredLogarithmicError", {}, shares(*TABLE), shares(*TABLE)),
    ("LogCoshError", {}, numbers(*TABLE), numbers(*TABLE)),
    ("CosineSimilarity", {}, numbers(*TABLE), numbers(*TABLE)),
    ("KLDivergence", {}, distribution, distribution),
    ("Poisson", {}, shares(*TABLE), shares(*TABLE)),
    ("Hinge", {}, binary(*TABLE), numbers(*TABLE)),
    ("SquaredHinge", {}, binary(*TABLE), numbers(*TABLE)),
    ("CategoricalHinge", {}, one_hot, numbers(*TABLE)),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, binary(*TABLE), shares(*TABLE)),
    ("CategoricalCrossentropy", {"from_logits": True}, one_hot, numbers(*TABLE)),
    ("SparseCategoricalCrossentropy", {}, labels(), distribution),
    ("PearsonCorrelation", {}, numbers(*TABLE), numbers(*TABLE)),
    ("ConcordanceCorrelation", {}, numbers(*TABLE), numbers(*TABLE)),
    ("TruePositives", {}, binary(*TABLE), shares(*TABLE)),
    ("TrueNegatives", {"thresholds": [0.2, 0.7]}, binary(*TABLE), shares(*TABLE)),
    ("FalsePositives", {"thresholds": [0.0, 0.5, 1.0]}, binary(*TABLE), shares(*TABLE)),
    ("FalseNegatives", {}, binary(), shares()),
    ("Precision", {}, binary(*TABLE), shares(*TABLE)),
    ("Precision", {"thresholds": [0.3, 0.6], "class_id": 1}, binary(*TABLE), shares(*TABLE)),
    ("Precision", {"top_k": 2}, binary(*TABLE), shares(*TABLE)),
    ("Recall", {}, binary(1), shares(1)),
    ("Recall", {"top_k": 2, "class_id": 2}, binary(*TABLE), shares(*TABLE)),
    ("PrecisionAtRecall", {"recall": 0.6}, binary(), shares()),
    ("RecallAtPrecision", {"precision": 0.5, "num_thresholds": 50}, binary(), shares()),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, binary(), shares()),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4, "num_thresholds": 1}, binary(), shares()),
    ("AUC", {}, binary(), shares()),
    ("AUC", {"curve": "PR"}, binary(), shares()),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, binary(), shares()),
    ("AUC", {"curve": "PRGAIN", "num_thresholds": 20}, binary(), shares()),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.1, 0.4, 0.8]}, binary(), shares()),
    ("AUC", {"multi_label": True, "num_labels": CLASSES}, binary(*TABLE), shares(*TABLE)),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5, 0.0]}, binary(*TABLE), shares(*TABLE)),
    ("AUC", {"from_logits": True}, binary(), numbers()),
    ("IoU", {"num_classes": CLASSES, "target_class_ids": [0, 2]}, labels(), labels()),
    ("MeanIoU", {"num_classes": CLASSES, "ignore_class": 1}, labels(), labels()),
    ("MeanIoU", {"num_classes": CLASSES, "sparse_y_pred": False}, labels(), distribution),
    ("OneHotIoU", {"num_classes": CLASSES, "target_class_ids": [1]}, one_hot, distribution),
    ("OneHotMeanIoU", {"num_classes": CLASSES}, one_hot, distribution),
    ("BinaryIoU", {"threshold": 0.4}, binary(), shares()),
    ("F1Score", {}, one_hot, distribution),
    ("F1Score", {"average": "macro", "threshold": 0.4}, one_hot, distribution),
    ("FBetaScore", {"average": "micro", "beta": 2.0}, one_hot, distribution),
    ("FBetaScore", {"average": "weighted", "beta": 0.5}, one_hot, distribution),
    ("R2Score", {}, numbers(*TABLE), numbers(*TABLE)),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, numbers(*TABLE), numbers(*TABLE)),
    ("R2Score", {"class_aggregation": None, "num_regressors": 1}, numbers(*TABLE), numbers(*TABLE)),
]
IDS = [f"{case[0]}-{'-'.join(case[1])}-{number}" for number, case in enumerate(CASES)]
EVERY_CASE = pytest.mark.parametrize(("kind", "arguments", "targets", "predictions"), CASES, ids=IDS)
CORRELATIONS = ("PearsonCorrelation", "ConcordanceCorrelation")


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras")


def close(actual, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(actual), np.asarray(expected), rtol=tolerance, atol=1e-6)


def batches(targets, predictions):
    return [((targets(),) if targets else ()) + (predictions(),) for _ in range(BATCHES)]


def make(kind, arguments):
    return getattr(metrics, kind)(**arguments)


def test_every_class_has_a_case():
    classes = {
        name
        for name, value in vars(metrics).items()
        if isinstance(value, type) and issubclass(value, metrics.Metric)
    }
    assert classes - {"Metric", "MeanMetricWrapper"} == {case[0] for case in [*CASES, *OF_KERAS_2]}


# Those that only tf_keras has: class, arguments, what batches give.
OF_KERAS_2 = [
    ("MeanTensor", {}, (numbers(3, 2),)),
    ("MeanTensor", {"shape": (BATCH, 3, 2)}, (numbers(3, 2), numbers(3))),
    ("MeanRelativeError", {"normalizer": [1.0, 0.0, 3.0]}, (numbers(3), numbers(3))),
]


@pytest.mark.parametrize(("kind", "arguments", "batch"), OF_KERAS_2)
def test_metrics_of_tf_keras(kind, arguments, batch):
    theirs = getattr(pytest.importorskip("tf_keras").metrics, kind)(**arguments)
    ours, other = getattr(metrics, kind)(**arguments), getattr(metrics, kind)(**arguments)
    values = [part() for part in batch]
    for _ in range(2):
        theirs.update_state(*values)
        ours.update_state(*values)
    np.testing.assert_allclose(np.asarray(ours.result()), np.asarray(theirs.result()), rtol=1e-5)
    again = type(ours).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()
    other.update_state(*values)
    other.merge_state([ours])
    np.testing.assert_allclose(np.asarray(other.result()), np.asarray(ours.result()), rtol=1e-5)


def test_metrics_in_python_run_outside_of_compiled_code():
    class Counted(metrics.experimental.PyMetric):
        def reset_state(self):
            self.total = 0.0

        def update_state(self, y_true, y_pred, sample_weight=None):
            assert isinstance(float(y_true[0, 0]), float)
            self.total += float(np.sum(y_true))

        def result(self):
            return self.total

    model = tf.keras.Sequential([tf.keras.Input((2,)), tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[Counted(name="ones")])
    found = model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=2, epochs=2, verbose=0).history
    assert found["ones"] == [8.0, 8.0]
    with pytest.raises(NotImplementedError, match="merge_state"):
        Counted().merge_state([])


@EVERY_CASE
@pytest.mark.parametrize("weighted", [False, True])
def test_value_is_that_of_keras(keras, kind, arguments, targets, predictions, weighted):
    # Keras 3 counts with integers unless told otherwise, and so loses the fractions of weights; Keras 2 and we do not.
    floats = {"dtype": "float32"} if kind.endswith("IoU") else {}
    theirs, ours = getattr(keras.metrics, kind)(**arguments, **floats), make(kind, arguments)
    for batch in batches(targets, predictions):
        weight = RNG.random(BATCH).astype("float32") if weighted else None
        theirs.update_state(*batch, sample_weight=weight)
        ours.update_state(*batch, sample_weight=weight)
        # A correlation divides by small deviations, which magnifies rounding.
        close(ours.result(), theirs.result(), 1e-4 if kind in CORRELATIONS else 2e-5)
    assert len(ours.variables) == len(theirs.variables)
    for own, their in zip(ours.variables, theirs.variables):
        close(own, their, 1e-4)
        assert tuple(own.shape) == tuple(their.shape)


@EVERY_CASE
def test_engines_and_compiled_code_agree(kind, arguments, targets, predictions):
    data, before, results = batches(targets, predictions), settings.engine, []
    for engine in ("host", "xla"):
        settings.engine = engine
        try:
            metric = make(kind, arguments)
            results.append([np.asarray(metric(*batch)) for batch in data])
        finally:
            settings.engine = before
    metric = make(kind, arguments)
    metric(*data[0])
    metric.reset_state()
    step = tf.function(lambda *batch: metric(*batch))
    results.append([np.asarray(step(*(tf.constant(part) for part in batch))) for batch in data])
    for result in results[1:]:
        for actual, expected in zip(result, results[0]):
            close(actual, expected, 1e-4 if kind in CORRELATIONS else 2e-5)


@EVERY_CASE
def test_reset_forgets_everything(kind, arguments, targets, predictions):
    first, second = batches(targets, predictions)[:2]
    used, fresh = make(kind, arguments), make(kind, arguments)
    used.update_state(*first)
    used.reset_states()
    assert all(not np.asarray(variable).any() for variable in used.variables)
    close(used(*second), fresh(*second))


@EVERY_CASE
def test_configs_rebuild_the_metric(keras, kind, arguments, targets, predictions):
    metric = make(kind, arguments)
    config = metrics.serialize(metric)
    theirs = keras.metrics.serialize(getattr(keras.metrics, kind)(**arguments))
    assert {**config, "config": None} == {**theirs, "config": None}
    batch = batches(targets, predictions)[0]
    expected = np.asarray(metric(*batch))
    for again in (metrics.deserialize(config), metrics.deserialize(theirs)):
        assert type(again) is type(metric)
        if kind != "CosineSimilarity":
            close(again(*batch), expected)


def test_names_of_keras_are_all_there(keras):
    assert {name for name in dir(keras.metrics) if name[0] != "_"} <= set(dir(metrics))


@EVERY_CASE
def test_default_names_are_those_of_keras(keras, kind, arguments, targets, predictions):
    expected = getattr(keras.metrics, kind)(**arguments).name
    assert make(kind, arguments).name.rstrip("_0123456789") == expected.rstrip("_0123456789")


# ---- the base class


class Positives(metrics.Metric):
    """In Keras 2's manner: raw ops, `add_weight(name=...)`, `sample_weight`."""

    def __init__(self, name="positives", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        found = tf.cast((y_pred > 0.5) & (tf.cast(y_true, tf.float32) > 0.5), self.dtype)
        if sample_weight is not None:
            found = found * tf.cast(sample_weight, self.dtype)
        self.total.assign_add(tf.reduce_sum(found))

    def result(self):
        return self.total


def test_a_metric_of_a_user():
    y_true, y_pred = np.array([0, 1, 1]), np.array([0.9, 0.8, 0.1], "float32")
    metric = Positives()
    assert float(metric(y_true, y_pred)) == 1.0
    assert float(metric(y_true, y_pred, sample_weight=[1.0, 3.0, 1.0])) == 4.0
    assert [v.path for v in metric.variables] == ["positives/total"] and not metric.trainable_variables
    step = tf.function(metric.update_state)
    step(tf.constant(y_true), tf.constant(y_pred))
    assert float(metric.result()) == 5.0
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_metrics_inside_metrics_share_their_fate():
    class Pair(metrics.Metric):
        def __init__(self):
            super().__init__(name="pair")
            self.mean, self.others = metrics.Mean(), [metrics.Sum(), {"x": metrics.Mean()}]

        def update_state(self, values):
            self.mean.update_state(values)
            self.others[0].update_state(values)

        def result(self):
            return {"mean": self.mean.result(), "sum": self.others[0].result()}

    metric = Pair()
    assert {key: float(value) for key, value in metric([1.0, 3.0]).items()} == {"mean": 2.0, "sum": 4.0}
    assert len(metric.variables) == 5
    metric.reset_state()
    assert float(metric.result()["sum"]) == 0.0


def test_reset_states_of_an_older_class_is_used():
    class Older(metrics.Mean):
        calls = 0

        def reset_states(self):
            self.calls += 1
            super().reset_states()

    metric = Older()
    metric.update_state([2.0])
    metric.reset_state()
    assert metric.calls == 1 and float(metric.result()) == 0.0


def test_state_can_be_held_outside():
    metric = metrics.Mean()
    state = metric.stateless_reset_state()
    state = metric.stateless_update_state(state, [1.0, 2.0])
    state = metric.stateless_update_state(state, [6.0])
    assert float(metric.stateless_result(state)) == 3.0
    assert float(metric.result()) == 0.0
    with pytest.raises(ValueError, match="one value for each of the 2 variables"):
        metric.stateless_result(state[:1])


def test_masks_count(keras):
    mask = np.array([[True, False], [True, True]])
    values = np.array([[1.0, 5.0], [2.0, 3.0]], "float32")
    theirs, ours = keras.ops.convert_to_tensor(values), tf.constant(values)
    theirs._keras_mask, ours._keras_mask = keras.ops.convert_to_tensor(mask), tf.constant(mask)

    def distance(y_true, y_pred):
        return abs(y_true - y_pred)

    zero = np.zeros_like(values)
    expected = keras.metrics.MeanMetricWrapper(distance)(zero, theirs)
    close(metrics.MeanMetricWrapper(distance)(zero, ours), expected)


def test_functions_make_metrics():
    metric = metrics.MeanMetricWrapper(metrics.binary_accuracy, threshold=0.3)
    assert metric.name == "binary_accuracy" and float(metric([1.0, 0.0], [0.4, 0.4])) == 0.5


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mse", "MeanSquaredError"),
        ("MAE", "MeanAbsoluteError"),
        ("rmse", "RootMeanSquaredError"),
        ("bce", "BinaryCrossentropy"),
        ("accuracy", "Accuracy"),
        ("sparse_categorical_accuracy", "SparseCategoricalAccuracy"),
        ("AUC", "AUC"),
        ("auc", "AUC"),
        ("Precision", "Precision"),
        ("mean_io_u", None),
    ],
)
def test_short_names(name, kind):
    if kind is None:
        with pytest.raises(TypeError, match="num_classes"):
            metrics.get(name)
    else:
        assert type(metrics.get(name)).__name__ == kind


def test_state_of_every_spelling():
    class Spelled(metrics.Metric):
        def __init__(self):
            super().__init__("spelled", "float32")
            self.one = self.add_weight("one", (2,))
            self.two = self.add_weight(shape=(3,), initializer="ones", name="two")
            self.three = self.add_variable((), "zeros", name="three", dtype="int32")

    metric = Spelled()
    assert [tuple(v.shape) for v in metric.variables] == [(2,), (3,), ()]
    assert metric.three.dtype == "int32" and np.asarray(metric.two).tolist() == [1, 1, 1]


# ---- errors


def test_errors_say_what_to_do():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.total = self.add_weight(name="total")

    with pytest.raises(RuntimeError, match="super\\(\\).__init__"):
        Forgetful()
    with pytest.raises(ValueError, match="'MeanSquaredError'"):
        metrics.get("MeanSquaredErorr")
    with pytest.raises(ValueError, match="thresholds must be in"):
        metrics.Precision(thresholds=[0.5, 1.5])
    with pytest.raises(ValueError, match="curve must be one of"):
        metrics.AUC(curve="RCO")
    with pytest.raises(ValueError, match="class_id needs predictions"):
        metrics.Precision(class_id=1).update_state([1.0], [0.4])
    with pytest.raises(NotImplementedError, match="update_state"):
        metrics.Metric(name="empty").update_state()
    with pytest.raises(TypeError, match="trainable"):
        metrics.Mean().add_weight(name="x", trainable=True)
