"""Bad arguments that both Keras refuse and that are accepted here: none, of a sample drawn anew from a fixed seed.

For each class a value of a wrong kind or out of range is drawn for an argument; the object is made and used.
"""

import contextlib
import inspect
import io
import os
import warnings

import numpy as np
import pytest

from dovetail import keras
from tests.keras.test_bad_input_arguments import NEEDED

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

RNG = np.random.default_rng(17)
X = RNG.random((6, 4)).astype("float32")
Y = np.eye(4, dtype="float32")[[0, 1, 2, 3, 0, 1]]
VALUES = ("bogus", -1, 1.5, 0, [object()], {"a": 1}, None, True, (1, 2, 3), 2, 100, float("nan"))
DRAWN = 120

# What both refuse for reasons that are not the argument's, or that serves here: (argument, value).
ALLOWED = {
    ("epsilon", "None"),  # the default epsilon, as Keras 2 once said
    ("epsilon_2", "None"),
    ("weight_decay", "None"),
    ("initial_learning_rate", "*"),  # whole numbers: there, int32 arithmetic fails
    ("learning_rate", "*"),  # the same
    ("beta", "*"),  # of F-scores: there, a whole number is no number
}
SKIPPED = {
    *("Loss", "LossFunctionWrapper", "Metric", "MeanMetricWrapper", "Optimizer", "LossScaleOptimizer"),
    *("LearningRateSchedule", "MultiOptimizer", "OptimizerMap"),
}


def used_as(kind, name, made, k):
    if kind == "losses":
        made(Y, X)
    elif kind == "optimizers.schedules":
        made(3)
    elif "IoU" in name:
        rows = (np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]))
        made.update_state(*(rows if "OneHot" not in name else (np.eye(2)[row] for row in rows)))
    elif name.startswith("Sparse"):
        made.update_state(np.array([0, 1, 2, 3, 0, 1]), X)
    else:
        made.update_state(*((X,) if name in ("Mean", "Sum", "MeanTensor") else (Y, X)))
    if kind == "metrics":
        made.result()


def accepts(k, kind, name, arguments):
    """Returns whether the object can be made and used."""
    module = k
    for part in kind.split("."):
        module = getattr(module, part)
    if not hasattr(module, name):
        return False
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            used_as(kind, name, getattr(module, name)(**arguments), k)
        except Exception:  # noqa: BLE001 - whatever they raise
            return False
    return True


def drawn():
    """Yields `(kind, class, argument, value)`."""
    rows = []
    for kind in ("losses", "metrics", "optimizers.schedules"):
        module = keras
        for part in kind.split("."):
            module = getattr(module, part)
        for name in sorted(set(module.__all__) - SKIPPED):
            made = getattr(module, name)
            if isinstance(made, type) and name != "Reduction":
                for argument in inspect.signature(made).parameters:
                    rows += [(kind, name, argument, value) for value in VALUES]
    yield from (rows[i] for i in sorted(RNG.choice(len(rows), DRAWN, replace=False)))


def test_what_both_keras_refuse_is_refused():
    peers = [pytest.importorskip("keras"), pytest.importorskip("tf_keras")]
    wrong = []
    for kind, name, argument, value in drawn():
        if {(argument, repr(value)), (argument, "*")} & ALLOWED:
            continue
        arguments = {**NEEDED.get(name, {}), argument: value}
        if accepts(keras, kind, name, arguments) and not any(
            accepts(k, kind, name, arguments) for k in peers
        ):
            wrong.append(f"{kind}.{name}({argument}={value!r})")
    assert not wrong, f"accepted here, refused by Keras and by tf_keras: {wrong}"
