"""Weights in safetensors files and in several files, the editor of weights files, and archives of endpoints."""

import json
import struct

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras.saving import sharded, stored
from tests.keras.pairs import close, mlp, peer
from tests.keras.test_weights_files import MODELS, filled

h5py = pytest.importorskip("h5py")
safetensors = pytest.importorskip("safetensors.numpy")


def same(first, second):
    close(second.get_weights(), first.get_weights())


@pytest.mark.parametrize("case", MODELS)
def test_safetensors_both_ways(case, tmp_path):
    build, _ = MODELS[case]
    written, loaded = filled(build(keras)), filled(build(keras), 1)
    path = str(tmp_path / "m.safetensors")
    written.save_weights(path)
    loaded.load_weights(path)
    same(written, loaded)
    arrays = safetensors.load_file(path)
    assert sum(value.size for value in arrays.values()) == sum(value.size for value in written.get_weights())


def test_safetensors_have_readable_names_and_every_dtype(tmp_path):
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16"), keras.layers.Dense(2)]
    )
    path = str(tmp_path / "m.safetensors")
    model.save_weights(path)
    again = keras.models.clone_model(model)
    again.load_weights(path)
    same(model, again)
    with open(path, "rb") as file:
        header = json.loads(file.read(8 + 1000)[8:].split(b"}}")[0] + b"}}")
    assert "layers/dense_1/kernel" in header and header["layers/dense/kernel"]["dtype"] == "BF16"


def test_safetensors_of_other_models(tmp_path):
    path = str(tmp_path / "m.safetensors")
    filled(mlp(keras)).save_weights(path)
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(3)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"layers/dense_1/kernel.*shape \(8, 3\).*skip_mismatch"):
        other.load_weights(path)
    close(other.get_weights(), before)
    with pytest.warns(UserWarning, match="left out"):
        other.load_weights(path, skip_mismatch=True)
    close(other.get_weights()[2:], before[2:])


def _rewritten(whole, header):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + whole[8 + struct.unpack("<Q", whole[:8])[0] :]


def test_damaged_safetensors(tmp_path):
    path = tmp_path / "m.safetensors"
    model = filled(mlp(keras))
    model.save_weights(path)
    whole = path.read_bytes()
    header = json.loads(whole[8 : 8 + struct.unpack("<Q", whole[:8])[0]])
    name = "layers/dense/kernel"
    overlapping = header | {name: header[name] | {"data_offsets": [0, header[name]["data_offsets"][1]]}}
    longer = header | {name: header[name] | {"shape": [1 << 40, 1 << 20]}}
    hostile = [whole[: len(whole) // 2], b"", struct.pack("<Q", 1 << 60) + whole[8:], whole[:8] + b"x" * 200]
    for data in [*hostile, _rewritten(whole, overlapping), _rewritten(whole, longer)]:
        if data == whole:
            continue
        path.write_bytes(data)
        with pytest.raises(ValueError, match="no whole safetensors file"):
            model.load_weights(path)


@pytest.mark.parametrize("direction", ["own", "read", "write"])
@pytest.mark.parametrize("case", ["sequential", "nested"])
def test_several_files(case, direction, tmp_path):
    build, _ = MODELS[case]
    source, target = (peer() if direction == "read" else keras), (peer() if direction == "write" else keras)
    written, loaded = filled(build(source)), filled(build(target), 1)
    path = str(tmp_path / "m.weights.json")
    written.save_weights(path, max_shard_size=1.3e-7)
    assert len(list(tmp_path.glob("m_*.weights.h5"))) > 1
    loaded.load_weights(path)
    same(written, loaded)
    if direction != "read":
        written.save_weights(path, max_shard_size=1.0)  # fewer files take the place of all
        if direction == "own":
            assert [one.name for one in tmp_path.glob("m_*.weights.h5")] == ["m_00000.weights.h5"]
        loaded.load_weights(path)


def test_a_failed_save_of_several_files_leaves_the_old_ones(tmp_path, monkeypatch):
    model, path = filled(mlp(keras)), tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=1.3e-7)
    before, written = {file: file.read_bytes() for file in tmp_path.iterdir()}, []

    def fails(place, file):
        written.append(place)
        if len(written) == 3:
            raise OSError("no space")
        return stored.write_place(place, file)

    monkeypatch.setattr(sharded, "write_place", fails)
    model.set_weights([w + 1 for w in model.get_weights()])
    with pytest.raises(OSError, match="no space"):
        model.save_weights(path, max_shard_size=1.3e-7)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_lists_of_files_stay_in_their_folder(tmp_path):
    model = filled(mlp(keras))
    path = tmp_path / "m.weights.json"
    model.save_weights(path, max_shard_size=1.3e-7)
    facts = json.loads(path.read_text())
    for name in ("../x.weights.h5", "/etc/passwd", "", 3):
        path.write_text(json.dumps(facts | {"weight_map": {"/layers/dense/vars": [name]}}))
        with pytest.raises(ValueError, match="not in its own folder"):
            model.load_weights(path)
    with pytest.raises(ValueError, match="belong together"):
        model.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
def test_the_editor(ending, tmp_path, capsys):
    model = filled(mlp(keras))
    path = str(tmp_path / f"m.{ending}")
    (model.save if ending == "keras" else model.save_weights)(path)
    editor = keras.saving.KerasFileEditor(path)
    editor.summary()
    assert "dense_1" in capsys.readouterr().out
    assert editor.compare(model) == {"status": "success", "error_count": 0, "match_count": 4}
    longer = keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(n) for n in (8, 1, 2))])
    assert editor.compare(longer)["error_count"] == 2
    added = [np.ones((1, 2), "float32"), np.zeros(2, "float32")]
    editor.add_object("layers/dense_2", {"0": added[0]})
    editor.add_weights("dense_2", {"1": added[1]})
    editor.rename_object("dense_1", "layers/other")
    editor.rename_object("layers/other", "dense_1")
    editor.save(tmp_path / "new.weights.h5")
    longer.load_weights(tmp_path / "new.weights.h5")
    close(longer.get_weights(), [*model.get_weights(), *added])
    editor.delete_weight("dense_2", "0")
    editor.delete_object("layers/dense_2")
    assert sorted(editor.weights_dict["layers"]) == ["dense", "dense_1"]


