"""StableHLO files: written by models, archives and functions; read here without their code, and by JAX alone."""

import json
import re
import subprocess
import sys
import warnings
import zipfile

import numpy as np
import pytest
from jax import export

import dovetail as tf
from dovetail import cli, keras
from dovetail.keras.saving.describing import describe
from tests.keras.layer_rows import CASES
from tests.keras.test_saved_layers import inference_of

pytest.importorskip("flatbuffers")

SAMPLE = CASES[11::40]
REST = [case for case in CASES if case not in SAMPLE]
# Layers that need to know the sizes: they say so.
FIXED = ("CategoryEncoding", "ContrastLimitedAdaptiveHistogramEqualization", "Discretization")
X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def network():
    layers = [
        keras.layers.Dense(64, activation="gelu"),
        keras.layers.Dropout(0.5),
        keras.layers.BatchNormalization(),
        keras.layers.Dense(2, activation="softmax"),
    ]
    model = keras.Sequential([keras.Input((4,), name="x"), *layers])
    rng = np.random.default_rng(3)
    model.set_weights([rng.uniform(0.5, 1.0, one.shape).astype("float32") for one in model.weights])
    return model


def recurrent():
    words = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(words)
    x = keras.layers.GRU(3, return_sequences=True)(x)
    return keras.Model(words, keras.layers.Dense(1)(keras.layers.LSTM(8)(x)))


def convolutional():
    image = keras.Input((8, 8, 3))
    x = keras.layers.MaxPooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(image))
    x = tf.reshape(x, [tf.shape(x)[0], 72])
    return keras.Model(image, {"a": keras.layers.Dense(2)(x), "b": [x[:, :3]]})


def attentive():
    x = keras.Input((None, 8))
    y = keras.layers.LayerNormalization()(x + keras.layers.MultiHeadAttention(2, 4)(x, x))
    return keras.Model(x, keras.layers.GlobalAveragePooling1D()(y))


def of_several():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    return keras.Model({"a": a, "b": b}, keras.layers.Add()([a, keras.layers.Dense(4)(b)]))


MODELS = {
    network: X,
    recurrent: np.arange(30).reshape(5, 6).astype("int32") % 9,
    convolutional: np.random.default_rng(1).normal(size=(5, 8, 8, 3)).astype("float32"),
    attentive: np.random.default_rng(1).normal(size=(5, 7, 8)).astype("float32"),
    of_several: {"a": X, "b": -X},
}


def close(found, want):
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(want), strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", MODELS, ids=lambda build: build.__name__)
def test_models_give_the_same_for_any_batch_size(build, tmp_path):
    model, x = build(), MODELS[build]
    path = tmp_path / "m.stablehlo"
    want = model.predict(
        x, verbose=0
    )  # native kernels have been used for these shapes, and must not be in the file
    model.export(path, format="stablehlo")
    loaded = tf.export.load(path)
    for size in (5, 2) if build is network else (2,):
        few = tf.nest.map_structure(lambda one, size=size: one[:size], x)
        close(loaded.serve(few), tf.nest.map_structure(lambda one, size=size: one[:size], want))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.label)
