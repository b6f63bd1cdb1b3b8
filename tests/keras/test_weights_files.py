"""Weights files: written here and read by Keras 3, and the other way; files of Keras 2; what is refused."""

import os

import numpy as np
import pytest

from dovetail import keras
from tests.keras.pairs import close, mlp, peer, regression

h5py = pytest.importorskip("h5py")

X, Y = regression()


# ---- the same architectures in both libraries


def branches(k):
    """A functional model with branches, several layers of a kind, and layers without weights."""
    layers = k.layers
    x = k.Input((6, 4), name="x")
    left = layers.Conv1D(3, 2, padding="same", activation="relu")(x)
    right = layers.Conv1D(3, 3, padding="same")(x)
    both = layers.Concatenate()([left, right])
    both = layers.BatchNormalization()(both)
    summed = layers.Add()([layers.Dense(5)(both), layers.Dense(5, use_bias=False)(both)])
    summed = layers.LayerNormalization()(layers.Dropout(0.5)(summed))
    return k.Model(x, [layers.Dense(1)(layers.Flatten()(summed)), layers.Dense(2)(summed)])


def nested(k):
    layers = k.layers
    inner = k.Sequential([k.Input((4,)), layers.Dense(3), layers.Dense(3)], name="inner")
    x = k.Input((4,))
    other = k.Model(x, layers.Dense(3)(x), name="other")
    y = k.Input((4,))
    return k.Model(y, layers.Dense(1)(layers.Concatenate()([inner(y), other(y), inner(y)])))


def embedding(k):
    layers = k.layers
    return k.Sequential(
        [k.Input((5,)), layers.Embedding(7, 4), layers.GlobalAveragePooling1D(), layers.Dense(1)]
    )