def test_half_precision_in_the_editor_and_in_several_files(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, dtype="bfloat16")])
    model.save_weights(tmp_path / "m.weights.h5")
    first = model.get_weights()[0]
    editor = keras.saving.KerasFileEditor(tmp_path / "m.weights.h5")
    assert editor.weights_dict["layers"]["dense"]["0"].dtype == first.dtype
    editor.save(tmp_path / "again.weights.h5")
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=1)
    for path in ("again.weights.h5", "m.weights.json"):
        model.set_weights([w * 0 for w in model.get_weights()])
        model.load_weights(tmp_path / path)
        np.testing.assert_array_equal(model.get_weights()[0].astype("float32"), first.astype("float32"))
    with h5py.File(tmp_path / "m_00000.weights.h5", "a") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.zeros((2, 3), "float32")
        file["layers/dense/vars/0"].attrs["dtype"] = "bfloat16"
    with pytest.raises(ValueError, match="said to be bfloat16"):
        model.load_weights(tmp_path / "m.weights.json")


def test_what_the_editor_refuses(tmp_path):
    path = tmp_path / "m.weights.h5"
    filled(mlp(keras)).save_weights(path)
    editor = keras.saving.KerasFileEditor(path)
    for wrong, words in (
        (lambda: editor.delete_object("dense_7"), "no object 'dense_7'"),
        (lambda: editor.delete_weight("dense", "9"), "no weight '9'"),
        (lambda: editor.add_object("layers/dense", {}), "is there already"),
        (lambda: editor.add_object("nowhere/dense", {}), "has no place"),
        (lambda: editor.rename_object("dense", "dense_1"), "is there already"),
        (lambda: editor.save(tmp_path / "m.h5"), "must end in"),
        (lambda: keras.saving.KerasFileEditor(tmp_path / "absent.h5"), "there is no file"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()


def _two(units=3):
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units, name="deep")], name="inner")
    return keras.Sequential([keras.Input((2,)), inner, keras.layers.Dense(2, name="last")])


@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5", "weights.json", "safetensors"])
def test_layers_are_left_out_with_those_inside(ending, tmp_path):
    model, path = filled(_two()), tmp_path / f"m.{ending}"
    if ending == "keras":
        model.save(path)
    else:
        model.save_weights(path, **({"max_shard_size": 1} if ending.endswith("json") else {}))
    other = filled(_two(3), 5)
    before = [w.copy() for w in other.get_weights()]
    other.load_weights(path, objects_to_skip=[other.layers[0]])
    after, stored = other.get_weights(), model.get_weights()
    for i in range(4):
        np.testing.assert_array_equal(after[i], before[i] if i < 2 else stored[i])


