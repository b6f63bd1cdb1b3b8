"""Models: functional, sequential and subclassed; their layers and weights beside Keras', and what they refuse."""

import copy
import gc
import weakref

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from tests.keras.pairs import close, mlp, pair, peer, regression

X, Y = regression()


# ---- order of layers and weights


def diamond(k):
    x = k.Input((4,), name="x")
    a = k.layers.Dense(3, name="a")(x)
    b = k.layers.Dense(3, name="b")(a)
    c = k.layers.Dense(3, name="c")(a)
    return k.Model(x, k.layers.Add(name="sum")([c, b]))


def crossing(k):
    x, y = k.Input((4,), name="x"), k.Input((3,), name="y")
    late = k.layers.Dense(3, name="late")(y)
    long = k.layers.Dense(3, name="long2")(k.layers.Dense(3, name="long1")(x))
    both = k.layers.Concatenate(name="both")([late, long])
    return k.Model([x, y], [k.layers.Dense(1, name="p")(both), k.layers.Dense(2, name="q")(late)])


def shared(k):
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    one = k.layers.Dense(3, name="shared")
    return k.Model([x, y], k.layers.Dense(1, name="out")(k.layers.Concatenate(name="cat")([one(x), one(y)])))


def twice(k):
    x = k.Input((3,), name="x")
    one = k.layers.Dense(3, name="again")
    return k.Model(x, k.layers.Dense(2, name="last")(one(k.layers.Dense(3, name="between")(one(x)))))


def skips(k):
    x = k.Input((4,), name="x")
    a = k.layers.Dense(4, name="a")(x)
    b = k.layers.Dense(4, name="b")(a)
    c = k.layers.Dense(4, name="c")(k.layers.Add(name="s1")([a, b]))
    return k.Model(x, k.layers.Dense(1, name="d")(k.layers.Add(name="s2")([x, a, c])))


def unused(k):
    x, y = k.Input((4,), name="x"), k.Input((3,), name="y")
    k.layers.Dense(3, name="nowhere")(y)
    return k.Model([x, y], k.layers.Dense(1, name="out")(x))


def inner(k):
    a = k.Input((4,), name="in_a")
    part = k.Model(a, k.layers.Dense(3, name="in_dense")(a), name="part")
    stack = k.Sequential(
        [k.Input((3,)), k.layers.Dense(3, name="s1"), k.layers.Dense(2, name="s2")], name="stack"
    )
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Concatenate(name="cat")([stack(part(x)), k.layers.Dense(1, name="side")(x)]))


def frozen(k):
    x = k.Input((4,), name="x")
    dense = k.layers.Dense(3, name="dense", trainable=False)
    return k.Model(x, k.layers.Dense(1, name="out")(k.layers.BatchNormalization(name="norm")(dense(x))))


GRAPHS = [diamond, crossing, shared, twice, skips, unused, inner, frozen]


def described(model):
    """Returns the names of the layers, the shapes of the weights, and which are trained."""
    names = [layer.name for layer in model.layers if type(layer).__name__ not in ("Sequential", "Functional")]
    trained = {id(w) for w in model.trainable_weights}
    shapes = [
        (w.path.split("/", 1)[-1] if False else tuple(w.shape), id(w) in trained) for w in model.weights
    ]
    return names, shapes, [tuple(w.shape) for w in model.trainable_weights], model.count_params()


