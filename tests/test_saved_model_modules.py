"""Graphs of others are run as TensorFlow runs them: compiled modules, arrays, branches, effects; or are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import dovetail as tf
from dovetail import cli
from dovetail.compat import v1
from dovetail.saved_model.files import read_meta_graph

X = np.array([[2.0, 1.0], [1.0, 3.0]], np.float32)


def called(function, platforms=("cpu",), **given):
    made = export.export(jax.jit(function), platforms=platforms)(jax.ShapeDtypeStruct((2, 2), "float32"))
    return tf.raw_ops.XlaCallModule(
        args=[tf.constant(X)],
        version=made.calling_convention_version,
        module=given.get("module", made.mlir_module_serialized),
        Sout=[tf.TensorShape([2, 2])],
        Tout=[tf.float32],
        platforms=[one.upper() for one in platforms],
    )


@pytest.mark.parametrize("platforms", [("cpu",), ("cpu", "cuda"), ("cpu", "cuda", "tpu")])
def test_modules_are_run_for_the_devices_that_they_name(platforms):
    if jax.default_backend() != "cpu":
        pytest.skip("the first module is for CPUs alone")
    (found,) = called(lambda x: [x @ x], platforms)
    np.testing.assert_allclose(found, X @ X)


def test_modules_that_are_not_run_say_why():
    with pytest.raises(tf.errors.UnimplementedError, match="'lapack_spotrf"):
        called(lambda x: [jnp.linalg.cholesky(x)])
    with pytest.raises(tf.errors.UnimplementedError, match="compiled for tpu"):
        called(lambda x: [x + x], ("tpu",))
    with pytest.raises(ValueError, match="damaged"):
        called(lambda x: [x], module=b"none")


@pytest.mark.parametrize("size", [3, None])
def test_arrays_are_scattered_by_indices_that_are_not_known(size):
    specs = [tf.TensorSpec([size], tf.int32), tf.TensorSpec([size], tf.float32)]

    @tf.function(input_signature=specs)
    def scattered(indices, value):
        handle, flow = tf.raw_ops.TensorArrayV3(size=3, dtype=tf.float32)
        given = {"handle": handle, "indices": indices}
        flow = tf.raw_ops.TensorArrayScatterV3(**given, value=value, flow_in=flow)
        return tf.raw_ops.TensorArrayGatherV3(
            handle=handle, indices=tf.constant([0, 1, 2]), flow_in=flow, dtype=tf.float32
        )

    assert scattered([2, 0, 1], [1.0, 2.0, 3.0]).numpy().tolist() == [2.0, 3.0, 1.0]


def test_effects_are_written_in_their_order(tmp_path):
    class Printing(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def f(self, x):
            tf.print("one", x)
            tf.print("two", x)
            return x

    tf.saved_model.save(Printing(), str(tmp_path))
    functions = read_meta_graph(str(tmp_path)).graph_def.library.function
    (nodes,) = (nodes for f in functions if len(nodes := [n for n in f.node_def if n.op == "PrintV2"]) == 2)
    assert f"^{nodes[0].name}" in nodes[1].input


@pytest.mark.parametrize("first", [0, 1])
def test_a_merge_tells_which_of_its_inputs_it_took(first, tmp_path):
    theirs = pytest.importorskip("tensorflow")
    with theirs.Graph().as_default(), theirs.compat.v1.Session() as session:
        chosen = theirs.compat.v1.placeholder("bool", [], "chosen")
        ways = theirs.raw_ops.Switch(data=theirs.constant(3.0), pred=chosen)
        ways = [ways[0] * 10.0, ways[1] * 1.0]
        merged = theirs.raw_ops.Merge(inputs=[ways[first], ways[1 - first]])
        outputs = {"output": merged.output, "index": merged.value_index}
        theirs.compat.v1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": chosen}, outputs)
        wanted = [session.run(outputs, {chosen: one}) for one in (True, False)]
    run = tf.saved_model.load(str(tmp_path / "m")).signatures["serving_default"]
    for one, result in zip((True, False), wanted, strict=True):
        assert {key: value.numpy() for key, value in run(x=tf.constant(one)).items()} == result


def test_nothing_is_restored_where_not_all_fits(tmp_path):
    def session(size):
        made = [v1.get_variable(name, n, initializer=v1.ones_initializer()) for name, n in zip("ab", size)]
        opened = v1.Session()
        opened.run(v1.global_variables_initializer())
        return opened, made

    with tf.Graph().as_default():
        opened, (a, _) = session([[2], [2]])
        opened.run(a.assign([5.0, 5.0]))
        path = v1.train.Saver().save(opened, str(tmp_path / "c"))
    with tf.Graph().as_default():
        opened, (a, _) = session([[2], [3]])
        with pytest.raises(tf.errors.InvalidArgumentError, match="shape"):
            v1.train.Saver().restore(opened, path)
        assert opened.run(a).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("command", [["show"], ["convert"]])
def test_commands_tell_of_damaged_models(command, tmp_path, capsys):
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    (tmp_path / "keras_metadata.pb").write_bytes(b"\xff\xff\xff")
    arguments = [*command, str(tmp_path), *([str(tmp_path / "out.keras")] if command == ["convert"] else [])]
    assert cli.main(arguments) == 1
    assert "damaged" in capsys.readouterr().err
