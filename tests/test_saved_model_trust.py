"""Graphs of others: what they may reach, and what of them is damaged."""

import json
import os
import pathlib
import shutil

import pytest

import dovetail as tf
from dovetail.compat import v1
from dovetail.wire.saved_model import MetaGraphDef, SavedModel

pytestmark = pytest.mark.filterwarnings("ignore:.*op by op")


def constant(graph, name, value):
    made = tf.make_tensor_proto(value)
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = made.dtype
    node.attr["value"].tensor.CopyFrom(made)


def written_again(graph, op, inputs, facts):
    """Adds a node as those that stand for ops which TensorFlow does not have."""
    node = graph.node.add(name="made", op="PyFunc")
    node.input.extend(inputs)
    node.attr["token"].s = f"dovetail:op:{op}".encode()
    node.attr["_facts"].s = facts.encode()


def imported(tmp_path, op, inputs, facts):
    message = MetaGraphDef()
    constant(message.graph_def, "path", os.fsencode(tmp_path / "written"))
    constant(message.graph_def, "text", b"hi")
    written_again(message.graph_def, op, inputs, facts)
    (tmp_path / "m.meta").write_bytes(message.SerializeToString())
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(str(tmp_path / "m.meta"))
        session.run("made")


@pytest.mark.parametrize("op", ["write_file", "read_file", "matching_files"])
def test_graphs_do_not_reach_files_by_the_names_of_ops(op, tmp_path):
    inputs = ["path", "text"][: 2 if op == "write_file" else 1]
    facts = {"count": len(inputs), "places": list(range(len(inputs))), "attributes": {}}
    with pytest.raises(tf.errors.PermissionDeniedError, match=op):
        imported(tmp_path, op, inputs, json.dumps(facts))
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    "facts",
    [
        "",
        "[]",
        "{",
        '{"count": 1}',
        '{"count": 1000000000000, "places": [0], "attributes": {}}',
        '{"count": 1, "places": [4], "attributes": {}}',
        '{"count": 2, "places": [0, 1], "attributes": {}}',
        '{"count": 1, "count": 2, "places": [0], "attributes": {}}',
    ],
)
def test_what_makes_an_op_again_is_looked_at(facts, tmp_path):
    with pytest.raises(tf.errors.DataLossError, match="'made'"):
        imported(tmp_path, "fingerprint", ["text"], facts)


class Read(tf.Module):
    def __init__(self, path):
        super().__init__()
        self.file = tf.saved_model.Asset(path)

    @tf.function(input_signature=[])
    def read(self):
        return tf.io.read_file(self.file.asset_path)


@pytest.fixture
def reading(tmp_path):
    (tmp_path / "text.txt").write_text("inside")
    (tmp_path / "secret.txt").write_text("outside")
    tf.saved_model.save(Read(str(tmp_path / "text.txt")), str(tmp_path / "model"))
    return tmp_path / "model"


def test_links_do_not_lead_out_of_a_model(reading, tmp_path):
    file = reading / "assets" / "text.txt"
    os.symlink(reading, tmp_path / "link")  # a link to the model itself is no link of the model
    assert tf.saved_model.load(str(tmp_path / "link")).read().numpy() == b"inside"
    file.rename(reading / "assets" / "other.txt")
    file.symlink_to("other.txt")
    assert tf.saved_model.load(str(reading)).read().numpy() == b"inside"
    file.unlink()
    file.symlink_to(tmp_path / "secret.txt")
    with pytest.raises(tf.errors.PermissionDeniedError, match="allow_file_access"):
        tf.saved_model.load(str(reading)).read()
    free = tf.saved_model.LoadOptions(allow_file_access=True)
    assert tf.saved_model.load(str(reading), options=free).read().numpy() == b"outside"


def test_the_files_of_a_model_itself_may_be_links(reading, tmp_path):
    (reading / "saved_model.pb").rename(tmp_path / "blob")
    (reading / "saved_model.pb").symlink_to(tmp_path / "blob")
    assert tf.saved_model.load(str(reading)).read().numpy() == b"inside"