@pytest.mark.parametrize("build", GRAPHS)
def test_layers_and_weights_are_in_the_order_of_keras(build):
    ours, theirs = pair(build)
    assert described(ours) == described(theirs)
    names = [[w.name for w in model.weights] for model in (ours, theirs)]
    assert names[0] == names[1]
    inputs = [np.random.default_rng(0).normal(size=(5, *t.shape[1:])).astype("float32") for t in ours.inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    close(ours.predict(given, verbose=0), theirs.predict(given, verbose=0))


def test_subclassed_models_hold_what_keras_holds():
    def build(k):
        layers = k.layers

        class Net(k.Model):
            def __init__(self):
                super().__init__()
                self.zeta = layers.Dense(2)
                self.many = [layers.Dense(3), layers.Dense(4)]
                self.named = {"b": layers.Dense(5), "a": layers.BatchNormalization()}
                self.alpha = layers.Dense(6)

            def call(self, inputs):
                for layer in (self.zeta, *self.many, self.named["b"], self.named["a"], self.alpha):
                    inputs = layer(inputs)
                return inputs

        model = Net()
        model(np.ones((2, 4), "float32"))
        return model

    ours, theirs = pair(build)
    assert described(ours)[1:] == described(theirs)[1:]
    assert [type(layer).__name__ for layer in ours.layers] == [
        type(layer).__name__ for layer in theirs.layers
    ]
    close(ours.predict(X, verbose=0), theirs.predict(X, verbose=0))


# ---- functional models


def test_inputs_and_outputs():
    model = crossing(keras)
    assert model.input_names == ["x", "y"]
    assert model.output_names == ["p", "q"]
    assert model.input_shape == [(None, 4), (None, 3)]
    assert model.output_shape == [(None, 1), (None, 2)]
    assert [t.name for t in model.inputs] == ["x", "y"]
    assert model.built
    assert isinstance(model, keras.Functional)
    assert type(model).__name__ == "Functional"


def test_ways_to_pass_inputs():
    model = crossing(keras)
    x, y = X[:5], X[:5, :3]
    expected = [np.asarray(out) for out in model([x, y])]
    for given in ((x, y), {"x": x, "y": y}, {"y": y, "x": x}, [tf.constant(x), y.tolist()]):
        close([np.asarray(out) for out in model(given)], expected)
    with pytest.raises(ValueError, match="'y'.*missing.*Did you mean|'y'.*missing"):
        model({"x": x, "yy": y})
    with pytest.raises(ValueError, match="2 inputs, 1"):
        model([x])
    with pytest.raises(ValueError, match="2 inputs, 3"):
        model([x, y, y])


def test_dicts_of_inputs_and_outputs():
    a, b = keras.Input((2,), name="first"), keras.Input((3,), name="second")
    model = keras.Model(
        {"b": b, "a": a}, {"sum": keras.layers.Dense(1)(b) + a[:, :1], "nested": [a, {"deep": b * 2.0}]}
    )
    values = {"a": np.ones((4, 2), "float32"), "b": np.ones((4, 3), "float32")}
    result = model(values)
    assert sorted(result) == ["nested", "sum"]
    np.testing.assert_array_equal(result["nested"][0], values["a"])
    np.testing.assert_array_equal(result["nested"][1]["deep"], 2 * values["b"])
    np.testing.assert_array_equal(model.predict(values, verbose=0)["nested"][1]["deep"], 2 * values["b"])


def test_models_of_intermediate_outputs():
    model = skips(keras)
    part = keras.Model(model.input, model.get_layer("c").output)
    both = keras.Model(inputs=model.inputs, outputs=[layer.output for layer in model.layers[1:3]])
    x = X[:3]
    assert part(x).shape == (3, 4)
    assert [tuple(t.shape) for t in both(x)] == [(3, 4), (3, 4)]
    rest = keras.Model(model.get_layer("s1").output, model.get_layer("c").output)
    a, b = both(x)
    close(rest(np.asarray(a) + np.asarray(b)), part(x))
    assert len(rest.weights) == 2


def test_models_are_layers():
    part = mlp(keras, 3)
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(1)(part(x) + part(x * 2.0)))
    assert part in model.layers
    assert len(model.weights) == 6
    model.compile("sgd", "mse")
    before = part.get_weights()
    model.fit(X, Y, verbose=0)
    assert (part.get_weights()[0] != before[0]).any()
    part.trainable = False
    assert len(model.trainable_weights) == 2


