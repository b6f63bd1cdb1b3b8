"""`model.summary()`: what the table says."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.pairs import mlp


def text_of(model, **options):
    lines = []
    model.summary(print_fn=lines.append, **options)
    return "\n".join(lines)


def rows_of(model, **options):
    """Returns the cells of the table, row by row."""
    rows = [[]]
    for line in text_of(model, **options).splitlines():
        if line.startswith("├"):
            rows.append([])
        elif line.startswith("│"):
            cells = [cell.strip() for cell in line.strip("│").split("│")]
            rows[-1] = [" ".join(pair).strip() for pair in zip(rows[-1] or [""] * len(cells), cells)]
    return rows


def test_layers_shapes_and_numbers():
    model = mlp(keras)
    names = [layer.name for layer in model.layers]
    assert rows_of(model) == [
        ["Layer (type)", "Output Shape", "Param #"],
        [f"{names[0]} (Dense)", "(None, 8)", "40"],
        [f"{names[1]} (Dense)", "(None, 1)", "9"],
    ]
    text = text_of(model)
    assert text.startswith(f'Model: "{model.name}"')
    assert "Total params: 49 (196.00 B)" in text
    assert "Trainable params: 49 (196.00 B)" in text
    assert "Non-trainable params: 0 (0.00 B)" in text


def test_frozen_weights_and_statistics_are_counted_apart():
    model = keras.Sequential(
        [keras.Input((300,)), keras.layers.Dense(1000, trainable=False), keras.layers.BatchNormalization()]
    )
    text = text_of(model, show_trainable=True)
    assert "Total params: 305,000 (1.16 MB)" in text
    assert "Trainable params: 2,000 (7.81 KB)" in text
    assert "Non-trainable params: 303,000 (1.16 MB)" in text
    assert [row[-1] for row in rows_of(model, show_trainable=True)] == ["Trainable", "N", "Y"]


def branched():
    x, y = keras.Input((4,), name="x"), keras.Input((4,), name="y")
    one = keras.layers.Dense(3, name="one")
    both = tf.concat([one(x), one(y) * 2.0], axis=-1)
    return keras.Model([x, y], keras.layers.Dense(1, name="out")(both), name="branched")


def test_branches_show_where_layers_are_connected():
    rows = {row[0]: row for row in rows_of(branched(), line_length=110)}
    assert rows["x (InputLayer)"][1:] == ["(None, 4)", "0", "-"]
    assert rows["one (Dense)"][1:] == ["(None, 3)", "15", "x[0][0] y[0][0]"]
    assert rows["out (Dense)"][-1] == "tf.concat[0][0]"
    concat = rows["tf.concat (TFOpLambda)"]
    assert concat[1] == "(None, 6)"
    assert concat[-1].startswith("one[0][0] tf.")
    assert any(row[-1] == "one[1][0]" for row in rows.values())


def test_models_inside_can_be_opened():
    inner = mlp(keras, 3)
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(1, name="last")(inner(x)))
    closed, opened = text_of(model), text_of(model, expand_nested=True)
    assert f"{inner.name} (Sequential)" in closed
    assert inner.layers[0].name not in closed
    assert all(f"{layer.name} (Dense)" in opened for layer in inner.layers)


def test_a_range_of_layers():
    model = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(4, name=f"d{i}") for i in range(4))])
    names = [row[0] for row in rows_of(model, layer_range=["d1", "d2"])]
    assert names == ["Layer (type)", "d1 (Dense)", "d2 (Dense)"]
    with pytest.raises(ValueError, match="'d7'"):
        model.summary(layer_range=["d1", "d7"])


def test_models_that_are_not_built():
    model = keras.Sequential([keras.layers.Dense(3, name="later")])
    text = text_of(model)
    assert "later (Dense)" in text
    assert "0 (unbuilt)" in text
    assert "not built yet" in text


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.many = keras.layers.Dense(3), [keras.layers.Dense(2), keras.layers.Dense(1)]

    def call(self, inputs):
        hidden = self.hidden(inputs)
        for layer in self.many:
            hidden = layer(hidden)
        return hidden


def test_subclassed_models():
    model = Net()
    model(np.zeros((2, 4), "float32"))
    assert [row[2] for row in rows_of(model)[1:]] == ["15", "8", "3"]
    assert "Total params: 26" in text_of(model)


def test_the_width_is_kept_and_nothing_is_cut():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="a_layer_with_a_rather_long_name_indeed")]
    )
    for width in (50, 80, 120):
        lines = text_of(model, line_length=width).splitlines()
        assert max(len(line) for line in lines) <= width
    name = rows_of(model, line_length=50)[1][0].replace(" ", "")
    assert name == "a_layer_with_a_rather_long_name_indeed(Dense)"


def test_it_prints_by_default(capsys):
    mlp(keras).summary()
    assert "Total params: 49" in capsys.readouterr().out