def cycle(graph):
    for name, source in (("a", "b"), ("b", "a")):
        graph.node.add(name=name, op="Identity").input.append(source)


@pytest.mark.parametrize("op", ["Assign", "Merge"])
def test_copies_of_themselves_are_damage(op, tmp_path):
    model = SavedModel()
    graph = model.meta_graphs.add().graph_def
    cycle(graph)
    if op == "Assign":
        graph.node.add(name="s", op="Assign").input.extend(["v", "a"])
    else:
        graph.node.add(name="s", op="Switch").input.extend(["v", "a"])
        graph.node.add(name="m", op="Merge").input.extend(["s", "s:1"])
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    with pytest.raises(tf.errors.DataLossError, match="copy of itself"):
        tf.saved_model.load(str(tmp_path))
    meta = model.meta_graphs[0]
    meta.graph_def.node.add(name="w", op="AssignVariableOp").input.extend(["v", "a"])
    with tf.Graph().as_default(), pytest.raises(tf.errors.DataLossError, match=r"copy of|waits for"):
        v1.train.import_meta_graph(meta)


def test_assets_of_one_name_are_two_files(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "v.txt").write_text(folder)
    with tf.Graph().as_default(), v1.Session() as session:
        assets = [tf.constant(str(tmp_path / one / "v.txt").encode(), name=one) for one in "ab"]
        builder = v1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(session, ["serve"], assets_list=assets)
        builder.save()
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        paths = session.run(["a:0", "b:0"])
    assert [pathlib.Path(os.fsdecode(path)).read_text() for path in paths] == ["a", "b"]


class Holder(tf.Module):
    def __init__(self):
        super().__init__()
        self.v = tf.Variable([1.0, 2.0])


def test_a_variable_without_a_value_is_an_error_unless_it_may_be(tmp_path):
    tf.saved_model.save(Holder(), str(tmp_path / "m"))
    shutil.rmtree(tmp_path / "m" / "variables")
    with pytest.raises(tf.errors.DataLossError, match="allow_partial_checkpoint"):
        tf.saved_model.load(str(tmp_path / "m"))
    partial = tf.saved_model.LoadOptions(allow_partial_checkpoint=True)
    assert tf.saved_model.load(str(tmp_path / "m"), options=partial).v.numpy().tolist() == [0.0, 0.0]
    file = tmp_path / "m" / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    nodes = model.meta_graphs[0].object_graph_def.nodes
    (saved,) = (node.variable for node in nodes if node.WhichOneof("kind") == "variable")
    saved.shape.dim[0].size = 1 << 40
    file.write_bytes(model.SerializeToString())
    with pytest.raises(tf.errors.DataLossError, match="not made"):
        tf.saved_model.load(str(tmp_path / "m"), options=partial)


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: tf.saved_model.SaveOptions(function_aliases={"a": None}), "function_aliases"),
        (lambda: tf.saved_model.SaveOptions(namespace_whitelist=["a"]), "namespace_whitelist"),
        (lambda: tf.saved_model.SaveOptions(experimental_skip_saver=True), "experimental_skip_saver"),
        (lambda: tf.saved_model.LoadOptions(experimental_load_function_aliases=True), "function_aliases"),
        (lambda: v1.train.Saver(allow_empty=True, filename="f"), "filename"),
    ],
)
def test_options_that_are_not_there_are_refused(make, name):
    with pytest.raises(NotImplementedError, match=name):
        make()


def test_further_tags_are_written(tmp_path):
    options = tf.saved_model.SaveOptions(extra_tags=["gpu"])
    tf.saved_model.save(Holder(), str(tmp_path / "m"), options=options)
    assert tf.saved_model.load(str(tmp_path / "m"), tags=["serve", "gpu"]).v.shape == [2]
    with pytest.raises(ValueError, match="tags"):
        tf.saved_model.load(str(tmp_path / "m"), tags=["serve"])