def test_raw_ops_show_as_layers_and_hold_their_variables():
    scale = tf.Variable([1.0, 2.0, 3.0, 4.0], name="scale")
    x = keras.Input((4,), name="x")
    y = tf.reduce_sum(tf.where(x > 0.0, x * scale, -x), axis=-1, keepdims=True)
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False)(y))
    assert any(v is scale for v in model.trainable_weights)
    assert len(model.weights) == 2
    names = [layer.name for layer in model.layers]
    assert len(set(names)) == len(names)
    assert "tf.where" in names
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = scale.numpy()
    model.fit(X, Y, verbose=0)
    assert (scale.numpy() != before).any()
    other = [np.zeros_like(w) for w in model.get_weights()]
    model.set_weights(other)
    close(scale.numpy(), np.zeros(4))


def test_get_layer():
    model = skips(keras)
    assert model.get_layer("b") is model.layers[2]
    assert model.get_layer(index=2).name == "b"
    assert model.get_layer(index=-1).name == "d"
    with pytest.raises(ValueError, match="'bb'.*Did you mean 'b'|'bb'.*'b'"):
        model.get_layer("bb")
    with pytest.raises(ValueError, match="no layer 99"):
        model.get_layer(index=99)
    with pytest.raises(ValueError, match="name or an index"):
        model.get_layer()


def test_what_functional_models_refuse():
    x, y = keras.Input((4,)), keras.Input((4,), name="loose")
    with pytest.raises(ValueError, match="loose"):
        keras.Model(x, keras.layers.Dense(1)(y))
    with pytest.raises(ValueError, match="symbolic"):
        keras.Model(np.ones((1, 4)), x)
    with pytest.raises(ValueError, match="twice"):
        keras.Model([x, x], keras.layers.Dense(1)(x))
    with pytest.raises(ValueError, match="unique.*same"):
        keras.Model(x, keras.layers.Dense(1, name="same")(keras.layers.Dense(1, name="same")(x)))
    with pytest.raises(TypeError, match="positional"):
        keras.Sequential.__mro__[1](3)


# ---- dtypes and shapes of inputs


def test_inputs_take_the_dtype_of_the_model():
    model = mlp(keras)
    expected = np.asarray(model(X))
    for given in (X.astype("float64"), X.tolist(), tf.constant(X), tf.cast(X, "float64")):
        out = model(given)
        assert out.dtype == tf.float32
        close(out, expected)
    whole = np.arange(8).reshape(2, 4)
    close(model(whole), model(whole.astype("float32")))


def test_vectors_become_columns_and_back():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
    assert model(np.ones(5, "float32")).shape == (5, 2)
    assert model.predict(np.ones(5, "float32"), verbose=0).shape == (5, 2)
    x = keras.Input(())
    scalar = keras.Model(x, x * 2.0)
    assert scalar(np.ones((5, 1), "float32")).shape == (5,)


def test_wrong_shapes_name_the_input_and_the_line():
    model = diamond(keras)
    with pytest.raises(ValueError, match=r"'x'.*\(70, 5\).*test_models\.py:\d+"):
        model(np.ones((70, 5), "float32"))
    with pytest.raises(ValueError, match=r"\(None, 4\).*'x'"):
        model(np.ones((70, 4, 1, 1), "float32"))
    with pytest.raises(ValueError, match=r"received \(4,\).*x\[None\]"):
        model.predict(X[0], verbose=0)
    with pytest.raises(ValueError, match=r"\(\d+, 5\)"):
        model.predict(np.ones((70, 5), "float32"), verbose=0)


def test_a_fixed_batch_size_is_checked():
    x = keras.Input((4,), batch_size=8)
    model = keras.Model(x, keras.layers.Dense(1)(x))
    assert model(X[:8]).shape == (8, 1)
    with pytest.raises(ValueError, match="8"):
        model(X[:7])


# ---- sequential models


def test_a_sequential_model_waits_for_its_input():
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(2)])
    assert not model.built
    assert model.weights == []
    with pytest.raises(AttributeError, match="keras.Input"):
        model.output_shape
    assert model(X).shape == (70, 2)
    assert model.built
    assert model.input_shape == (None, 4)
    assert model.output_shape == (None, 2)
    assert len(model.weights) == 4


