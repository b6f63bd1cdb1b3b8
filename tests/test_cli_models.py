"""`dovetail show` and `dovetail convert`: what they say of each format, and what comes out."""

import json
import zipfile

import numpy as np
import pytest

import dovetail as tf
from dovetail import cli, keras
from dovetail.keras.saving.describing import describe
from dovetail.wire.saved_model import KerasMetadata, SavedModel

pytest.importorskip("safetensors")


@pytest.fixture
def model():
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(8, activation="tanh", name="hidden"),
        keras.layers.Dense(1),
    ]
    made = keras.Sequential(layers, name="small")
    made.compile("adam", "mse")
    made.fit(np.ones((4, 4), "float32"), np.ones((4, 1), "float32"), verbose=0)
    return made


def write(model, folder, name):
    path = str(folder / name)
    if name.endswith(".weights.json"):
        model.save_weights(path, max_shard_size=1)
    elif name.endswith((".weights.h5", ".safetensors")) or name == "prefix":
        model.save_weights(path)
    elif name == "exported":
        model.export(path)
    else:
        model.save(path)
    return path


KINDS = {
    "m.keras": ".keras file",
    "m.h5": "HDF5 model",
    "m.weights.h5": "HDF5 weights",
    "m.weights.json": "weights in several HDF5 files",
    "m.safetensors": "safetensors weights",
    "prefix": "checkpoint of TensorFlow",
    "exported": "SavedModel",
}


@pytest.mark.parametrize("name", KINDS)
def test_show(name, model, tmp_path, capsys, monkeypatch):
    path = write(model, tmp_path, name)
    monkeypatch.setattr(keras.Sequential, "from_config", lambda *_: pytest.fail("nothing may be made"))
    assert cli.main(["show", path]) == 0
    out = capsys.readouterr().out
    assert out.startswith(KINDS[name]) and "verdict    safe" in out and "(4, 8)" in out
    assert ("Dense 'hidden'" in out) == (name in ("m.keras", "m.h5"))
    if name == "m.safetensors":
        assert out.endswith("total      49 numbers in 4 arrays\n")


@keras.saving.register_keras_serializable("cli")
class Doubled(keras.layers.Layer):
    """Doubles."""

    def call(self, x):
        return 2 * x


def test_show_names_own_classes_and_lambdas(tmp_path, capsys):
    path = str(tmp_path / "m.keras")
    stack = [keras.Input((4,)), Doubled(), keras.layers.Lambda(lambda x: x + 1)]
    with pytest.warns(UserWarning, match="bytecode"):
        keras.Sequential(stack).save(path)
    assert cli.main(["show", path]) == 3
    out = capsys.readouterr().out
    assert "unsafe: a lambda" in out and "custom     cli>Doubled" in out
    assert describe(path).custom == ["cli>Doubled"]


def test_show_of_graphs_that_reach_out(tmp_path):
    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], "string")])
        def __call__(self, path):
            return tf.io.read_file(path)

    tf.saved_model.save(Reader(), str(tmp_path / "reader"))
    assert describe(str(tmp_path / "reader")).unsafe == [
        "the operation ReadFile reaches outside of the model"
    ]


def test_show_of_what_it_cannot_read(tmp_path, capsys):
    (tmp_path / "text.keras").write_text("no model")
    with zipfile.ZipFile(tmp_path / "empty.keras", "w") as archive:
        archive.writestr("other.txt", "x")
    (tmp_path / "cut.safetensors").write_bytes(b"12")
    for name in ("absent", "text.keras", "empty.keras", "cut.safetensors"):
        assert cli.main(["show", str(tmp_path / name)]) == 1
    assert "there is no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "target", ["out.keras", "out.h5", "out.weights.h5", "out.weights.json", "out.safetensors", "out.ckpt"]
)
@pytest.mark.parametrize("source", ["m.keras", "m.h5"])
def test_convert(source, target, model, tmp_path):
    path, out = write(model, tmp_path, source), str(tmp_path / target)
    assert cli.main(["convert", path, out]) == 0
    if target in ("out.keras", "out.h5"):
        again = keras.models.load_model(out)
        assert again.optimizer is not None
    else:
        again = keras.models.clone_model(model)
        assert cli.main(["convert", out, str(tmp_path / "back.keras"), "--model", path]) == 0
        again = keras.models.load_model(tmp_path / "back.keras")
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_convert_to_an_architecture_and_a_saved_model(model, tmp_path):
    path = write(model, tmp_path, "m.keras")
    assert cli.main(["convert", path, str(tmp_path / "m.json")]) == 0
    assert json.loads((tmp_path / "m.json").read_text())["class_name"] == "Sequential"
    weights = write(model, tmp_path, "m.safetensors")
    assert cli.main(["convert", weights, str(tmp_path / "out"), "--model", str(tmp_path / "m.json")]) == 0
    x = np.ones((2, 4), "float32")
    served = tf.saved_model.load(tmp_path / "out").serve(x)
    np.testing.assert_allclose(served.numpy(), model(x).numpy(), rtol=1e-4)


