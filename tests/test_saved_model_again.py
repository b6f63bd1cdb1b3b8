"""SavedModels that are saved again, over others, and models of Keras in them: nothing is lost without a word."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

pytestmark = pytest.mark.filterwarnings("ignore:.*op by op")
X = tf.constant([1.0, -3.0])


class Many(tf.Module):
    def __init__(self, folder):
        super().__init__()
        self.v = tf.Variable([1.0, 2.0])
        words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([3, 4]))
        self.table = tf.lookup.StaticHashTable(words, -1)
        (folder / "f.txt").write_text("text")
        self.file = tf.saved_model.Asset(str(folder / "f.txt"))
        self.functions = [tf.function(lambda x: x + self.v, input_signature=[tf.TensorSpec([2])])]
        self.named = {"double": tf.function(lambda x: x * 2.0, input_signature=[tf.TensorSpec([2])])}
        self.concrete = self.functions[0].get_concrete_function()

    @tf.function(input_signature=[tf.TensorSpec([2])])
    def chosen(self, x, scale=2.0):
        return {"y": tf.cond(tf.reduce_sum(x) > 0, lambda: x, lambda: scale * x * self.v)}

    @tf.function(input_signature=[])
    def read(self):
        return tf.io.read_file(self.file.asset_path)


def test_a_loaded_model_is_saved_with_its_functions(tmp_path):
    made = Many(tmp_path)
    path = str(tmp_path / "0")
    tf.saved_model.save(made, path, signatures=made.chosen)
    for count in range(1, 3):
        loaded = tf.saved_model.load(path, options=tf.saved_model.LoadOptions(allow_file_access=True))
        loaded.v.assign_add([1.0, 1.0])
        path = str(tmp_path / str(count))
        tf.saved_model.save(loaded, path, signatures=dict(loaded.signatures))
    (tmp_path / "0" / "assets" / "f.txt").write_text("other")
    again = tf.saved_model.load(path)
    assert again.v.numpy().tolist() == [3.0, 4.0]
    assert again.functions[0](X).numpy().tolist() == [4.0, 1.0] == again.concrete(X).numpy().tolist()
    assert again.named["double"](X).numpy().tolist() == [2.0, -6.0]
    assert again.chosen(X)["y"].numpy().tolist() == [6.0, -24.0]
    assert again.signatures["serving_default"](x=X)["y"].numpy().tolist() == [6.0, -24.0]
    assert again.read().numpy() == b"text"
    theirs = pytest.importorskip("tensorflow").saved_model.load(path)
    assert theirs.chosen(X.numpy())["y"].numpy().tolist() == [6.0, -24.0]


def test_what_a_loaded_function_uses_and_cannot_be_saved_is_told(tmp_path):
    class Table(tf.Module):
        def __init__(self):
            super().__init__()
            words = tf.lookup.KeyValueTensorInitializer(tf.constant(["a", "b"]), tf.constant([3, 4]))
            self.table = tf.lookup.StaticHashTable(words, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], "string")])
        def find(self, words):
            return self.table.lookup(words)

    tf.saved_model.save(Table(), str(tmp_path / "a"))
    loaded = tf.saved_model.load(str(tmp_path / "a"))
    try:
        tf.saved_model.save(loaded, str(tmp_path / "b"))
    except NotImplementedError as error:
        assert "find" in str(error)
    else:
        found = tf.saved_model.load(str(tmp_path / "b")).find(tf.constant(["b", "c"]))
        assert found.numpy().tolist() == [4, -1]


def test_files_of_others_stay_where_a_model_is_saved_again(tmp_path):
    made = Many(tmp_path)
    tf.saved_model.save(made, str(tmp_path / "m"))
    theirs = ["assets.extra/tf_serving_warmup_requests", "variables/notes.txt", "assets/mine.txt"]
    for place in theirs:
        for one in theirs:
            (tmp_path / "m" / one).unlink(missing_ok=True)
        (tmp_path / "m" / place).parent.mkdir(exist_ok=True)
        (tmp_path / "m" / place).write_text("mine")
        made.v.assign_add([1.0, 1.0])
        tf.saved_model.save(made, str(tmp_path / "m"))
        assert (tmp_path / "m" / place).read_text() == "mine"
        assert tf.saved_model.load(str(tmp_path / "m")).v.numpy().tolist() == made.v.numpy().tolist()


class Plus(keras.layers.Layer):
    name_of_weight = "w"

    def build(self, shape):
        setattr(self, self.name_of_weight, self.add_weight(shape=(2,), initializer="zeros", name="w"))

    def call(self, x):
        return x + getattr(self, self.name_of_weight)


class Renamed(Plus):
    name_of_weight = "other"


class Broken(Plus):
    def __init__(self, **given):
        raise TypeError("a fault of the program")


def test_weights_of_keras_models_all_have_values(tmp_path):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, Plus(name="q")(inputs))
    model.set_weights([np.array([5.0, 6.0], "float32")])
    path = str(tmp_path / "m")
    model.save(path, save_format="tf")
    again = keras.models.load_model(path, custom_objects={"Plus": Plus})
    assert again.get_weights()[0].tolist() == [5.0, 6.0]
    with pytest.raises(ValueError, match="no values for"):
        keras.models.load_model(path, custom_objects={"Plus": Renamed})
    with pytest.raises(TypeError, match="a fault of the program"):
        keras.models.load_model(path, custom_objects={"Plus": Broken})
    with pytest.warns(UserWarning, match="runs the graphs.*Plus"):
        assert keras.models.load_model(path)(X[None]).numpy().tolist() == [[6.0, 3.0]]


def test_the_signature_of_a_model_has_the_dtype_that_it_was_called_with(tmp_path):
    class Words(keras.Model):
        def __init__(self):
            super().__init__()
            self.words = keras.layers.Embedding(10, 2)

        def call(self, x):
            return self.words(x)

    model = Words()
    model(np.array([[1, 2]], "int32"))
    model.save(str(tmp_path / "m"), save_format="tf")
    served = tf.saved_model.load(str(tmp_path / "m")).signatures["serving_default"]
    assert [spec.dtype.name for spec in served.structured_input_signature[1].values()] == ["int32"]


class Several(keras.Model):
    """Takes ids, and perhaps numbers to add and to multiply by."""

    def __init__(self):
        super().__init__()
        self.table = keras.layers.Embedding(10, 3)

    def call(self, ids, plus=None, times=None):
        found = self.table(ids)
        found = found if plus is None else found + plus
        return found if times is None else found * times


@pytest.mark.parametrize("format", ["tf_saved_model", "stablehlo"])
@pytest.mark.parametrize("named", [("times",), ("plus",), ("plus", "times"), ()])
def test_models_are_exported_with_the_arguments_that_they_were_called_with(format, named, tmp_path):
    model = Several()
    given = {"ids": np.array([[1, 2], [3, 4]], "int32")}
    given |= {name: np.full((2, 2, 3), 2.0 + number, "float32") for number, name in enumerate(named)}
    wanted = model(**{name: tf.constant(value) for name, value in given.items()})
    path = str(tmp_path / "m")
    model.export(path, format=format, verbose=False)
    loaded = tf.saved_model.load(path) if format == "tf_saved_model" else tf.export.load(path)
    found = loaded.serve(*map(tf.constant, given.values()))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    one = loaded.serve(*(tf.constant(value[:1]) for value in given.values()))
    np.testing.assert_allclose(one, wanted[:1], rtol=1e-6)
