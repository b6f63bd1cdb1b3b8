"""Models of several inputs and outputs: losses, metrics, weights and targets by output, beside Keras."""

import numpy as np
import pytest

from dovetail import keras
from tests.keras.pairs import close, labels, one_hot, peer, regression

X, Y = regression()
_, YC = labels()
WEIGHT = np.linspace(0.2, 2.0, 70).astype("float32")


@pytest.fixture(scope="module")
def references():
    return {}


def two_by_two(k, dict_outputs=False, dict_inputs=False):
    a, b = k.Input((4,), name="a"), k.Input((2,), name="b")
    both = k.layers.Concatenate()([k.layers.Dense(5, activation="tanh")(a), k.layers.Dense(3)(b)])
    left, right = (
        k.layers.Dense(1, name="left")(both),
        k.layers.Dense(3, activation="softmax", name="right")(both),
    )
    outputs = {"left": left, "right": right} if dict_outputs else [left, right]
    return k.Model({"a": a, "b": b} if dict_inputs else [a, b], outputs)


B = np.random.default_rng(3).normal(size=(70, 2)).astype("float32")
SPARSE = "sparse_categorical_crossentropy"

# Name: (arguments of the model, of compile, x, y, sample weights).
SEVERAL = {
    "one_loss": ({}, {"loss": "mse"}, [X, B], [Y, one_hot(YC)], None),
    "lists": (
        {},
        {"loss": ["mse", SPARSE], "loss_weights": [1.0, 0.2], "metrics": [["mae"], ["accuracy"]]},
        [X, B],
        [Y, YC],
        None,
    ),
    "dicts_on_lists": (
        {},
        {
            "loss": {"left": "mse", "right": SPARSE},
            "loss_weights": {"left": 0.3, "right": 1.0},
            "metrics": {"left": ["mae", "mse"], "right": "accuracy"},
        },
        {"a": X, "b": B},
        {"left": Y, "right": YC},
        None,
    ),
    "dicts": (
        {"dict_inputs": True, "dict_outputs": True},
        {
            "loss": {"left": "mse", "right": SPARSE},
            "loss_weights": {"left": 0.3, "right": 1.0},
            "metrics": {"right": ["accuracy"]},
        },
        {"b": B, "a": X},
        {"right": YC, "left": Y},
        None,
    ),
    "weights": (
        {"dict_outputs": True},
        {"loss": {"left": "mse", "right": SPARSE}, "weighted_metrics": {"left": ["mae"]}},
        [X, B],
        {"left": Y, "right": YC},
        {"left": WEIGHT, "right": WEIGHT[::-1].copy()},
    ),
    "weight_lists": (
        {},
        {"loss": ["mse", SPARSE], "weighted_metrics": [["mae"], ["accuracy"]]},
        [X, B],
        [Y, YC],
        [WEIGHT, WEIGHT[::-1].copy()],
    ),
    "partial": (
        {"dict_outputs": True},
        {"loss": {"left": "mse"}, "metrics": {"left": ["mae"]}},
        [X, B],
        {"left": Y, "right": YC},
        None,
    ),
}


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("case", SEVERAL)
@pytest.mark.parametrize("run_eagerly", [False, True], ids=["compiled", "eager"])
def test_several_inputs_and_outputs(case, run_eagerly, references):
    options, compiling, x, y, weight = SEVERAL[case]
    run = {"verbose": 0, "batch_size": 32}

    def outcome(model, run_eagerly=False):
        model.compile(optimizer="sgd", **compiling, run_eagerly=run_eagerly)
        history = model.fit(x, y, sample_weight=weight, epochs=2, shuffle=False, **run).history
        evaluated = model.evaluate(x, y, sample_weight=weight, return_dict=True, **run)
        return history, evaluated, model.predict(x, **run), model.get_weights()

    if case not in references:
        theirs = two_by_two(peer(), **options)
        references[case] = theirs.get_weights(), outcome(theirs)
    ours = two_by_two(keras, **options)
    ours.set_weights(references[case][0])
    for what, own, value in zip(
        ("history", "evaluate", "predict", "weights"), outcome(ours, run_eagerly), references[case][1]
    ):
        close(own, value, what)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_targets_of_outputs_without_a_loss_may_be_left_out():
    model = two_by_two(keras, dict_outputs=True)
    start, results = model.get_weights(), []
    for y in ({"left": Y, "right": YC}, {"left": Y}):
        model.set_weights(start)
        model.compile("sgd", {"left": "mse"}, metrics={"left": ["mae"], "right": ["accuracy"]})
        results.append(model.fit([X, B], y, shuffle=False, verbose=0).history)
    assert sorted(results[1]) == ["left_mae", "loss"]
    close(results[1], {name: results[0][name] for name in results[1]})


def test_predict_on_structures():
    model = two_by_two(keras, dict_outputs=True, dict_inputs=True)
    result = model.predict({"a": X, "b": B}, verbose=0)
    assert {name: value.shape for name, value in result.items()} == {"left": (70, 1), "right": (70, 3)}
    one = model.predict({"a": X[:1], "b": B[:1]}, verbose=0)
    close({name: value[:1] for name, value in result.items()}, one)
    model = two_by_two(keras)
    assert [value.shape for value in model.predict([X, B], verbose=0)] == [(70, 1), (70, 3)]
    assert [value.shape for value in model.predict_on_batch([X, B])] == [(70, 1), (70, 3)]


def test_class_weights_need_one_output():
    model = two_by_two(keras)
    model.compile("sgd", ["mse", SPARSE])
    with pytest.raises(ValueError, match="several outputs"):
        model.fit([X, B], [Y, YC], class_weight={0: 1.0}, verbose=0)


def test_outputs_without_names_are_numbered():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.one, self.two = keras.layers.Dense(1), keras.layers.Dense(2)

        def call(self, inputs):
            return self.one(inputs), self.two(inputs)

    model = Two()
    model.compile("sgd", ["mse", "mae"], metrics=[["mae"], ["mse"]])
    history = model.fit(X, [Y, X[:, :2]], verbose=0).history
    assert sorted(history) == ["loss", "output_1_loss", "output_1_mae", "output_2_loss", "output_2_mse"]
    values = model.evaluate(X, [Y, X[:, :2]], verbose=0, return_dict=True)
    assert list(values) == ["loss", "output_1_loss", "output_2_loss", "output_1_mae", "output_2_mse"]
    assert type(model.predict(X, verbose=0)) is tuple


def test_wrong_output_names_are_named():
    model = two_by_two(keras)
    model.compile("sgd", {"left": "mse", "wright": "mse"})
    with pytest.raises(ValueError, match="'right'"):
        model.fit([X, B], [Y, YC], verbose=0)