def test_convert_says_what_is_wrong(model, tmp_path, capsys):
    path = write(model, tmp_path, "m.keras")
    for source, target in ((path, "out.pt"), (str(tmp_path / "absent.keras"), "out.h5")):
        assert cli.main(["convert", source, str(tmp_path / target)]) == 1
    assert cli.main(["convert", path, str(tmp_path / "out.h5"), "--shard-size", "1"]) == 1
    err = capsys.readouterr().err
    assert "must end in" in err and "absent.keras" in err and "--shard-size goes with" in err
    assert cli.main(["convert", path, str(tmp_path / "served-1.2")]) == 0
    assert (tmp_path / "served-1.2" / "saved_model.pb").exists()


def _metadata_of(layer):
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}


@pytest.mark.parametrize(
    "layer, reason",
    [
        ({"class_name": "StringLookup", "config": {"name": "a", "vocabulary": "/a/b"}}, "read '/a/b'"),
        ({"class_name": "TFSMLayer", "config": {"name": "a", "filepath": "/a/b"}}, "read '/a/b'"),
        ({"class_name": "TFOpLambda", "config": {"name": "a", "function": "io.read_file"}}, "op read_file"),
        ({"class_name": "Lambda", "config": {"name": "a", "function_type": "lambda"}}, "lambda"),
    ],
)
def test_show_looks_into_what_keras_2_has_written(layer, reason, tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path))
    made = KerasMetadata()
    made.nodes.add(node_id=0, metadata=json.dumps(_metadata_of(layer)))
    (tmp_path / "keras_metadata.pb").write_bytes(made.SerializeToString())
    (found,) = describe(str(tmp_path)).unsafe
    assert reason in found


def test_show_of_prints_to_files(tmp_path):
    class Printing(tf.Module):
        @tf.function(input_signature=[])
        def __call__(self):
            tf.print("b")

    tf.saved_model.save(Printing(), str(tmp_path))
    assert describe(str(tmp_path)).unsafe == []
    file = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    functions = model.meta_graphs[0].graph_def.library.function
    (node,) = (node for one in functions for node in one.node_def if node.op == "PrintV2")
    node.attr["output_stream"].s = b"file:///a/b"
    file.write_bytes(model.SerializeToString())
    assert describe(str(tmp_path)).unsafe == ["the operation PrintV2 reaches outside of the model"]


def test_convert_leaves_the_old_file_when_there_is_no_new_one(model, tmp_path, capsys, monkeypatch):
    path, out = write(model, tmp_path, "m.keras"), tmp_path / "m.json"
    monkeypatch.setattr(keras.Model, "to_json", lambda model: int("no config"))
    out.write_text("old")
    assert cli.main(["convert", path, str(out)]) == 1
    assert out.read_text() == "old" and "no config" in capsys.readouterr().err


def test_convert_reads_lambdas_of_an_architecture_when_it_may(tmp_path, capsys):
    layers = [keras.Input((2,)), keras.layers.Dense(1), keras.layers.Lambda(lambda x: x * 2)]
    made, names = keras.Sequential(layers), [str(tmp_path / name) for name in ("m.json", "m.weights.h5")]
    with pytest.warns(UserWarning, match="bytecode"):
        (tmp_path / "m.json").write_text(made.to_json())
    made.save_weights(names[1])
    call = ["convert", names[1], str(tmp_path / "out.safetensors"), "--model", names[0]]
    assert cli.main(call) == 1 and "unsafe" in capsys.readouterr().err.lower()
    assert cli.main([*call, "--unsafe"]) == 0
