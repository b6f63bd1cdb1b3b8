"""ONNX files: what onnxruntime computes of them is what the models give; what has no form there says so."""

import inspect
import sys
import warnings

import numpy as np
import pytest

import dovetail as tf
from dovetail import cli, keras
from dovetail.keras.saving.describing import describe
from dovetail.ops import table
from dovetail.ops.core import OPS
from tests.keras import whole_model_cases
from tests.keras.layer_rows import CASES
from tests.keras.test_saved_layers import inference_of

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from dovetail.export.onnx.table import WRITERS  # noqa: E402 - needs the package

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
ROWS = tf.TensorSpec([None, 3], tf.float32, name="x")
# Layers with ops that ONNX has not.
WITHOUT = ("Hashing", "CenterCrop", "ContrastLimitedAdaptiveHistogramEqualization", "MelSpectrogram")
PARTLY = ("crop_to_aspect_ratio", "pad_to_aspect_ratio", "mode=angle")
# What a model is made of stands in this sample; the rest is slow for its number, not for its cases.
SAMPLE = CASES[::8]
REST = [case for case in CASES if case not in SAMPLE]


def run(path, *inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(
        None, {one.name: np.asarray(x) for one, x in zip(session.get_inputs(), inputs, strict=True)}
    )


def close(found, want, **tolerance):
    want = [np.asarray(one) for one in tf.nest.flatten(want, expand_composites=True)]
    for one, other in zip(found, want, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, **({"rtol": 1e-4, "atol": 1e-5} | tolerance))


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.label)
def test_layers(case, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, function, want = inference_of(case)
        if case.kind in WITHOUT or any(part in case.label for part in PARTLY):
            with pytest.raises(NotImplementedError, match=r"export: ONNX: the operation tf\..* of '"):
                tf.export.save(function, tmp_path / "f", "onnx")
            return
        tf.export.save(function, tmp_path / "f", "onnx")
    close(run(tmp_path / "f", *tf.nest.flatten(case.inputs())), want)


@pytest.mark.slow
@pytest.mark.parametrize("case", REST, ids=lambda case: case.label)
def test_all_other_layers(case, tmp_path):
    test_layers(case, tmp_path)


@pytest.mark.parametrize("name", whole_model_cases.MODELS)
def test_whole_models(name, tmp_path):
    model = whole_model_cases.MODELS[name](keras, tf)
    x = whole_model_cases.inputs_of(keras, model)
    model.export(tmp_path / "m.onnx", format="onnx")
    want = model(x, training=False)
    close(run(tmp_path / "m.onnx", *tf.nest.flatten(x)), want)
    if name == "matmul":  # of rows of the batch with all others
        return
    one, first = (tf.nest.map_structure(lambda y: np.asarray(y)[:1], part) for part in (x, want))
    close(run(tmp_path / "m.onnx", *tf.nest.flatten(one)), first)


@pytest.mark.parametrize(
    ("function", "inputs", "tolerance"),
    [
        (lambda x: tf.math.log1p(x), [[3e-8, -1e-5, 0.0, 0.7, -1.0, 50.0]], {"rtol": 1e-6, "atol": 0}),
        (
            lambda x: tf.math.expm1(x),
            [[3e-8, -1e-5, 0.0, 0.49, -0.5, 20.0, -90.0]],
            {"rtol": 1e-6, "atol": 0},
        ),
        (lambda x: tf.image.resize(x, (31, 13)), [np.arange(154).reshape(2, 7, 11, 1)], {}),
        (
            lambda q, k: keras.ops.dot_product_attention(q, k, k, is_causal=True),
            [np.arange(12).reshape(1, 3, 2, 2) / 7, np.arange(20).reshape(1, 5, 2, 2) / 9],
            {},
        ),
    ],
    ids=["log1p", "expm1", "resize", "causal"],
)
def test_values_at_the_edge(function, inputs, tolerance, tmp_path):
    arrays = [np.asarray(one, np.float32) for one in inputs]
    specs = [tf.TensorSpec(one.shape, tf.float32) for one in arrays]
    tf.export.save(tf.function(function, input_signature=specs), tmp_path / "f", "onnx")
    close(run(tmp_path / "f", *arrays), function(*map(tf.constant, arrays)), **tolerance)


def loop(x):
    i = tf.constant(0)
    while i < 3:
        x = x * 2.0 + tf.cast(i, tf.float32)
        i += 1
    return x, i


def branches(x):
    if tf.reduce_sum(x) > 100.0:
        y = x * 2.0
    else:
        y = x - 1.0
    return y


def along_an_axis(x):
    return (
        tf.map_fn(lambda row: row * 2.0 + x[0], x),
        tf.scan(lambda state, row: state * 0.5 + row, x, initializer=tf.zeros([3])),
        tf.foldl(lambda state, row: state + row, x, initializer=tf.zeros([3])),
        tf.foldr(lambda state, row: state * 0.5 + row, x, initializer=tf.zeros([3])),
    )


def nested_loops(x):
    total = tf.zeros_like(x)
    for i in tf.range(2):
        if i > 0:
            total += x * tf.cast(i, tf.float32)
        for _ in tf.range(2):
            total += 1.0
    return total


def indices(x):
    at, n = tf.constant(1), tf.shape(x)[0]
    return (
        x[..., 1],
        x[-1],
        x[::-1, :2],
        x[1 : n - 1],
        x[at],
        x[:, tf.newaxis, ..., -1:],
        x[None, 0],
        x[3:0:-2],
    )


def integers(x):
    i = tf.cast(x * 10.0, tf.int32)
    return i // 3, i % 3, i / 3, -i, tf.abs(i), tf.argmax(x, 1), tf.reduce_sum(i, 0), i * 2 > 5, tf.size(x)


def numbers(x):
    y = tf.abs(x) + 0.5
    return (
        *(
            tf.math.expm1(x),
            tf.math.log1p(y),
            tf.math.rsqrt(y),
            x % 0.7,
            x // 0.7,
            tf.math.divide_no_nan(x, 0.0),
        ),
        *(tf.math.is_finite(x / 0.0), tf.math.squared_difference(x, y), y**1.5, tf.reduce_logsumexp(x, 1)),
        *(
            tf.cumsum(x, 1, exclusive=True),
            tf.cumsum(x, 0, reverse=True),
            tf.norm(x, axis=1),
            tf.math.round(x),
        ),
    )


def arranged(x):
    n = tf.shape(x)[0]
    return (
        *(
            tf.zeros([n, 2]),
            tf.fill([n], 3.0),
            tf.range(n),
            tf.broadcast_to(x[:1], [n, 3]),
            tf.repeat(x, 2, axis=1),
        ),
        *(tf.linalg.band_part(tf.ones((3, 3)), -1, 0), tf.reverse(x, [0, 1]), tf.sort(x, axis=1)),
        *(
            tf.gather_nd(x, [[0, 1], [1, 2]]),
            tf.tensor_scatter_nd_add(x, [[0], [0]], x[:2]),
            tf.transpose(x) @ x,
        ),
        *tf.split(x, [1, 2], axis=1),
    )


def activations(x):
    nn = keras.activations
    names = (
        "celu",
        "elu",
        "exponential",
        "gelu",
        "hard_sigmoid",
        "hard_silu",
        "hard_tanh",
        "leaky_relu",
        "mish",
    )
    names += ("log_sigmoid", "relu6", "selu", "silu", "softplus", "softsign", "squareplus", "tanh_shrink")
    return [getattr(nn, name)(x) for name in (*names, "log_softmax", "sigmoid", "tanh")]


def causal(x):
    q = tf.reshape(x, [-1, 1, 1, 3]) * tf.ones((1, 4, 1, 1))
    return keras.ops.dot_product_attention(q, q + 1.0, q, is_causal=True)


@pytest.mark.parametrize("opset", [17, 18])
@pytest.mark.parametrize(
    "function",
    [loop, branches, along_an_axis, nested_loops, indices, integers, numbers, arranged, activations, causal],
)
def test_functions(function, opset, tmp_path):
    made_of = tf.function(function, input_signature=[ROWS])
    tf.export.save(made_of, tmp_path / "f", "onnx", opset_version=opset)
    onnx.checker.check_model(str(tmp_path / "f"), full_check=True)
    close(run(tmp_path / "f", X), made_of(X))


def test_names_and_shapes(tmp_path, capsys):
    model = whole_model_cases.dicts(keras, tf)
    model.export(tmp_path / "m.onnx", format="onnx", verbose=True, opset_version=20)
    assert "Saved artifact at" in capsys.readouterr().out
    found = onnx.load(tmp_path / "m.onnx")
    assert found.opset_import[0].version == 20 and found.producer_name == "dovetail"
    assert [one.name for one in found.graph.input] == ["a", "b"]
    assert [one.name for one in found.graph.output] == ["d", "s"]
    sizes = [one.dim_param or one.dim_value for one in found.graph.input[0].type.tensor_type.shape.dim]
    assert sizes == ["batch", 4]
    onnx.checker.check_model(found, full_check=True)
    assert any(one.name.endswith("dd/kernel") for one in found.graph.initializer)


def test_dtypes(tmp_path):
    for dtype, tolerance in (("float64", 1e-6), ("float16", 1e-2)):
        model = keras.Sequential([keras.Input((3,), dtype=dtype), keras.layers.Dense(2, dtype=dtype)])
        model.export(tmp_path / "m", format="onnx")
        x = X.astype(dtype)
        close(run(tmp_path / "m", x), model(x), rtol=tolerance, atol=tolerance)


def test_what_is_not_written_names_it(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Lambda(tf.math.lgamma)])
    with pytest.raises(
        NotImplementedError, match="tf.math.lgamma of '.*lambda.*/.*tf_saved_model' or 'stablehlo'"
    ):
        model.export(tmp_path / "m", format="onnx")
    two = {name: tf.function(lambda x: x, input_signature=[ROWS]) for name in "ab"}
    with pytest.raises(ValueError, match="one function, received 'a', 'b'"):
        tf.export.save(two, tmp_path / "m", "onnx")
    for version in (16, 999, "18", True):
        with pytest.raises(ValueError, match="opset_version is from 17 to"):
            tf.export.save(two["a"], tmp_path / "m", "onnx", opset_version=version)
    with pytest.raises(NotImplementedError, match="has the options 'opset_version'"):
        model.export(tmp_path / "m", format="onnx", platforms=["cpu"])
    archive = keras.export.ExportArchive(format="onnx")
    archive.add_endpoint("double", lambda x: 2.0 * x, [ROWS])
    archive.write_out(tmp_path / "a")
    close(run(tmp_path / "a", X), 2.0 * X)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        tf.export.save(tf.function(lambda x: x, input_signature=[ROWS]), tmp_path / "m", "onnx")