def test_layers(case, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, function, want = inference_of(case)
        if case.kind in FIXED:
            with pytest.raises(NotImplementedError, match=r"state the sizes, such as input_signature=\["):
                tf.export.save(function, tmp_path / "f")
            return
        tf.export.save(function, tmp_path / "f")
        found = tf.nest.flatten(tf.export.load(tmp_path / "f")(case.inputs()))
    for one, other in zip(found, want, strict=True):
        assert one.dtype.name == tf.as_dtype(other.dtype).name
    close(found, want)


@pytest.mark.slow
@pytest.mark.parametrize("case", REST, ids=lambda case: case.label)
def test_all_other_layers(case, tmp_path):
    test_layers(case, tmp_path)


def test_sizes_of_several_inputs(tmp_path):
    """Those that need not be equal may differ; those that must be are one."""
    numbers = [tf.TensorSpec([None], tf.float32)] * 2

    @tf.function(input_signature=numbers)
    def apart(x, y):
        return tf.reduce_sum(x) * y

    @tf.function(input_signature=numbers)
    def together(x, y):
        return x * y

    for name, function in (("a", apart), ("t", together)):
        tf.export.save(function, tmp_path / name)
    x, y = tf.constant([1.0, 2.0, 3.0]), tf.constant([1.0, 2.0, 3.0, 4.0])
    close(tf.export.load(tmp_path / "a")(x, y), apart(x, y))
    loaded = tf.export.load(tmp_path / "t")
    close(loaded(y, y), y * y)
    with pytest.raises(ValueError, match=r"received \[3\], \[4\]"):
        loaded(x, y)


WITH_JAX_ALONE = """
import json, sys
import ml_dtypes, numpy as np
from jax import export

file = np.load(sys.argv[1], allow_pickle=False)
facts = json.loads(file["signature.json"])
serve = facts["functions"]["serve"]
weights = [
    file[f"weights/{place}"].view(np.dtype(facts["weights"][place]["dtype"])) for place in serve["weights"]
]
program = export.deserialize(bytearray(file["functions/serve.bin"]))
print(json.dumps(np.asarray(program.call(weights, np.load(sys.argv[2]))).tolist()))
assert not [name for name in sys.modules if name.startswith("dovetail")]
"""


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_jax_alone_reads_them(dtype, tmp_path):
    layer = keras.layers.Dense(3, dtype=keras.DTypePolicy(dtype))
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Activation("tanh", dtype="float32")])
    model.export(tmp_path / "m.stablehlo", format="stablehlo")
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "read.py").write_text(WITH_JAX_ALONE)
    command = [sys.executable, "-I", "read.py", "m.stablehlo", "x.npy"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    close(np.asarray(json.loads(done.stdout.splitlines()[-1])), model(X))


def test_gradients_for_any_size(tmp_path):
    kernel = tf.Variable([[1.0, 2.0], [3.0, 4.0]])

    def slopes(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.tanh(x @ kernel) ** 2)
        return tape.gradient(loss, kernel)

    function = tf.function(slopes, input_signature=[tf.TensorSpec([None, 2])])
    tf.export.save(function, tmp_path / "slopes.stablehlo")
    loaded = tf.export.load(tmp_path / "slopes.stablehlo")
    for size in (1, 3):
        x = tf.constant(np.random.default_rng(size).normal(size=(size, 2)).astype("float32"))
        np.testing.assert_allclose(loaded(x), function(x), rtol=1e-5, atol=1e-6)


def test_functions_modules_and_archives(tmp_path, capsys):
    class Scaled(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable([1.0, 2.0])

        @tf.function(input_signature=[tf.TensorSpec([None, 2]), tf.TensorSpec([])])
        def scale(self, x, by):
            while by < 10.0:
                by *= 2.0
            return x * self.w * by

        @tf.function(input_signature=[tf.TensorSpec([], tf.int64)])
        def count(self, n):
            return n + 1

    module = Scaled()
    tf.export.save(module, tmp_path / "m")
    loaded = tf.export.load(tmp_path / "m")
    x = np.ones((3, 2), "float32")
    close(loaded.scale(x, 3.0), module.scale(x, 3.0))
    assert loaded.count(2).numpy() == 3 and loaded.count.inputs[0][1] == tf.int64
    tf.export.save(module.scale.get_concrete_function(), tmp_path / "f")
    close(tf.export.load(tmp_path / "f")(x, tf.constant(1.0)), module.scale(x, 1.0))

    archive = keras.export.ExportArchive(format="stablehlo")
    archive.track(module)
    archive.add_endpoint("double", lambda x: 2.0 * module.w * x, [tf.TensorSpec([None, 2], tf.float32)])
    with pytest.raises(
        TypeError, match=r"write_out: options for stablehlo are a dict .* received .*SaveOptions"
    ):
        archive.write_out(tmp_path / "a", options=tf.saved_model.SaveOptions())
    archive.write_out(tmp_path / "a", options={"platforms": ["cpu"]})
    assert capsys.readouterr().out == f"Saved artifact at '{tmp_path / 'a'}'.\n"
    archive.write_out(tmp_path / "a", options={"platforms": ["cpu"]}, verbose=False)
    assert not capsys.readouterr().out
    loaded = tf.export.load(tmp_path / "a")
    close(loaded.double(x), 2 * x * [1.0, 2.0])
    assert loaded.double.platforms == ("cpu",)


def test_loaded_functions_are_parts_of_others(tmp_path):
    model = network()
    model.export(tmp_path / "m", format="stablehlo")
    loaded = tf.export.load(tmp_path / "m")
    close(tf.function(lambda x: loaded(x) * 2.0)(X), 2 * model(X))
    inputs = keras.Input((4,))
    outer = keras.Model(inputs, keras.layers.Rescaling(2.0)(loaded(inputs)))
    assert outer.output_shape == (None, 2)
    close(outer.predict(X, verbose=0), 2 * model(X))


def test_no_kernel_of_this_machine_is_in_the_file(tmp_path):
    x = keras.Input((6, 8), batch_size=32)
    rows = keras.layers.Dense(64, activation="gelu")(keras.layers.LSTM(16, return_sequences=True)(x))
    model = keras.Model(x, keras.layers.Softmax()(keras.layers.LayerNormalization()(rows)))
    function = tf.function(model, input_signature=[tf.TensorSpec((32, 6, 8))])
    data = np.random.default_rng(0).normal(size=(32, 6, 8)).astype("float32")
    want = [np.asarray(tf.function(lambda x: model(x) * 1.0)(data)) for _ in range(4)][
        0
    ]  # bodies are kept, then copied
    tf.export.save(function, tmp_path / "f")
    with zipfile.ZipFile(tmp_path / "f") as archive:
        content = archive.read("functions/serve.bin")
    text = export.deserialize(bytearray(content)).mlir_module()
    assert b".py" not in content  # nor a path
    assert "dovetail_" not in text and not re.findall(r"custom_call @(?!mhlo\.)\w+", text)
    close(tf.export.load(tmp_path / "f")(data), want)


def test_arguments_that_do_not_fit(tmp_path):
    model = of_several()
    model.export(tmp_path / "m", format="stablehlo")
    loaded = tf.export.load(tmp_path / "m")
    with pytest.raises(TypeError, match=r"takes \({a: float32\[batch, 4\], b: float32\[batch, 4\]}\)"):
        loaded(X)
    with pytest.raises(ValueError, match="float32.5, 3"):
        loaded({"a": X[:, :3], "b": X})
    for other in (X[:2], X[:0]):
        with pytest.raises(ValueError, match="each name is one size of at least 1"):
            loaded({"a": other, "b": other if not other.size else X})
    with pytest.raises(ValueError, match="int32"):
        loaded({"a": X.astype("int32"), "b": X})
    with pytest.raises(AttributeError, match="it has serve"):
        loaded.absent


def test_what_is_no_program_says_so(tmp_path):
    signature = [tf.TensorSpec([None], tf.float32)]
    state = tf.Variable(1.0)
    texts = tf.function(lambda x: tf.strings.length(x), input_signature=[tf.TensorSpec([None], tf.string)])
    for function, reason in (
        (tf.function(lambda x: x * state.assign_add(1.0), input_signature=signature), "assigns"),
        (texts, "texts"),
        (tf.function(lambda x: tf.where(x > 0), input_signature=signature), "export: 'serve'"),
        (tf.function(lambda x: x, input_signature=[tf.TensorSpec(None)]), "unknown rank"),
    ):
        with pytest.raises(NotImplementedError, match=reason):
            tf.export.save(function, tmp_path / "f")
    with pytest.raises(NotImplementedError, match="other machines: it calls .*lapack"):
        matrices = [tf.TensorSpec([3, 3], tf.float32)]
        tf.export.save(
            tf.function(tf.linalg.eigvals, input_signature=matrices), tmp_path / "f", platforms="cpu"
        )
    for wrong in (lambda x: x, tf.Module(), {}, tf.function(lambda x: x)):
        with pytest.raises(ValueError, match=r"tf\.export\.save"):
            tf.export.save(wrong, tmp_path / "f")
    with pytest.raises(ValueError, match="format is one of"):
        tf.export.save(texts, tmp_path / "f", "exe")
    with pytest.raises(ValueError, match="platforms are some of"):
        network().export(tmp_path / "f", format="stablehlo", platforms=["gpu"])
    with pytest.raises(NotImplementedError, match="has the options 'platforms'"):
        network().export(tmp_path / "f", format="stablehlo", opset_version=18)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["openvino", "litert", "torch"])
def test_formats_of_keras_that_are_not_written_say_why(name, tmp_path):
    with pytest.raises(NotImplementedError, match=f"format='{name}' is not written: it"):
        network().export(tmp_path / "f", format=name)
    with pytest.raises(NotImplementedError, match=name):
        keras.export.ExportArchive(format=name)
    with pytest.raises(ValueError, match="format is one of 'tf_saved_model'"):
        network().export(tmp_path / "f", format="exe")


def test_an_old_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "m"
    network().export(path, format="stablehlo")
    old = path.read_bytes()
    monkeypatch.setattr(np.lib.format, "write_array", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        network().export(path, format="stablehlo")
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_show_and_convert(tmp_path, capsys):
    network().save(tmp_path / "m.keras")
    target = str(tmp_path / "m.stablehlo")
    assert cli.main(["convert", str(tmp_path / "m.keras"), target]) == 0
    assert cli.main(["show", target]) == 0
    out = capsys.readouterr().out
    assert out.startswith("StableHLO programs, written by dovetail") and "verdict    safe" in out
    assert "function 'serve': (x: float32[batch, 4]) -> (output_0: float32[batch, 2])" in out
    assert "for cpu, cuda, tpu" in out and "(64, 2) float32" in out
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr("functions/other.bin", b"")  # nothing names it
    assert describe(target).unsafe == []
    with pytest.raises(FileNotFoundError):
        tf.export.load(tmp_path / "absent")


def test_without_flatbuffers_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(ImportError, match="pip install flatbuffers"):
        network().export(tmp_path / "f", format="stablehlo")


def test_doors_of_the_engine_stay_functions():
    """Importing `dovetail.engine.modules` puts the module in the place of the function that imports it."""
    program = (
        "from dovetail import engine\n"
        "doors = [engine.programs, engine.modules, engine.loops]\n"
        "assert all(door().export for door in doors[:2])\n"
        "assert doors == [engine.programs, engine.modules, engine.loops]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