@pytest.mark.parametrize(
    "first",
    [
        lambda: [keras.Input((4,)), keras.layers.Dense(3)],
        lambda: [keras.layers.InputLayer((4,)), keras.layers.Dense(3)],
        lambda: [keras.layers.Dense(3, input_shape=(4,))],
        lambda: [keras.layers.Dense(3, input_dim=4)],
    ],
)
def test_ways_to_state_the_input(first):
    model = keras.Sequential(first())
    assert model.built
    assert model.input_shape == (None, 4)
    assert len(model.layers) == 1
    assert model(X).shape == (70, 3)


def test_build_with_a_shape():
    model = keras.Sequential([keras.layers.Dense(3)])
    model.build((None, 4))
    assert [tuple(w.shape) for w in model.weights] == [(4, 3), (3,)]
    with pytest.raises(ValueError, match="no layers"):
        keras.Sequential().build((None, 4))


def test_add_and_pop():
    model = keras.Sequential(name="grown")
    model.add(keras.Input((4,)))
    model.add(keras.layers.Dense(3, name="a"))
    kernel = model.layers[0].kernel
    model.add(keras.layers.Dense(2, name="b"))
    assert model.output_shape == (None, 2)
    assert model.layers[0].kernel is kernel
    assert model.pop().name == "b"
    assert model.output_shape == (None, 3)
    assert [layer.name for layer in model.layers] == ["a"]
    model.pop()
    with pytest.raises(TypeError, match="no layers"):
        model.pop()
    model.add(keras.layers.Dense(5))
    assert model(X).shape == (70, 5)


def test_adding_after_training_trains_what_was_added():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((70, 3)), verbose=0)
    model.add(keras.layers.Dense(1))
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert all((a != b).any() for a, b in zip(model.get_weights()[::2], before[::2]))


def test_what_sequential_models_refuse():
    with pytest.raises(ValueError, match="expected a layer.*7"):
        keras.Sequential([7])
    with pytest.raises(ValueError, match="taken"):
        keras.Sequential([keras.layers.Dense(1, name="a"), keras.layers.Dense(1, name="a")])
    with pytest.raises(ValueError, match="input must come first"):
        keras.Sequential([keras.layers.Dense(1), keras.Input((3,))])


def test_sequential_outputs_join_functional_models():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="mid"), keras.layers.Dense(2)])
    features = keras.Model(model.inputs, model.get_layer("mid").output)
    assert features(X).shape == (70, 3)
    joined = keras.Model(model.input, tf.nn.softmax(model.output))
    close(np.asarray(joined(X)).sum(axis=1), np.ones(70))


# ---- subclassed models


class Net(keras.Model):
    def __init__(self, units=3, **options):
        super().__init__(**options)
        self.hidden = keras.layers.Dense(units, activation="relu")
        self.drop = keras.layers.Dropout(0.5)
        self.out = keras.layers.Dense(1)

    def call(self, inputs, training=False):
        return self.out(self.drop(self.hidden(inputs), training=training))


def test_training_reaches_inner_layers():
    model = Net(64)
    assert np.ptp([np.asarray(model(X[:1], training=True)) for _ in range(5)]) > 0
    assert np.ptp([np.asarray(model(X[:1])) for _ in range(5)]) == 0
    assert np.ptp([model.predict(X[:1], verbose=0) for _ in range(5)]) == 0


def test_a_subclassed_model_builds_from_a_shape():
    model = Net()
    with pytest.raises(ValueError, match="build"):
        model.count_params()
    model.build((None, 4))
    assert len(model.weights) == 4
    assert [w.name for w in model.weights] == ["kernel", "bias", "kernel", "bias"]


