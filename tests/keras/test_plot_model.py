"""`keras.utils.plot_model`: pictures are written, nothing overlaps, and arrows say what feeds what."""

import itertools
import sys

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras.utils import plotting
from tests.keras.pairs import mlp

pytest.importorskip("matplotlib")


def attention():
    """A model with branches, raw ops, and a layer that is called twice."""
    x = keras.Input((8, 16), name="tokens")
    mask = keras.Input((8,), name="mask")
    dense = keras.layers.Dense(16, name="shared")
    q, k, v = dense(x), dense(x), keras.layers.Dense(16, name="values")(x)
    scores = tf.matmul(q, k, transpose_b=True) / 4.0
    scores = tf.where(mask[:, tf.newaxis] > 0.0, scores, -1e9)
    mixed = tf.matmul(tf.nn.softmax(scores), v)
    summed = keras.layers.LayerNormalization()(keras.layers.Add()([mixed, x]))
    return keras.Model(
        [x, mask], keras.layers.Dense(1, name="out")(keras.layers.GlobalAveragePooling1D()(summed))
    )


def nested():
    x = keras.Input((4,))
    return keras.Model(x, keras.layers.Dense(1, name="last")(mlp(keras, 3)(x) + x[:, :3]))


MODELS = {"attention": attention, "nested": nested, "sequential": lambda: mlp(keras)}
OPTIONS = (False, False, False, False, False)


def boxes_of(model, options=OPTIONS, expand=False):
    return plotting._boxes(model, options, expand)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "show_shapes": True,
            "show_dtype": True,
            "show_layer_names": True,
            "expand_nested": True,
            "show_layer_activations": True,
            "show_trainable": True,
        },
        {"rankdir": "LR", "show_shapes": True},
    ],
)
def test_pictures_are_written(name, options, tmp_path):
    path = tmp_path / "model.png"
    keras.utils.plot_model(MODELS[name](), to_file=path, dpi=50, **options)
    from matplotlib import image

    pixels = image.imread(path)
    assert min(pixels.shape[:2]) > 50
    assert pixels[..., :3].min() < 0.5 < pixels[0, 0, 0]


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_other_formats(suffix, tmp_path):
    path = tmp_path / f"model.{suffix}"
    keras.utils.plot_model(mlp(keras), to_file=str(path))
    assert path.stat().st_size > 500


def placed(model, horizontal, expand=True):
    boxes = boxes_of(model, (True, True, True, True, True), expand)
    return boxes, plotting._laid_out(boxes, horizontal)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("horizontal", [False, True])
def test_boxes_neither_overlap_nor_leave_the_picture(name, horizontal):
    boxes, layout = placed(MODELS[name](), horizontal)
    width, height = plotting._turned(layout.across, layout.along, horizontal)
    for box in boxes:
        assert box.width / 2 <= box.x <= width - box.width / 2
        assert box.height / 2 <= box.y <= height - box.height / 2
    for one, two in itertools.combinations(boxes, 2):
        apart_x = abs(one.x - two.x) >= (one.width + two.width) / 2
        apart_y = abs(one.y - two.y) >= (one.height + two.height) / 2
        assert apart_x or apart_y, f"{one.lines} overlaps {two.lines}"


@pytest.mark.parametrize("name", MODELS)
def test_arrows_point_down(name):
    boxes, _ = placed(MODELS[name](), horizontal=False)
    for box in boxes:
        assert all(source.y < box.y for source in box.sources)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("horizontal", [False, True])
def test_lines_run_between_the_boxes(name, horizontal):
    _, layout = placed(MODELS[name](), horizontal)
    for source, box, passed in layout.lines:
        rows = [
            next(i for i, row in enumerate(layout.rows) for s in row if s.box is b) for b in (source, box)
        ]
        assert [spot.row for spot in passed] == list(range(rows[0] + 1, rows[1]))
    for row in layout.rows:
        for one, two in itertools.pairwise(row):
            assert two.centre - one.centre >= (one.size + two.size) / 2 + 0.2


def test_every_layer_has_its_box_and_arrows():
    model = attention()
    boxes = {box.layer.name: box for box in boxes_of(model)}
    assert list(boxes) == [layer.name for layer in model.layers]
    assert {source.layer.name for source in boxes["add"].sources} if "add" in boxes else True
    sources = {name: sorted(source.layer.name for source in box.sources) for name, box in boxes.items()}
    assert sources["shared"] == ["tokens"]
    assert sources["values"] == ["tokens"]
    assert sources["tf.matmul"] == ["shared"]
    assert boxes["tf.matmul"].kind == "op"
    assert boxes["tokens"].kind == "input"
    assert boxes["values"].kind == "layer"


def test_what_the_boxes_say():
    x = keras.Input((4,), name="x")
    dense = keras.layers.Dense(3, activation="relu", name="first", trainable=False)
    model = keras.Model(x, dense(x) * 2.0)
    boxes = {box.layer.name: box.lines for box in boxes_of(model, (True, True, True, True, True))}
    assert boxes["first"] == ["first (Dense)", "activation: relu", "not trainable", "(None, 3)", "float32"]
    assert [box.lines for box in boxes_of(model)][1] == ["Dense"]


def test_shapes_are_those_of_this_model():
    dense = keras.layers.Dense(3, name="dense")
    elsewhere = keras.Input((9, 4))
    dense(elsewhere)
    x = keras.Input((4,))
    model = keras.Model(x, dense(x))
    assert boxes_of(model, (True, False, False, False, False))[1].lines == ["Dense", "(None, 3)"]


def test_models_inside_open():
    model = nested()
    closed, opened = boxes_of(model), boxes_of(model, expand=True)
    assert "Sequential" in [box.lines[0] for box in closed]
    assert "Sequential" not in [box.lines[0] for box in opened]
    assert len(opened) > len(closed)
    last = next(box for box in opened if box.layer.name == "last")
    assert last.sources


def test_subclassed_models():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = keras.layers.Dense(3), keras.layers.Dense(1)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    model = Net()
    model(np.zeros((1, 4), "float32"))
    assert [box.lines for box in boxes_of(model)] == [["Dense"], ["Dense"]]


def test_what_it_refuses(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="rankdir"):
        keras.utils.plot_model(mlp(keras), tmp_path / "x.png", rankdir="BT")
    with pytest.raises(ValueError, match="not built"):
        keras.utils.plot_model(keras.Sequential([keras.layers.Dense(1)]), tmp_path / "x.png")
    with pytest.raises(TypeError, match="colour"):
        keras.utils.plot_model(mlp(keras), tmp_path / "x.png", colour="red")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install"):
        keras.utils.plot_model(mlp(keras), tmp_path / "x.png")
