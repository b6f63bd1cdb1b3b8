"""Protocol buffers and records, beside protobuf's own and TensorFlow's."""

import io
import pickle

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.errors import DataLossError
from dovetail.wire import crc32c, records
from dovetail.wire.messages import AttrValue, Event, GraphDef, NodeDef, Summary, TensorProto
from dovetail.wire.protobuf import DecodeError

RNG = np.random.default_rng(2)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def event():
    made = Event(wall_time=1.5, step=-3)
    value = made.summary.value.add(tag="a", simple_value=0.0)
    value.metadata.plugin_data.plugin_name = "scalars"
    made.summary.value.add(tag="b", tensor=dv.make_tensor_proto(np.arange(6.0).reshape(2, 3)))
    return made


def graph():
    made = GraphDef(versions={"producer": 7})
    made.node.append(NodeDef(name="p", op="Placeholder", attr={"dtype": AttrValue(type=1)}))
    made.node[0].attr["shape"].shape.dim.add(size=-1)
    made.node.add(name="y", op="MatMul", input=["p", "p:1"]).attr["transpose_a"].b = False
    return made


def test_the_checksum_is_castagnolis():
    assert crc32c.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("make", [event, graph])
def test_messages_are_those_of_protobuf(tf, make):
    ours = make()
    theirs = getattr(tf.compat.v1, type(ours).__name__).FromString(ours.SerializeToString())
    assert theirs.SerializeToString(deterministic=True) == ours.SerializeToString()
    again = type(ours).FromString(theirs.SerializeToString())
    assert again == ours and pickle.loads(pickle.dumps(ours)) == ours
    if make is event:
        assert theirs.step == -3 and theirs.summary.value[0].WhichOneof("value") == "simple_value"
        assert again.WhichOneof("what") == "summary" and not again.summary.value[0].HasField("tensor")


@pytest.mark.parametrize(
    "dtype", ["float32", "float16", "bfloat16", "int8", "uint16", "int64", "bool", "complex64"]
)
@pytest.mark.parametrize("shape", [(), (2, 3), (0, 2)])
def test_tensors_travel(tf, dtype, shape):
    array = np.asarray(dv.cast(RNG.integers(0, 2, shape), dtype))
    ours = dv.make_tensor_proto(array)
    np.testing.assert_array_equal(tf.make_ndarray(tf.make_tensor_proto(array)), dv.make_ndarray(ours))
    theirs = TensorProto.FromString(tf.make_tensor_proto(array).SerializeToString())
    np.testing.assert_array_equal(dv.make_ndarray(theirs), array)
    assert dv.make_ndarray(theirs).dtype == array.dtype and dv.make_ndarray(theirs).shape == shape


def test_strings_and_filled_tensors_travel(tf):
    assert dv.make_ndarray(dv.make_tensor_proto([["a", "dé"]])).tolist() == [[b"a", "dé".encode()]]
    filled = TensorProto.FromString(tf.make_tensor_proto(3, shape=(2, 2)).SerializeToString())
    assert dv.make_ndarray(filled).tolist() == [[3, 3], [3, 3]]
    with pytest.raises(TypeError, match="do not fit"):
        dv.make_tensor_proto([1, 2, 3], shape=(2, 2))


def test_wrong_fields_and_bytes_are_refused():
    with pytest.raises(AttributeError, match="no field 'steps'"):
        Event(steps=3)
    with pytest.raises(TypeError, match="expected a string"):
        Event(file_version=3)
    with pytest.raises(AttributeError, match="cannot be assigned"):
        Event().summary = Summary()
    with pytest.raises(DecodeError, match="no Event"):
        Event.FromString(b"\x0a\x7f")
    changed = Event(file_version="a")
    changed.step = 0
    changed.graph_def = b"b"
    assert changed.WhichOneof("what") == "graph_def" and not changed.HasField("file_version")


@pytest.mark.parametrize("compression", ["", "GZIP", "ZLIB"])
def test_record_files_are_read(tf, tmp_path, compression):
    path, written = str(tmp_path / "r"), [b"", b"one", bytes(100_000)]
    with tf.io.TFRecordWriter(path, compression or None) as writer:
        for record in written:
            writer.write(record)
    found = [x.numpy() for x in dv.data.TFRecordDataset(path, compression_type=compression)]
    assert found == written
    assert len(list(dv.data.TFRecordDataset([path, path], compression).batch(2))) == 3


def test_broken_records_are_told():
    whole = records.framed(b"record")
    for broken, what in ((whole[:-1], "truncated"), (whole[:12] + b"R" + whole[13:], "corrupted")):
        with pytest.raises(DataLossError, match=what):
            list(records.read(io.BytesIO(broken), "file"))
    with pytest.raises(dv.errors.NotFoundError, match="no file"):
        list(dv.data.TFRecordDataset("nowhere"))
    with pytest.raises(ValueError, match="compression_type"):
        dv.data.TFRecordDataset("nowhere", "LZ4")
