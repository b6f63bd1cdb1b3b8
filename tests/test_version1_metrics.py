"""TensorFlow 1's metrics of ranked classes, their weights, and rates at a threshold, beside TensorFlow itself."""

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1
from tests.support.parity import outcome, reference

SCORES = np.array([[0.9, 0.1, 0.2], [0.1, 0.5, 0.7]], np.float32)
TOP = np.array([[0, 2], [2, 2]], np.int64)
LABELS = {
    "twice": [[0, 0], [1, 2]],
    "three times": [[1, 1, 0], [2, 2, 2]],
    "too large": [[0, 9], [3, 1]],
    "negative": [[0, -1], [-1, -2]],
    "one": [[0], [2]],
    "flat": [0, 1],
    "no class": [[7], [-3]],
    "none": [[], []],
}


def sparse(tf, rows, shape):
    places = [[i, j] for i, row in enumerate(rows) for j, _ in enumerate(row)]
    values = np.array([label for row in rows for label in row], np.int64)
    return tf.SparseTensor(np.array(places, np.int64).reshape(-1, 2), values, shape)


def ranked(tf):
    """Returns the values of metrics after one batch and after two, and the names of what they keep."""
    v1, found = tf.compat.v1, {}
    with tf.Graph().as_default(), v1.Session() as session:
        top = tf.constant(TOP)
        for name, rows in LABELS.items():
            labels = np.array(rows, np.int64)
            found[name, 1, "r"] = v1.metrics.recall_at_k(labels, SCORES, 1)
            found[name, 2, 2, "r"] = v1.metrics.recall_at_k(labels, SCORES, 2, 2)
            found[name, 2, 9, "p"] = v1.metrics.precision_at_k(labels, SCORES, 2, 9)
            found[name, "average"] = v1.metrics.average_precision_at_k(labels, SCORES, 2)
            for number in (None, 0):
                found[name, "top", number, "r"] = v1.metrics.recall_at_top_k(labels, top, class_id=number)
                found[name, "top", number, "p"] = v1.metrics.precision_at_top_k(labels, top, 2, number)
        for name, rows in {"sparse": [[0, 0, 1], []], "outside": [[0, 9], [-1]]}.items():
            labels = sparse(tf, rows, [2, 3])
            found[name, "r"] = v1.metrics.recall_at_k(labels, SCORES, 2)
            found[name, "p"] = v1.metrics.precision_at_k(labels, SCORES, 2)
        labels = np.array([[0, 1], [1, 0]], np.int64)
        for weights in ([1.0, 0.0], 0.5, [1.0]):
            found["weights", str(weights)] = v1.metrics.recall_at_k(labels, SCORES, 2, weights=weights)
            found["average", str(weights)] = v1.metrics.average_precision_at_k(labels, SCORES, 2, weights)
        found["more dimensions"] = v1.metrics.recall_at_k(labels[None], SCORES[None], 2, name="mine")
        kept = [v.name for v in v1.local_variables() if "max" not in v.name]
        session.run(v1.local_variables_initializer())
        values, updates = (list(part) for part in zip(*found.values(), strict=True))
        results = [session.run(updates), session.run(updates), session.run(values)]
        return {key: [row[i] for row in results] for i, key in enumerate(found)}, kept


def test_ranked_classes():
    expected, names = ranked(reference())
    found, ours = ranked(tf)
    for key, values in expected.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-6, err_msg=str(key))
    assert ours == names


VALUES = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], np.float32)
TRUE = np.array([[1, 0, 1], [0, 0, 1]], bool)
METRICS = {
    "mean": lambda m, w: m.mean(VALUES, w),
    "mean_tensor": lambda m, w: m.mean_tensor(VALUES, w),
    "accuracy": lambda m, w: m.accuracy(TRUE, VALUES > 2, w),
    "true_positives": lambda m, w: m.true_positives(TRUE, VALUES > 2, w),
    "recall": lambda m, w: m.recall(TRUE, VALUES > 2, w),
    "auc": lambda m, w: m.auc(TRUE, VALUES / 6, w, num_thresholds=10),
    "precision_at_thresholds": lambda m, w: m.precision_at_thresholds(TRUE, VALUES / 6, [0.3, 0.5], w),
    "percentage_below": lambda m, w: m.percentage_below(VALUES, 3.5, w),
    "mean_cosine_distance": lambda m, w: m.mean_cosine_distance(VALUES / 9, VALUES / 7, 1, w),
    "specificity_at_sensitivity": lambda m, w: m.specificity_at_sensitivity(TRUE, VALUES / 6, 0.5, w, 10),
}
WEIGHTS = [(2,), (2, 1), (1, 3), (1, 2), (2, 3, 1), (3,), (), (2, 5), (1, 1), (1,), (2, 3, 2)]


def weighted(tf, name):
    def of(shape):
        def case(tf):
            weights = np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape).astype(np.float32)
            with tf.Graph().as_default(), tf.compat.v1.Session() as session:
                value, update = METRICS[name](tf.compat.v1.metrics, weights)
                session.run(tf.compat.v1.local_variables_initializer())
                return [session.run(update), session.run(value)]

        return outcome(tf, case)

    return [of(shape) for shape in WEIGHTS]


@pytest.mark.parametrize("name", METRICS)
def test_weights_have_the_rank_of_the_values(name):
    for shape, found, expected in zip(WEIGHTS, weighted(tf, name), weighted(reference(), name), strict=True):
        assert found[0] == expected[0], (shape, found)
        if found[0] == "value":
            for one, other in zip(found[1], expected[1], strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=str(shape))
        else:
            assert isinstance(found[1], ValueError) and "weights" in str(found[1])


def rates(tf):
    rng, v1 = np.random.default_rng(0), tf.compat.v1
    labels, scores = rng.random(50) > 0.5, rng.random(50).astype(np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        pairs = [
            metric(labels, scores, target, num_thresholds=30)
            for metric in (v1.metrics.sensitivity_at_specificity, v1.metrics.specificity_at_sensitivity)
            for target in (0.0, 0.2, 0.5, 0.9, 1.0)
        ]
        session.run(v1.local_variables_initializer())
        return session.run([update for _, update in pairs]), session.run([value for value, _ in pairs])


def test_rates_at_a_threshold():
    np.testing.assert_allclose(rates(tf), rates(reference()), rtol=1e-5)
    with tf.Graph().as_default(), pytest.raises(ValueError, match="0, 1"):
        v1.metrics.sensitivity_at_specificity([True], [0.5], 1.5)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (np.zeros((2, 2), np.float32), TypeError),
        (np.zeros((1, 2, 2), np.int64), ValueError),
        ([[0, 0]], ValueError),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, kind):
    with tf.Graph().as_default(), pytest.raises(kind, match="labels"):
        v1.metrics.recall_at_k(labels, SCORES, 2)