def test_arguments_that_do_not_go_with_a_format(tmp_path):
    model = filled(_two())
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.safetensors")
    model.save_weights(tmp_path / "ckpt")
    for name, options in (
        ("m.keras", {"by_name": True}),
        ("m.safetensors", {"by_name": True}),
        ("ckpt", {"by_name": True}),
        ("ckpt", {"skip_mismatch": True}),
        ("ckpt", {"objects_to_skip": model.layers}),
    ):
        with pytest.raises(ValueError, match=f"{next(iter(options))} cannot be used"):
            model.load_weights(tmp_path / name, **options)
    with pytest.raises(FileExistsError, match="ckpt.index"):
        model.save_weights(tmp_path / "ckpt", overwrite=False)
    for name in ("x.json", "x.keras"):
        with pytest.raises(ValueError, match="must end in"):
            model.save_weights(tmp_path / name)
    for name, options in (("x.safetensors", {}), ("x.weights.json", {"max_shard_size": 1})):
        with pytest.raises(ValueError, match="another format"):
            model.save_weights(tmp_path / name, save_format="h5", **options)
    model.save_weights(tmp_path / "x", save_format="h5")
    assert h5py.is_hdf5(tmp_path / "x") and not list(tmp_path.glob("x.*"))


def test_archives_of_endpoints(tmp_path):
    model = filled(mlp(keras))
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.call, [tf.TensorSpec([None, 4], "float32")])
    archive.add_endpoint(
        "double", lambda x: 2.0 * model(x), input_signature=[tf.TensorSpec([None, 4], "float32")]
    )
    archive.add_variable_collection("kept", model.variables[:2])
    with pytest.raises(ValueError, match="taken"):
        archive.add_endpoint("serve", model.call, [tf.TensorSpec([None, 4], "float32")])
    archive.write_out(tmp_path / "served")
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    loaded = tf.saved_model.load(tmp_path / "served")
    close(loaded.serve(x).numpy(), model(x).numpy())
    close(loaded.double(x).numpy(), 2 * model(x).numpy())
    assert len(loaded.kept) == 2 and len(loaded.trainable_variables) == 4
    theirs = pytest.importorskip("tensorflow").saved_model.load(str(tmp_path / "served"))
    close(theirs.double(x).numpy(), 2 * model(x).numpy(), rtol=1e-4, atol=1e-5)


def test_what_archives_refuse(tmp_path):
    archive = keras.export.ExportArchive()
    with pytest.raises(ValueError, match="endpoint first"):
        archive.write_out(tmp_path / "served")
    with pytest.raises(ValueError, match="built"):
        archive.track(keras.layers.Dense(2))
    with pytest.raises(ValueError, match="input_signature"):
        archive.add_endpoint("serve", lambda x: x)


def test_export_of_models_that_were_called(tmp_path):
    class OfOne(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x, training=False):
            return self.dense(x["a"] + x["b"] if isinstance(x, dict) else x)

    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    for given in (x, {"a": x, "b": -2 * x}):
        model = OfOne()
        with pytest.raises(ValueError, match="call it on data first"):
            model.export(tmp_path / "served")
        want = model(given)
        model.export(tmp_path / "served")
        few = tf.nest.map_structure(lambda one: one[:2], given)
        close(tf.saved_model.load(tmp_path / "served").serve(few).numpy(), want.numpy()[:2])
    signature = [tf.TensorSpec([None, 4]), tf.TensorSpec([None, 2])]
    archive = keras.export.ExportArchive()
    layer = keras.layers.Dense(2)
    layer.build((None, 4))
    archive.track_and_add_endpoint("serve", layer, signature[:1])
    archive.write_out(tmp_path / "archive")
    close(tf.saved_model.load(tmp_path / "archive").serve(x).numpy(), layer(x).numpy())

    class OfTwo(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, x, y):
            return self.dense(x) + y

    model, y = OfTwo(), x[:, :2]
    want = model(x, y)
    model.export(tmp_path / "two", input_signature=signature, verbose=False)
    close(tf.saved_model.load(tmp_path / "two").serve(x, y).numpy(), want.numpy())
