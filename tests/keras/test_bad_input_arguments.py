"""Bad arguments of Keras' classes: what was given, what was expected, and the user's line, for every class."""

import inspect
import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.layer_rows import CASES

HERE = os.path.basename(__file__)
EXPECTED = (ValueError, TypeError)
X = np.ones((8, 4), "float32")
Y = np.ones((8, 1), "float32")

# Arguments that a class cannot do without.
NEEDED = {
    "LearningRateScheduler": {"schedule": lambda epoch, rate: rate},
    "ModelCheckpoint": {"filepath": "x.weights.h5", "save_weights_only": True},
    "CSVLogger": {"filename": "x.csv"},
    "MeanIoU": {"num_classes": 2},
    "OneHotMeanIoU": {"num_classes": 2},
    "IoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "MeanRelativeError": {"normalizer": [1.0]},
    "MultiOptimizer": {"optimizer_map": keras.optimizers.OptimizerMap(keras.optimizers.SGD())},
    "CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": 10},
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10},
    "PiecewiseConstantDecay": {"boundaries": [1], "values": [0.1, 0.2]},
}
BASES = {
    "losses": keras.losses.Loss,
    "metrics": keras.metrics.Metric,
    "optimizers": keras.optimizers.Optimizer,
    "optimizers.schedules": keras.optimizers.schedules.LearningRateSchedule,
    "initializers": keras.initializers.Initializer,
    "regularizers": keras.regularizers.Regularizer,
    "constraints": keras.constraints.Constraint,
    "callbacks": keras.callbacks.Callback,
}
SKIPPED = {
    "LambdaCallback",
    "MeanMetricWrapper",
    "LossFunctionWrapper",
    "LossScaleOptimizer",
    "CallbackList",
    "OrbaxCheckpoint",
}


def classes():
    """Yields `(class, arguments)` of everything that Keras constructs."""
    for case in {case.kind: case for case in CASES}.values():
        if case.inner is None:
            yield getattr(keras.layers, case.kind), dict(case.kwargs)
    for path, base in BASES.items():
        module = keras
        for part in path.split("."):
            module = getattr(module, part)
        found = {
            value for value in vars(module).values() if isinstance(value, type) and issubclass(value, base)
        }
        for kind in sorted(found - {base}, key=lambda kind: kind.__name__):
            if kind.__name__ not in SKIPPED:
                yield kind, dict(NEEDED.get(kind.__name__, {}))


ALL = list(classes())
EVERY = pytest.mark.parametrize(("kind", "arguments"), ALL, ids=[kind.__name__ for kind, _ in ALL])


def refused(call, *parts):
    """Expects an error whose message has all parts and the place, once."""
    with pytest.raises(EXPECTED) as caught:
        call()
    message = str(caught.value)
    for part in [*parts, HERE]:
        assert part in message, f"{part!r} is missing in: {message}"
    assert message.count(HERE) == 1, message


@EVERY
def test_unknown_arguments(kind, arguments):
    refused(lambda: kind(**arguments, bogus_argument=1), kind.__name__, "unknown argument 'bogus_argument'")


@EVERY
def test_flags(kind, arguments):
    """What is neither true nor false is no flag."""
    for name, parameter in inspect.signature(kind).parameters.items():
        if type(parameter.default) is bool:
            refused(lambda name=name: kind(**{**arguments, name: "no"}), name, "True or False", "'no'")


@pytest.mark.filterwarnings("ignore:.*mode .* is unknown")
@EVERY
def test_values_of_the_wrong_type(kind, arguments):
    """Whatever is refused is refused in full: the class, the value, the place."""
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        for value in ("bogus", -1, 1.5, object(), [object()], {"a": 1}):
            try:
                kind(**{**arguments, name: value})
            except (*EXPECTED, NotImplementedError) as error:
                assert HERE in str(error), f"{name}={value!r}: {error}"


NAMED = (keras.losses.Loss, keras.metrics.Metric, keras.optimizers.Optimizer, keras.layers.Layer)


@pytest.mark.parametrize(
    "kind", [kind for kind, _ in ALL if issubclass(kind, NAMED)], ids=lambda k: k.__name__
)
def test_names_are_strings(kind):
    arguments = dict(next(arguments for other, arguments in ALL if other is kind))
    refused(lambda: kind(**{**arguments, "name": 3}), kind.__name__, "name must be a string", "3")


def dense(**more):
    return lambda: keras.layers.Dense(4, **more)


