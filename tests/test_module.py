"""`tf.Module`: what it finds in its attributes, side by side with TensorFlow."""

import pytest

import dovetail as tf
from tests.support import parity


def build(tf):
    """Return a module with variables and modules in every kind of place."""

    class Leaf(tf.Module):
        def __init__(self, name=None):
            super().__init__(name=name)
            self.w = tf.Variable(1.0, name="w")
            self.frozen = tf.Variable(2.0, trainable=False, name="frozen")

    class FooBar2D(tf.Module):
        def __init__(self):
            super().__init__()
            self.z = tf.Variable(0.0, name="z")
            self.b = Leaf("b")
            self.a = [Leaf("a0"), (Leaf("a1"), {"k": Leaf("k"), "c": tf.Variable(3.0, name="c")})]
            self._same = self.b
            self.number, self.text, self.nothing = 1, "x", None

        @tf.Module.with_name_scope
        def make(self):
            return tf.Variable(1.0, name="made").name

    return FooBar2D()


CASES = {
    "variables": lambda tf: [v.name for v in build(tf).variables],
    "trainable": lambda tf: [v.name for v in build(tf).trainable_variables],
    "non-trainable": lambda tf: [v.name for v in build(tf).non_trainable_variables],
    "submodules": lambda tf: [m.name for m in build(tf).submodules],
    "names": lambda tf: [
        build(tf).name,
        build(tf).name_scope.name,
        tf.Module(name="q").name,
        tf.Module().name,
    ],
    "with_name_scope": lambda tf: build(tf).make(),
    "bad name": lambda tf: tf.Module(name="9x"),
    "name with a slash": lambda tf: tf.Module(name="a/b"),
    "flatten with paths": lambda tf: [
        [str(part) for part in path]
        for path, leaf in build(tf)._flatten(with_path=True, predicate=lambda x: isinstance(x, tf.Variable))
    ],
    "flatten once": lambda tf: [
        leaf.name
        for leaf in build(tf)._flatten(recursive=False, predicate=lambda x: isinstance(x, tf.Module))
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_like_tensorflow(name):
    parity.check(CASES[name])


@pytest.mark.parametrize(
    "name",
    ["Dense", "DenseBlock", "Conv2DBlock", "HTTPServer", "MyLSTMCell", "A", "ABTest", "already_snake", "X2y"],
)
def test_class_names_become_snake_case_as_in_tensorflow(name):
    parity.check(lambda tf: type(name, (tf.Module,), {})().name)


def test_a_subclass_that_forgets_super_still_has_variables():
    class Careless(tf.Module):
        def __init__(self):
            self.v = tf.Variable(1.0)

    assert len(Careless().variables) == 1
    with pytest.raises(AttributeError):
        Careless().name


def test_layers_in_a_module_are_searched():
    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.layers = [tf.keras.layers.Dense(2), tf.keras.layers.Dense(1)]

        def __call__(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model = Model()
    model(tf.ones((1, 3)))
    assert [tuple(v.shape) for v in model.trainable_variables] == [(3, 2), (2,), (2, 1), (1,)]


def test_a_module_trains_in_a_compiled_step():
    class Line(tf.Module):
        def __init__(self):
            super().__init__()
            self.w, self.b = tf.Variable(0.0), tf.Variable(0.0)

        @tf.function
        def step(self, x, y):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((self.w * x + self.b - y) ** 2)
            for v, g in zip(
                self.trainable_variables, tape.gradient(loss, self.trainable_variables), strict=True
            ):
                v.assign_sub(0.1 * g)
            return loss

    line = Line()
    x = tf.linspace(-1.0, 1.0, 20)
    for _ in range(200):
        line.step(x, 3 * x + 1)
    assert float(line.w) == pytest.approx(3, abs=1e-2)
    assert float(line.b) == pytest.approx(1, abs=1e-2)
    assert line.step.experimental_get_tracing_count() == 1