def test_rows_take_what_the_ops_take():
    table.load_all()
    for name, writer in WRITERS.items():
        if name not in OPS:
            continue
        parameters = list(inspect.signature(writer).parameters.values())[1:]
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            continue
        names = [one.name for one in parameters]
        assert set(OPS[name].attributes) <= set(names), name
        assert len(names) - len(OPS[name].attributes) == len(OPS[name].tensors), name


def test_show_and_convert(tmp_path, capsys):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="d")]).save(tmp_path / "m.keras")
    target = tmp_path / "m.onnx"
    assert cli.main(["convert", str(tmp_path / "m.keras"), str(target)]) == 0
    assert cli.main(["show", str(target)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ONNX graph, written by dovetail") and "verdict    safe" in out
    assert "float32[batch, 3]" in out and "(3, 2) float32" in out and "operators of version 18" in out
    content = target.read_bytes()
    model = onnx.load(target)
    model.graph.node[0].domain = "com.others"
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    target.write_bytes(model.SerializeToString())
    found = describe(str(target))
    assert found.custom == [f"com.others.{model.graph.node[0].op_type}"] and "another file" in found.unsafe[0]
    for damaged in (content[: len(content) // 2], b"\xff" * 99, b""):
        target.write_bytes(damaged)
        with pytest.raises(ValueError, match="no whole ONNX file"):
            describe(str(target))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: tf.where(x > 0), "'?tf.where"),
        (lambda x: tf.boolean_mask(x, x > 0), "tf.boolean_mask"),
        (lambda x: tf.gather(tf.constant(["a", "b", "c"]), x), "works on texts"),
        (lambda x: tf.strings.length(tf.strings.as_string(x)), "tf.strings.as_string"),
    ],
    ids=["where", "mask", "texts", "strings"],
)
@pytest.mark.filterwarnings("ignore:tf.function. .* runs op by op")
def test_what_only_values_tell_is_refused(function, words, tmp_path):
    whole = tf.function(function, input_signature=[tf.TensorSpec([4], tf.int32)])
    with pytest.raises(NotImplementedError, match=f"export: .*{words}"):
        tf.export.save(whole, tmp_path / "f", "onnx")
    assert not (tmp_path / "f").exists()