def subclassed(k):
    layers = k.layers

    class Block(layers.Layer):
        def __init__(self, units):
            super().__init__()
            self._dense, self.norm = layers.Dense(units), layers.BatchNormalization()
            self.nested = [layers.Dense(units), [layers.Dense(units)], {"x": {"y": layers.Dense(units)}}]
            self.units = units

        def build(self, shape):
            self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")
            self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="steps")

        def call(self, inputs):
            for layer in (self.nested[0], self.nested[1][0], self.nested[2]["x"]["y"]):
                inputs = layer(inputs)
            return self.norm(self._dense(inputs)) * self.scale

    class Net(k.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [Block(4), Block(4), layers.Dense(4)]
            self.heads = {"a": layers.Dense(1), "b": layers.Dense(2)}
            self.pair = (layers.Dense(4), Block(4))
            self.zeta, self.alpha, self._hidden, self.Upper = (
                layers.Dense(4),
                Block(4),
                layers.Dense(4),
                layers.Dense(4),
            )
            self.sub = k.Sequential([k.Input((4,)), layers.Dense(4), layers.Dropout(0.5)])
            self.metric = k.metrics.Mean()

        def call(self, inputs):
            for layer in (
                *self.blocks,
                *self.pair,
                self.zeta,
                self.alpha,
                self._hidden,
                self.Upper,
                self.sub,
            ):
                inputs = layer(inputs)
            return self.heads["a"](inputs), self.heads["b"](inputs)

    model = Net()
    model(np.zeros((2, 4), "float32"))
    return model


def filled(model, seed=0):
    """Gives a model weights that tell each from the others."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.5, 1.5, size=w.shape).astype("float32") for w in model.get_weights()])
    return model


MODELS = {
    "sequential": (mlp, (70, 4)),
    "branches": (branches, (3, 6, 4)),
    "nested": (nested, (3, 4)),
    "embedding": (embedding, (3, 5)),
    "subclassed": (subclassed, (3, 4)),
}


@pytest.mark.parametrize("direction", ["read", "write"])
@pytest.mark.parametrize("case", MODELS)
def test_files_go_both_ways(case, direction, tmp_path):
    build, shape = MODELS[case]
    path = str(tmp_path / "model.weights.h5")
    source, target = (peer(), keras) if direction == "read" else (keras, peer())
    written, loaded = filled(build(source)), filled(build(target), 1)
    written.save_weights(path)
    loaded.load_weights(path)
    inputs = np.random.default_rng(2).integers(0, 7, size=shape).astype("float32")
    close(loaded.predict(inputs, verbose=0), written.predict(inputs, verbose=0), case)


@pytest.mark.parametrize("case", MODELS)
def test_the_layout_is_that_of_keras(case, tmp_path):
    build, _ = MODELS[case]
    found = []
    for k, name in ((peer(), "theirs"), (keras, "ours")):
        path = tmp_path / f"{name}.weights.h5"
        build(k).save_weights(str(path))
        with h5py.File(path) as file:
            datasets: dict = {}
            file.visititems(
                lambda n, o, d=datasets: d.update({n: o.shape}) if isinstance(o, h5py.Dataset) else None
            )
        found.append(datasets)
    assert found[0] == found[1]


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop", "adamw"])
@pytest.mark.parametrize("direction", ["read", "write"])
def test_training_continues_from_the_optimizers_state(optimizer, direction, tmp_path):
    path = str(tmp_path / "model.weights.h5")
    source, target = (peer(), keras) if direction == "read" else (keras, peer())
    models = [mlp(source), mlp(target)]
    for model in models:
        model.compile(optimizer, "mse")
    run = {"batch_size": 16, "verbose": 0, "shuffle": False}
    models[0].fit(X, Y, **run)
    models[0].save_weights(path)
    if direction == "write":  # Keras loads no state into an optimizer that has none yet
        models[1].optimizer.build(models[1].trainable_variables)
    models[1].load_weights(path)
    close(*[model.fit(X, Y, epochs=2, **run).history for model in models])
    steps = [int(np.asarray(model.optimizer.iterations)) for model in models]
    assert steps == [15, 15]


def test_weights_load_without_an_optimizer_and_with_another(tmp_path):
    path = tmp_path / "model.weights.h5"
    model = mlp(keras)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save_weights(path)
    for optimizer in (None, "sgd"):
        other = mlp(keras)
        if optimizer:
            other.compile(optimizer, "mse")
            with pytest.warns(UserWarning, match="sgd.*state"):
                other.load_weights(path)
        else:
            other.load_weights(path)
        close(other.get_weights(), model.get_weights())


def test_raw_ops_between_layers_do_not_count(tmp_path):
    def build(k):
        x = k.Input((4,))
        y = k.layers.Dense(3)(x)
        y = k.ops.sin(y) * 2.0 + k.layers.Dense(3)(y)
        return k.Model(x, k.layers.Dense(1)(k.ops.concatenate([y, x], axis=-1)))

    for source, target in ((peer(), keras), (keras, peer())):
        path = str(tmp_path / f"{source.__name__}.weights.h5")
        written, loaded = filled(build(source)), filled(build(target), 1)
        written.save_weights(path)
        loaded.load_weights(path)
        close(loaded.predict(X, verbose=0), written.predict(X, verbose=0))


def test_half_precision(tmp_path):
    path = tmp_path / "half.weights.h5"

    def build():
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype="bfloat16")])

    model, other = build(), build()
    model.save_weights(path)
    other.load_weights(path)
    close(
        [w.astype("float32") for w in other.get_weights()], [w.astype("float32") for w in model.get_weights()]
    )


class Stored(keras.layers.Layer):
    """Keeps state of its own in the file, beside its weights."""

    def __init__(self):
        super().__init__()
        self.words = np.zeros(3)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")

    def call(self, inputs):
        return inputs * self.scale

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["words"] = self.words

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.words = np.asarray(store["words"])


def with_stored(units=1):
    return keras.Sequential([keras.Input((4,)), Stored(), keras.layers.Dense(units, name=f"dense_{units}")])


def test_layers_that_store_themselves(tmp_path):
    path = tmp_path / "own.weights.h5"
    model, other, misfit = filled(with_stored()), with_stored(), with_stored(2)
    model.layers[0].words = np.arange(3.0)
    model.save_weights(path)
    other.load_weights(path)
    np.testing.assert_array_equal(other.layers[0].words, [0.0, 1.0, 2.0])
    close(other.get_weights(), model.get_weights())
    unchanged(misfit, lambda: misfit.load_weights(path), ValueError, "dense_2")
    assert not misfit.layers[0].words.any()


# ---- what does not fit


def unchanged(model, call, error, match):
    """Expects an error that leaves all weights as they were."""
    before = model.get_weights()
    with pytest.raises(error, match=match):
        call()
    close(model.get_weights(), before, rtol=0, atol=0)


def saved(model, tmp_path, name="model.weights.h5"):
    path = tmp_path / name
    model.save_weights(path)
    return path


def dense(*units, size=4):
    return keras.Sequential(
        [keras.Input((size,)), *(keras.layers.Dense(u, name=f"dense_{i}_{u}") for i, u in enumerate(units))]
    )


def test_nothing_is_assigned_when_a_shape_differs(tmp_path):
    path = saved(dense(3, 2), tmp_path)
    model = dense(3, 5)
    unchanged(model, lambda: model.load_weights(path), ValueError, r"dense_1_5.*kernel.*\(3, 5\).*\(3, 2\)")
    with pytest.warns(UserWarning, match="dense_1_5.*left out"):
        model.load_weights(path, skip_mismatch=True)
    other = dense(3, 2)
    other.load_weights(path)
    close(model.get_weights()[:2], other.get_weights()[:2])


def test_nothing_is_assigned_when_numbers_differ(tmp_path):
    path = saved(dense(3, 2), tmp_path)
    more = dense(3, 2, 2)
    unchanged(more, lambda: more.load_weights(path), ValueError, "dense_2_2.*2 variables.*file has 0")
    no_bias = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, use_bias=False), keras.layers.Dense(2)]
    )
    unchanged(no_bias, lambda: no_bias.load_weights(path), ValueError, "1 variables.*file has 2")


def test_layers_in_the_file_that_the_model_lacks_are_named(tmp_path):
    more, fewer = dense(3, 2, 2), dense(3, 2)
    path = saved(more, tmp_path)
    with pytest.warns(UserWarning, match="no place for, at .'layers/dense_2'"):
        fewer.load_weights(path)
    close(fewer.get_weights(), more.get_weights()[:4])


def test_models_that_only_hold_models_are_stored(tmp_path):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.left, self.right = dense(2), dense(3)

    model, other = Pair(), Pair()
    model.save_weights(tmp_path / "pair.weights.h5")
    other.load_weights(tmp_path / "pair.weights.h5")
    close(other.get_weights(), model.get_weights())
    other.right = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="build"):
        other.save_weights(tmp_path / "pair.weights.h5")


def test_what_saving_and_loading_refuse(tmp_path):
    model = dense(3)
    path = saved(model, tmp_path)
    with pytest.raises(ValueError, match="weights.h5"):
        model.save_weights(tmp_path / "model.npz")
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save_weights(path, overwrite=False)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.load_weights(tmp_path / "nowhere.weights.h5")
    (tmp_path / "text.weights.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match="HDF5"):
        model.load_weights(tmp_path / "text.weights.h5")
    with pytest.raises(ValueError, match="by_name"):
        model.load_weights(path, by_name=True)
    unbuilt = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="build"):
        unbuilt.save_weights(tmp_path / "unbuilt.weights.h5")
    with pytest.raises(ValueError, match="build"):
        unbuilt.load_weights(path)
    assert sorted(os.listdir(tmp_path)) == ["model.weights.h5", "text.weights.h5"]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    model = with_stored()
    path = saved(model, tmp_path)
    before = path.read_bytes()
    model.layers[0].words = object()
    with pytest.raises(TypeError):
        model.save_weights(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


# ---- files that mean harm


KERNEL = "layers/dense/vars/0"


def tampered(tmp_path, change):
    """Writes the weights of `dense(3)`, and lets `change(file, folder)` at them."""
    path = saved(dense(3), tmp_path)
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        change(file, tmp_path)
    return path


def external_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["data"] = np.ones((4, 3), "float32")
    file[KERNEL] = h5py.ExternalLink(str(folder / "secret.h5"), "/data")


def soft_link(file, folder):
    file["elsewhere"] = np.ones((4, 3), "float32")
    file[KERNEL] = h5py.SoftLink("/elsewhere")


def linked_group(file, folder):
    external_link(file, folder)
    del file["layers"]
    file["layers"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")


def external_storage(file, folder):
    (folder / "raw").write_bytes(np.ones((4, 3), "float32").tobytes())
    file.create_dataset(KERNEL, (4, 3), "float32", external=[(str(folder / "raw"), 0, 48)])


def virtual(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["data"] = np.ones((4, 3), "float32")
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "data", (4, 3))
    file.create_virtual_dataset(KERNEL, layout)


def huge(file, folder):
    file.create_dataset(KERNEL, (1 << 20, 1 << 16), "float32", chunks=(1024, 1024))


def a_group(file, folder):
    file.create_group(KERNEL)


def missing(file, folder):
    file["layers/dense/vars/7"] = np.ones((4, 3), "float32")


def strings(file, folder):
    file[KERNEL] = np.array([[b"a"] * 3] * 4)


HARM = {
    external_link: "link",
    soft_link: "link",
    linked_group: "link",
    external_storage: "another file",
    virtual: "another file",
    huge: r"the file has \(1048576, 65536\)",
    a_group: "not a dataset",
    missing: "'0'",
    strings: "numbers",
}


@pytest.mark.parametrize("change", HARM, ids=lambda change: change.__name__)
def test_files_that_mean_harm_are_refused(change, tmp_path):
    path = tampered(tmp_path, change)
    model = dense(3)
    unchanged(model, lambda: model.load_weights(path), ValueError, HARM[change])


# ---- files of Keras 2


@pytest.fixture(scope="module")
def keras2():
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
    pytest.importorskip("tensorflow")
    return pytest.importorskip("tf_keras")


def test_arrays_are_read_when_they_fit(tmp_path, monkeypatch):
    """A dataset that a file lists many times, or under other sizes, takes no memory."""
    path, model, read = tmp_path / "m.h5", dense(3), []
    monkeypatch.setattr("dovetail.keras.saving.legacy.read", lambda *given, **options: read.append(given))
    for names, words in (
        (["w"] * 60, "twice"),
        (["w", "b"], "shape"),
        (["w", "b", "c"], "has 2 weights, the file has 3"),
    ):
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"dense"]
            group = file.create_group("dense")
            group["w"] = np.zeros((50, 50), "float32")
            group["b"], group["c"] = group["w"], group["w"]
            group.attrs["weight_names"] = [name.encode() for name in names]
        with pytest.raises(ValueError, match=words):
            model.load_weights(path)
    assert not read


@pytest.mark.parametrize("case", ["sequential", "branches", "nested", "embedding"])
def test_files_of_keras_2(case, keras2, tmp_path):
    build, shape = MODELS[case]
    path, back = str(tmp_path / "old.h5"), str(tmp_path / "back.h5")
    old, model = filled(build(keras2)), filled(build(keras), 1)
    old.save_weights(path)
    model.load_weights(path)
    inputs = np.random.default_rng(2).integers(0, 7, size=shape).astype("float32")
    close(model.predict(inputs, verbose=0), old.predict(inputs, verbose=0))
    model.save_weights(back)
    other = filled(build(keras2), 3)
    other.load_weights(back)
    close(other.predict(inputs, verbose=0), old.predict(inputs, verbose=0))


def normalized(k, frozen=False):
    """A model in a model, whose moving statistics stand after all that is trained in files of Keras 2."""
    layers = k.layers
    x = k.Input((4,))
    hidden = layers.BatchNormalization(name="n1")(layers.Dense(4, name="d1")(x))
    base = k.Model(x, layers.BatchNormalization(name="n2")(layers.Dense(4, name="d2")(hidden)), name="base")
    base.trainable = not frozen
    y = k.Input((4,))
    return k.Model(y, layers.Dense(1, name="head")(base(y)))


def test_weights_of_models_in_models_are_told_apart_by_their_names(keras2, tmp_path):
    inputs = np.random.default_rng(2).normal(size=(3, 4)).astype("float32")
    for frozen in (False, True):
        path, back = str(tmp_path / f"{frozen}.h5"), str(tmp_path / f"{frozen}_back.h5")
        old = normalized(keras2, frozen)
        values = np.random.default_rng(5).uniform(0.5, 1.5, size=400)
        old.set_weights([values[: w.size].reshape(w.shape) + i for i, w in enumerate(old.get_weights())])
        old.save_weights(path)
        model = normalized(keras)
        model.load_weights(path)
        close(model.predict(inputs, verbose=0), old.predict(inputs, verbose=0))
        model.save_weights(back)
        again = normalized(keras, not frozen)
        again.load_weights(back)
        close(again.get_weights(), model.get_weights())


def test_files_for_by_name_are_written_too(tmp_path):
    path = str(tmp_path / "weights.h5")
    model = named(keras, "first", "second")
    model.save_weights(path)
    other = named(keras, "first", "third")
    start = other.get_weights()
    other.load_weights(path, by_name=True)
    close(other.get_weights(), [*model.get_weights()[:2], *start[2:]])


def test_weights_of_the_model_itself_and_long_lists_of_names(tmp_path):
    class Scaled(keras.Model):
        def __init__(self):
            super().__init__()
            self.many = [keras.layers.Dense(1, name=f"{'x' * 200}{i}") for i in range(400)]
            self.scale = self.add_weight(name="scale", shape=(2,), initializer="ones")

        def call(self, inputs):
            return self.many[0](inputs) * self.scale

    path = str(tmp_path / "weights.h5")
    model, other = Scaled(), Scaled()
    model(X[:, :1]), other(X[:, :1])
    model.set_weights([np.full(w.shape, 0.5 + i, "float32") for i, w in enumerate(model.get_weights())])
    model.save_weights(path)
    with h5py.File(path) as file:
        assert "layer_names1" in file.attrs
    other.load_weights(path)
    close(other.get_weights(), model.get_weights())
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    other.load_weights(path, by_name=True)
    close(other.get_weights(), model.get_weights())
    half = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype="bfloat16")])
    with pytest.raises(ValueError, match="bfloat16"):
        half.save_weights(path)
    other.load_weights(path)


def named(k, *names):
    """A chain of dense layers with these names, each with its own size."""
    sizes = {"first": 3, "second": 5, "third": 5, "other": 6}
    return k.Sequential([k.Input((4,)), *(k.layers.Dense(sizes[name], name=name) for name in names)])


def test_layers_of_keras_2_by_name(keras2, tmp_path):
    path = str(tmp_path / "old.h5")
    old = named(keras2, "first", "second")
    old.save_weights(path)
    model = named(keras, "first", "second", "other")
    start = model.get_weights()
    model.load_weights(path, by_name=True)
    close(model.get_weights(), [*old.get_weights(), *start[4:]])
    unchanged(model, lambda: model.load_weights(path), ValueError, "file has 2 layers.*has 3")
    misfit = named(keras, "first", "third", "second")
    unchanged(
        misfit, lambda: misfit.load_weights(path, by_name=True), ValueError, r"second.*\(5, 5\).*\(3, 5\)"
    )
    with pytest.warns(UserWarning, match="second.*left out"):
        misfit.load_weights(path, by_name=True, skip_mismatch=True)
    close(misfit.get_weights()[:2], old.get_weights()[:2])


def test_whole_models_of_keras_2_give_their_weights(keras2, tmp_path):
    path = str(tmp_path / "model.h5")
    old = filled(mlp(keras2))
    old.compile("adam", "mse")
    old.save(path)
    model = mlp(keras)
    model.load_weights(path)
    close(model.get_weights(), old.get_weights())


def test_links_in_files_of_keras_2_are_refused(keras2, tmp_path):
    path = tmp_path / "old.h5"
    named(keras2, "first").save_weights(str(path))
    with h5py.File(path, "a") as file:
        inner = file["first"]["first"]
        del inner["kernel:0"]
        inner["kernel:0"] = h5py.SoftLink("/first/first/bias:0")
    model = named(keras, "first")
    unchanged(model, lambda: model.load_weights(path), ValueError, "link")