CONSTRUCTION = {
    "units": (lambda: keras.layers.Dense("a"), ["Dense", "units", "'a'"]),
    "fractional window": (lambda: keras.layers.Conv2D(4, 2.5), ["Conv2D", "kernel_size", "2.5"]),
    "digits for a window": (lambda: keras.layers.Conv2D(4, "33"), ["Conv2D", "kernel_size", "'33'"]),
    "truth for a size": (lambda: keras.layers.Embedding(3, True), ["Embedding", "output_dim", "True"]),
    "trainable": (dense(trainable="no"), ["Dense", "trainable", "'no'"]),
    "noise shape": (lambda: keras.layers.Dropout(0.5, noise_shape="bogus"), ["noise_shape", "'bogus'"]),
    "momentum": (lambda: keras.layers.BatchNormalization(momentum="a"), ["momentum", "'a'"]),
    "rate of an optimizer": (lambda: keras.optimizers.SGD("abc"), ["SGD", "'abc'"]),
    "a class for a rate": (
        lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay),
        ["SGD", "instance"],
    ),
    "beta": (lambda: keras.optimizers.Adam(beta_1="abc"), ["Adam", "beta_1", "'abc'"]),
    "clipnorm": (lambda: keras.optimizers.Adam(clipnorm="abc"), ["Adam", "clipnorm", "'abc'"]),
    "steps of a schedule": (
        lambda: keras.optimizers.schedules.PolynomialDecay(0.1, "a"),
        ["PolynomialDecay", "'a'"],
    ),
    "schedule": (lambda: keras.callbacks.LearningRateScheduler("a"), ["function", "'a'"]),
    "monitor": (lambda: keras.callbacks.EarlyStopping(3), ["EarlyStopping", "monitor", "3"]),
    "patience": (lambda: keras.callbacks.EarlyStopping(patience="a"), ["EarlyStopping", "patience", "'a'"]),
    "shape": (lambda: keras.initializers.Zeros()((2.5, 3)), ["2.5"]),
    "input shape": (lambda: keras.Input((-1,)), ["keras.Input", "-1"]),
    "two input shapes": (lambda: keras.Input((3,), batch_shape=(1, 3)), ["keras.Input", "(3,)", "(1, 3)"]),
    "thresholds": (lambda: keras.metrics.Precision(thresholds="a"), ["Precision", "'a'"]),
}


@pytest.mark.parametrize("name", CONSTRUCTION)
def test_constructors(name):
    call, parts = CONSTRUCTION[name]
    refused(call, *parts)


def model():
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    net.compile("sgd", "mse")
    return net


USE = {
    "a word for a tensor": (
        lambda: keras.layers.Dropout(0.5, name="drop")("abc"),
        ["drop", "tensor", "'abc'"],
    ),
    "nothing for a tensor": (lambda: keras.layers.UpSampling2D(name="up")(None), ["up", "received 0"]),
    "an object for predictions": (lambda: keras.losses.MeanSquaredError()(Y, object()), ["object"]),
    "an object for an update": (lambda: keras.metrics.Mean().update_state(object()), ["object"]),
    "no gradients": (lambda: keras.optimizers.SGD().apply_gradients(None), ["SGD.apply_gradients", "None"]),
    "step of a schedule": (
        lambda: keras.optimizers.schedules.PolynomialDecay(0.1, 9)("a"),
        ["PolynomialDecay"],
    ),
    "weights": (lambda: model().set_weights(5), ["Sequential.set_weights", "5"]),
    "epochs": (lambda: model().fit(X, Y, epochs="a", verbose=0), ["Sequential.fit", "'a'"]),
    "batch size": (lambda: model().fit(X, Y, batch_size=2.5, verbose=0), ["2.5"]),
    "steps per execution": (
        lambda: model().compile("sgd", "mse", steps_per_execution=0),
        ["steps_per_execution", "0"],
    ),
    "callbacks": (lambda: model().fit(X, Y, callbacks=5, verbose=0), ["5"]),
    "class weights": (lambda: model().fit(X, Y, class_weight="balanced", verbose=0), ["'balanced'"]),
    "optimizer": (lambda: model().compile(5), ["5"]),
    "file": (lambda: model().load_weights(5), ["Sequential.load_weights", "5"]),
    "layer": (lambda: keras.Sequential().add(5), ["5"]),
    "classes": (lambda: keras.utils.to_categorical([0.5, 1.0]), ["keras.utils.to_categorical", "0.5"]),
    "axis": (lambda: keras.utils.normalize(X, axis=7), ["keras.utils.normalize", "7"]),
    "epsilon": (lambda: keras.backend.set_epsilon("a"), ["set_epsilon", "'a'"]),
}


@pytest.mark.parametrize("name", USE)
def test_use(name):
    call, parts = USE[name]
    refused(call, *parts)


@pytest.mark.parametrize(
    "kind", [*(path for path in BASES if path != "callbacks"), "layers", "activations"], ids=lambda kind: kind
)
@pytest.mark.parametrize("config", [{"class_name": "Bogus"}, {}, 5, [1]], ids=str)
def test_what_is_no_config(kind, config):
    module = keras
    for part in kind.split("."):
        module = getattr(module, part)
    refused(lambda: module.deserialize(config), "config", repr(config))


class Own(keras.layers.Layer):
    """A layer of a user's, with errors of its own."""

    def __init__(self, size=1):
        super().__init__()
        if not isinstance(size, int):
            raise KeyError("my own check")

    def call(self, inputs):
        return inputs.undefined


def test_errors_of_users_classes_stay_as_they_are():
    with pytest.raises(KeyError, match="^'my own check'$"):
        Own("a")
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'undefined'"):
        Own()(tf.ones((2, 2)))

    class Bad(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyError(epoch)

    with pytest.raises(KeyError, match="^0$"):
        model().fit(X, Y, verbose=0, callbacks=[Bad()])


def test_a_users_subclass_takes_what_it_likes():
    class Twice(keras.layers.Dense):
        def __init__(self, units, use_bias="perhaps", **kwargs):
            super().__init__(units, use_bias=use_bias == "surely", **kwargs)

    assert Twice(3)(tf.ones((2, 4))).shape == (2, 3)
    assert inspect.signature(keras.layers.Dense).parameters["units"].default is inspect.Parameter.empty