class Mixed(keras.Model):
    """Takes a dict with integers in it, and makes a dict."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        hot = tf.one_hot(inputs["class"], 3)
        return {"out": self.dense(tf.concat([hot, inputs["x"]], axis=1)), "kept": inputs["class"]}


def test_subclassed_models_of_dicts():
    model, given = Mixed(), {"x": X, "class": np.arange(70) % 3}
    model.compile("sgd", {"out": "mse"}, metrics={"out": ["mae"]})
    history = model.fit(given, {"out": X[:, :2]}, epochs=2, verbose=0).history
    assert sorted(history) == ["loss", "out_mae"]
    result = model.predict(given, verbose=0)
    assert result["out"].shape == (70, 2)
    np.testing.assert_array_equal(result["kept"], given["class"])
    assert model.dense.kernel.path == f"{model.name}/{model.dense.name}/kernel"


def test_building_from_shapes_of_several_inputs():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, inputs):
            a, b = inputs.values() if isinstance(inputs, dict) else inputs
            return self.dense(a) + b

    for shapes in ([(None, 4), (None, 2)], {"a": (None, 4), "b": (None, 2)}):
        model = Two()
        model.build(shapes)
        assert [tuple(w.shape) for w in model.weights] == [(4, 2), (2,)]


def test_a_model_that_looks_at_values_runs_eagerly():
    class Looking(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, inputs):
            return self.dense(inputs) if tf.reduce_sum(inputs) > 0.0 else self.dense(-inputs)

    assert Looking()(keras.Input((4,))).shape.as_list() == [None, 1]
    model = Looking()
    assert model(X).shape == (70, 1)
    model.compile("sgd", "mse", run_eagerly=True)
    assert len(model.fit(X, Y, verbose=0).history["loss"]) == 1


def test_subclassed_models_called_on_symbolic_tensors():
    x = keras.Input((4,))
    net = Net()
    model = keras.Model(x, net(x) * 2.0)
    close(model(X), 2.0 * np.asarray(net(X)))
    assert len(model.weights) == 4


def test_a_functional_model_as_base_class():
    class Own(keras.Model):
        def __init__(self, units):
            x = keras.Input((4,))
            super().__init__(inputs=x, outputs=keras.layers.Dense(units)(x), name="own")
            self.units = units

    model = Own(3)
    assert (model.units, model.name, model.output_shape) == (3, "own", (None, 3))
    assert model(X).shape == (70, 3)


def test_a_model_without_call_says_so():
    class Empty(keras.Model):
        pass

    with pytest.raises(NotImplementedError, match="call"):
        Empty()(X)


def test_forgetting_super_init_is_named():
    class Hasty(keras.Model):
        def __init__(self):
            self.dense = keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    with pytest.raises(RuntimeError, match="super"):
        Hasty()(X)


def test_layers_added_later_count():
    model = Net()
    model(X)
    assert len(model.trainable_weights) == 4
    model.extra = [keras.layers.Dense(2)]
    model.extra[0].build((None, 4))
    assert len(model.trainable_weights) == 6
    model.extra.append(keras.layers.Dense(2))
    model.extra[1].build((None, 4))
    assert len(model.weights) == len(model.trainable_weights) == 8


def test_inputs_go_in_one_list():
    with pytest.raises(TypeError, match="one list"):
        mlp(keras)(X, X)


def test_a_fixed_training_flag_holds():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5)])
    x = keras.Input((4,))
    model = keras.Model(x, inner(x, training=False))
    close(model(X, training=True), X)


def test_what_counts_as_variables():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    assert len(model.weights) == 2
    assert len(model.variables) == 3
    assert len(model.non_trainable_variables) == 1
    assert len(model.metrics_variables) == 4


# ---- weights


def test_set_weights_assigns_all_or_nothing():
    model = mlp(keras)
    before = model.get_weights()
    with pytest.raises(ValueError, match="4 weights, 3 arrays"):
        model.set_weights(before[:3])
    with pytest.raises(ValueError, match=r"bias.*\(1,\).*\(2,\).*Nothing was assigned"):
        model.set_weights([w + 1 for w in before[:3]] + [np.zeros(2)])
    close(model.get_weights(), before, rtol=0, atol=0)


def test_what_get_weights_returns_is_a_copy():
    model = mlp(keras)
    weights = model.get_weights()
    weights[0][:] = 7
    assert not (model.get_weights()[0] == 7).any()


def test_models_are_collected_when_nobody_holds_them():
    model = mlp(keras)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


# ---- configs and copies


CONFIGURED = [diamond, crossing, shared, twice, skips, inner, frozen, mlp]


@pytest.mark.parametrize("build", CONFIGURED)
def test_a_model_comes_back_from_its_config(build):
    model = build(keras)
    again = type(model).from_config(model.get_config())
    assert described(again) == described(model)
    again.set_weights(model.get_weights())
    inputs = [np.random.default_rng(0).normal(size=(5, *t.shape[1:])).astype("float32") for t in model.inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    close(again.predict(given, verbose=0), model.predict(given, verbose=0))
    assert again.name == model.name


@pytest.mark.parametrize("build", CONFIGURED)
def test_configs_are_those_of_keras(build):
    ours, theirs = pair(build)
    inputs = [np.random.default_rng(0).normal(size=(5, *t.shape[1:])).astype("float32") for t in ours.inputs]
    given = inputs if len(inputs) > 1 else inputs[0]
    expected = theirs.predict(given, verbose=0)
    there = type(theirs).from_config(ours.get_config())
    there.set_weights(theirs.get_weights())
    close(there.predict(given, verbose=0), expected)
    here = type(ours).from_config(theirs.get_config())
    here.set_weights(theirs.get_weights())
    close(here.predict(given, verbose=0), expected)


@pytest.mark.parametrize("build", CONFIGURED)
def test_clones_have_their_own_weights(build):
    model = build(keras)
    clone = keras.models.clone_model(model)
    assert type(clone) is type(model)
    assert described(clone) == described(model)
    assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}


def test_clones_with_changed_layers():
    def change(layer):
        if isinstance(layer, keras.layers.Dense):
            config = layer.get_config()
            config["units"] = 3
            return type(layer).from_config(config)
        return layer.__class__.from_config(layer.get_config())

    clone = keras.models.clone_model(mlp(keras), clone_function=change)
    assert [tuple(w.shape) for w in clone.weights] == [(4, 3), (3,), (3, 3), (3,)]


def test_json():
    model = skips(keras)
    again = keras.models.model_from_json(model.to_json())
    assert described(again) == described(model)
    theirs = peer().models.model_from_json(model.to_json())
    assert described(theirs) == described(model)


def test_configs_of_raw_ops():
    x = keras.Input((4, 3), name="x")
    y = tf.where(x > 0.0, x, -x)[:, ::2, tf.newaxis]
    y = tf.reshape(tf.transpose(y, [0, 3, 1, 2]), (-1, 6)) + tf.constant([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    y = tf.concat([tf.reduce_sum(y, axis=[1], keepdims=True), keras.ops.softmax(y, axis=-1)], axis=1)
    left, right = tf.split(y, [3, 4], axis=1)
    model = keras.Model(x, [keras.layers.Dense(2)(left), right * 2.0])
    again = keras.models.model_from_json(model.to_json())
    again.set_weights(model.get_weights())
    given = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    close(again.predict(given, verbose=0), model.predict(given, verbose=0))
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    close(clone.predict(given, verbose=0), model.predict(given, verbose=0))


def test_raw_ops_keep_their_variables_in_configs():
    scale, x = tf.Variable([2.0]), keras.Input((1,))
    model = keras.Model(x, x * scale)
    again = keras.Model.from_config(model.get_config())
    assert again.weights[0] is not scale
    close(again(np.ones((2, 1), "float32")), [[2.0], [2.0]])
    clone = keras.models.clone_model(model)
    assert clone.weights[0] is not scale
    close(clone(np.ones((2, 1), "float32")), [[2.0], [2.0]])


class Sized(keras.Model):
    def __init__(self, units, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(units)

    def call(self, inputs):
        return self.dense(inputs)


class Stack(keras.Sequential):
    def __init__(self, units, **options):
        super().__init__([keras.Input((4,)), keras.layers.Dense(units)], **options)


@pytest.mark.parametrize("kind", [Sized, Stack])
def test_configs_of_subclasses_are_their_arguments(kind):
    model = kind(units=3, name="own")
    model(X)
    again = kind.from_config(model.get_config())
    assert again.name == "own"
    assert again(X).shape == (70, 3)
    restored = keras.models.model_from_json(model.to_json(), custom_objects={kind.__name__: kind})
    assert type(restored) is kind
    assert [tuple(w.shape) for w in restored.weights] == [(4, 3), (3,)]
    if kind is Sized:
        clone = keras.models.clone_model(model)
        assert clone(X).shape == (70, 3)
        with pytest.raises(ValueError, match="subclassed"):
            keras.models.clone_model(model, clone_function=lambda layer: layer)


def test_clones_of_models_inside():
    model, seen = inner(keras), []

    def note(layer):
        seen.append(layer.name)
        return layer.__class__.from_config(layer.get_config())

    keras.models.clone_model(model, clone_function=note)
    assert sorted(seen) == ["cat", "part", "side", "stack"]
    seen.clear()
    keras.models.clone_model(model, clone_function=note, recursive=True)
    assert sorted(seen) == ["cat", "in_dense", "s1", "s2", "side"]
    given = keras.Input((4,), name="other")
    assert keras.models.clone_model(model, input_tensors=given).input_names == ["other"]


@pytest.mark.parametrize("build", [*CONFIGURED, lambda k: Net(), lambda k: k.Sequential([k.layers.Dense(2)])])
def test_deep_copies(build):
    model = build(keras)
    if model._graph is None:
        model(X)
    inputs = [
        np.random.default_rng(0).normal(size=(5, *t.shape[1:])).astype("float32") for t in model.inputs or []
    ]
    given = inputs if len(inputs) > 1 else inputs[0] if inputs else X
    model.predict(given, verbose=0)
    other = copy.deepcopy(model)
    close(other.predict(given, verbose=0), model.predict(given, verbose=0))
    assert described(other)[1:] == described(model)[1:]
    assert not {id(w) for w in other.weights} & {id(w) for w in model.weights}
    assert not {id(layer) for layer in other.layers} & {id(layer) for layer in model.layers}
    before = model.get_weights()
    other.set_weights([np.zeros_like(w) for w in before])
    close(model.get_weights(), before, rtol=0, atol=0)


def test_deep_copies_have_a_graph_of_their_own():
    scale = tf.Variable([2.0])
    x = keras.Input((4,))
    model = keras.Model(x, keras.layers.Dense(1, name="out")(keras.layers.Dense(3, name="mid")(x) * scale))
    other = copy.deepcopy(model)
    part = keras.Model(other.input, other.get_layer("mid").output)
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    assert not np.asarray(part(X)).any()
    assert float(scale.numpy()[0]) == 2.0
    assert np.asarray(model(X)).any()


@pytest.mark.parametrize("outputs", [list, tuple])
def test_a_list_of_one_output_is_that_output(outputs):
    x = keras.Input((3,))
    model = keras.Model([x], outputs([keras.layers.Dense(2)(x)]))
    data = np.ones((5, 3), "float32")
    if outputs is list:
        assert model(data).shape == model.predict(data, verbose=0).shape == (5, 2)
        assert model.output_shape == (None, 2) and len(model.outputs) == 1
    else:
        assert isinstance(model.predict(data, verbose=0), tuple)


def test_the_instance_of_a_method_may_have_any_name():
    class Scaled(keras.layers.Layer):
        def __init__(this, factor=2.0):
            super().__init__()
            this.factor = factor

        def build(me, input_shape):
            me.w = me.add_weight(name="w", shape=(input_shape[-1],), initializer="ones")

        def call(me, x, training=None, mask=None):
            return x * me.w * me.factor * (2.0 if training else 1.0)

    layer = Scaled(3.0)
    x = np.ones((2, 3), "float32")
    np.testing.assert_allclose(layer(x), 3.0 * x)
    np.testing.assert_allclose(layer(x, training=True), 6.0 * x)
    assert layer.get_config()["factor"] == 3.0
