"""Files of records and tensors as bytes: beside TensorFlow, against the files of ../shared, and damaged ones."""

import contextlib
import zlib
from pathlib import Path

import numpy as np
import pytest

import dovetail as dv
from dovetail.base.errors import DataLossError
from dovetail.wire import records as wire_records
from dovetail.wire.example_columns import FormError, KindError, read_columns
from tests.test_parse_examples import drawn, example, plain

tf = pytest.importorskip("tensorflow")

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "records"
needs_files = pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there")
KINDS = ["", "GZIP", "ZLIB"]
RECORDS = [b"", b"one", bytes(range(256)) * 5000, "naïve".encode(), b"\0" * 70_000] * 3


def read(path, kind="", **kwargs):
    return list(dv.data.TFRecordDataset(str(path), kind, **kwargs).as_numpy_iterator())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [None, 0, 9])
def test_tensorflow_reads_what_is_written(tmp_path, kind, level):
    path = str(tmp_path / "r")
    options = dv.io.TFRecordOptions(kind, compression_level=level)
    with dv.io.TFRecordWriter(path, options) as writer:
        for i, record in enumerate(RECORDS):
            writer.write(record)
            if i % 5 == 0:
                writer.flush()
    assert list(tf.data.TFRecordDataset(path, kind).as_numpy_iterator()) == RECORDS == read(path, kind)
    other = str(tmp_path / "t")
    with tf.io.TFRecordWriter(other, tf.io.TFRecordOptions(kind, compression_level=level)) as writer:
        for record in RECORDS:
            writer.write(record)
    assert read(other, kind) == RECORDS
    if not kind:
        assert Path(path).read_bytes() == Path(other).read_bytes()


def test_datasets_are_written(tmp_path):
    path = str(tmp_path / "r")
    dataset = dv.data.Dataset.from_tensor_slices([b"a", b"b\0"])
    dv.data.experimental.TFRecordWriter(path, "GZIP").write(dataset)
    assert list(tf.data.TFRecordDataset(path, "GZIP").as_numpy_iterator()) == [b"a", b"b\0"]
    with pytest.raises(TypeError, match="must be scalar strings"):
        dv.data.experimental.TFRecordWriter(path).write(dataset.batch(2))
    with pytest.raises(TypeError, match="expected a dataset"):
        dv.data.experimental.TFRecordWriter(path).write([b"a"])


@pytest.mark.parametrize("num", [None, 1, 2, 3, 5, -1])
def test_several_files_are_read_in_tensorflows_order(tmp_path, num):
    paths = []
    for i, count in enumerate([2, 5, 0, 1, 3]):
        paths.append(str(tmp_path / str(i)))
        with dv.io.TFRecordWriter(paths[-1]) as writer:
            for j in range(count):
                writer.write(f"{i}{j}")
    ours, theirs = (
        list(t.data.TFRecordDataset(paths, num_parallel_reads=num).as_numpy_iterator()) for t in (dv, tf)
    )
    assert ours == theirs
    batches = [
        list(batch)
        for batch in dv.data.TFRecordDataset(paths, num_parallel_reads=num).batch(4).as_numpy_iterator()
    ]
    assert sum(batches, []) == ours and [len(batch) for batch in batches] == [4, 4, 3]
    files = dv.data.Dataset.from_tensor_slices(paths)
    assert read_all(dv.data.TFRecordDataset(files, num_parallel_reads=num)) == ours
    assert sorted(read_all(files.interleave(dv.data.TFRecordDataset, cycle_length=2))) == sorted(ours)


def read_all(dataset):
    return list(dataset.as_numpy_iterator())


def test_records_behind_a_url_are_written_and_read():
    pytest.importorskip("fsspec")
    with dv.io.TFRecordWriter("ram://records/r", "GZIP") as writer:
        writer.write("a")
    assert read("ram://records/r", "GZIP") == [b"a"]


def test_writers_tell_mistakes(tmp_path):
    writer = dv.io.TFRecordWriter(str(tmp_path / "r"))
    with pytest.raises(TypeError, match="Call SerializeToString"):
        writer.write(dv.train.Example())
    writer.close()
    writer.close()
    for call in (writer.flush, lambda: writer.write(b"")):
        with pytest.raises(dv.errors.FailedPreconditionError, match="is closed"):
            call()
    with pytest.raises(dv.errors.NotFoundError, match="r; No such file"):
        dv.io.TFRecordWriter(str(tmp_path / "no" / "r"))
    with pytest.raises(ValueError, match="compression_type"):
        dv.io.TFRecordOptions("LZ4")
    with pytest.raises(ValueError, match="num_parallel_reads"):
        dv.data.TFRecordDataset("r", num_parallel_reads=0)
    with pytest.raises(TypeError, match="must hold strings"):
        dv.data.TFRecordDataset(dv.data.Dataset.range(3))


# ---- damaged files


def damage(data, rng):
    """Returns bytes with something done to them."""
    data = bytearray(data)
    how = rng.integers(0, 5)
    at = int(rng.integers(0, len(data)))
    if how == 0:
        return bytes(data[:at])
    if how == 1:
        data[at] ^= 1 << int(rng.integers(0, 8))
    elif how == 2:
        data[at : at + 8] = b"\xff" * 8
    elif how == 3:
        del data[at : at + int(rng.integers(1, 9))]
    else:
        data[at:at] = rng.integers(0, 256, 5).astype(np.uint8).tobytes()
    return bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_give_their_good_records_and_a_clear_error(tmp_path, kind):
    rng = np.random.default_rng(1)
    path, good = str(tmp_path / "r"), [b"one", b"", b"three" * 40]
    with dv.io.TFRecordWriter(path, kind) as writer:
        for record in good:
            writer.write(record)
    whole = Path(path).read_bytes()
    for _ in range(150):
        Path(path).write_bytes(damage(whole, rng))
        found = []
        try:
            for record in dv.data.TFRecordDataset(path, kind).as_numpy_iterator():
                found.append(record)
        except DataLossError as error:
            assert path in str(error)
        assert found == good[: len(found)]


def test_records_that_claim_too_much_take_no_memory(tmp_path):
    path = tmp_path / "r"
    for size in (1 << 20, 1 << 62):
        length = size.to_bytes(8, "little")
        head = length + int(wire_records.masked(length)).to_bytes(4, "little")
        path.write_bytes(wire_records.framed(b"good") + head + b"x" * 100)
        found = iter(dv.data.TFRecordDataset(str(path)))
        assert next(found).numpy() == b"good"
        with pytest.raises(DataLossError, match=rf"record at 20 in '{path}'"):
            next(found)
    path.write_bytes(zlib.compress(b"no records at all, but enough of them"))
    with pytest.raises(DataLossError, match="checksum does not fit"):
        read(path, "ZLIB")
    with pytest.raises(DataLossError, match="damaged or of another compression"):
        read(path, "GZIP")


def test_hostile_examples_are_read_or_told():
    """Whatever bytes come, the two ways of reading agree, and nothing else than their errors is raised."""
    rng = np.random.default_rng(7)
    wanted = {b"id": "int64", b"tags": "string", b"point": "float32", b"numbers": "int64"}
    for _ in range(40):
        whole = [example(dv, given).SerializeToString() for given in drawn(60)]
        for i in rng.integers(0, 60, 3).tolist():
            whole[i] = damage(whole[i], rng)
        found = []
        for size in (60, 10):  # side by side, and one by one
            try:
                parts = [read_columns(whole[i : i + size], wanted) for i in range(0, 60, size)]
                found.append(
                    {
                        key: [
                            np.concatenate([getattr(part[key], what) for part in parts]).tolist()
                            for what in ("values", "counts", "present")
                        ]
                        for key in wanted
                    }
                )
            except (FormError, KindError) as error:
                found.append(type(error))
        assert repr(found[0]) == repr(found[1]) or all(isinstance(one, type) for one in found)


# ---- the files of ../shared


@needs_files
def test_real_examples_have_their_values():
    values = np.load(REAL / "examples.npz")
    features = {
        "id": dv.io.FixedLenFeature([], dv.int64),
        "point": dv.io.FixedLenFeature([3], dv.float32),
        "name": dv.io.FixedLenFeature([], dv.string),
        "tags": dv.io.RaggedFeature(dv.string),
        "numbers": dv.io.RaggedFeature(dv.int64),
        "maybe": dv.io.FixedLenFeature([], dv.float32, -1.0),
    }
    for name, kind in (("", ""), (".gz", "GZIP"), (".zlib", "ZLIB")):
        found = dv.io.parse_example(read(REAL / f"examples.tfrecord{name}", kind), features)
        for key in ("id", "point", "maybe"):
            np.testing.assert_array_equal(found[key].numpy(), values[key])
        assert [one.decode() for one in found["name"].numpy()] == values["name"].tolist()
        assert [one.decode() for one in found["tags"].values.numpy()] == values["tags_flat"].tolist()
        np.testing.assert_array_equal(found["numbers"].values.numpy(), values["numbers_flat"])
        np.testing.assert_array_equal(found["numbers"].row_lengths().numpy(), values["numbers_lengths"])


@needs_files
def test_batches_of_features_are_those_of_tensorflow():
    found = []
    for t in (dv, tf):
        features = {"id": t.io.FixedLenFeature([], t.int64), "tags": t.io.VarLenFeature(t.string)}
        made = t.data.experimental.make_batched_features_dataset(
            [str(REAL / "examples.tfrecord")], 5, features, label_key="id", num_epochs=2, shuffle=False
        )
        found.append([plain(element) for element in made])
    assert found[0] == found[1] and len(found[0]) == 5
    shuffled = dv.data.experimental.make_batched_features_dataset(
        str(REAL / "*.tfrecord"), 4, {"id": dv.io.FixedLenFeature([], dv.int64, -1)}, shuffle_seed=3
    )
    assert [len(batch["id"]) for batch in shuffled.take(9)] == [4] * 9
    with pytest.raises(ValueError, match="label_key 'it' is none of the features"):
        dv.data.experimental.make_batched_features_dataset("x", 1, {"id": 1}, label_key="it")


# ---- tensors as bytes

VALUES = [
    *(np.arange(6, dtype=kind).reshape(2, 3) for kind in ("float16", "int8", "uint16", "int64", "complex64")),
    np.array(True),
    np.zeros((0, 4), np.float32),
    np.array([["a", "bc"], ["", "dé"]]),
    np.array([], object),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value.dtype}{value.shape}")
def test_tensors_are_tensorflows_bytes(value):
    given = [
        t.constant(
            value.tolist() if value.dtype.kind in "UO" else value,
            shape=value.shape,
            dtype=t.string if value.dtype.kind in "UO" else None,
        )
        for t in (dv, tf)
    ]
    ours, theirs = dv.io.serialize_tensor(given[0]), tf.io.serialize_tensor(given[1])
    assert ours.numpy() == theirs.numpy() and ours.shape == ()
    back = dv.io.parse_tensor(theirs.numpy(), given[0].dtype)
    assert plain(back) == plain(given[1])
    proto = tf.make_tensor_proto(given[1]).SerializeToString()
    assert plain(dv.io.parse_tensor(proto, given[0].dtype)) == plain(given[1])


def test_tensors_that_are_none_are_told():
    for data, text in (
        (b"abc", "base64: YWJj"),
        (b"", "names no dtype"),
        (b"\x08\x01\x12\x04\x12\x02\x08\x05\x22\x01a", "multiple of element size"),
    ):
        with pytest.raises(dv.errors.InvalidArgumentError, match=text):
            dv.io.parse_tensor(data, dv.float32)
    huge = tf.make_tensor_proto(1.0, shape=[2**20, 2**20]).SerializeToString()
    with pytest.raises(dv.errors.InvalidArgumentError, match="too many are left out"):
        dv.io.parse_tensor(huge, dv.float32)
    with pytest.raises(dv.errors.InvalidArgumentError, match="Type mismatch"):
        dv.io.parse_tensor(dv.io.serialize_tensor(1.0), dv.int32)
    rng = np.random.default_rng(3)
    whole = dv.io.serialize_tensor(np.arange(12.0).reshape(3, 4)).numpy()
    for _ in range(200):
        with contextlib.suppress(dv.errors.InvalidArgumentError):
            assert dv.io.parse_tensor(damage(whole, rng), dv.float64).dtype == dv.float64


def test_sparse_tensors_are_tensorflows_strings():
    found = []
    for t in (dv, tf):
        st = t.SparseTensor([[0, 1], [2, 3], [2, 4]], ["a", "é", ""], [4, 5])
        other = t.SparseTensor([[5, 5]], ["z"], [6, 6])
        many = t.io.serialize_many_sparse(st)
        whole = t.stack([t.io.serialize_sparse(st), t.io.serialize_sparse(other)])
        found.append(
            [
                plain(many),
                plain(whole),
                plain(t.io.deserialize_many_sparse(many, t.string)),
                plain(t.io.deserialize_many_sparse(whole, t.string, rank=3)),
            ]
        )
    assert found[0] == found[1]
    many = dv.io.serialize_many_sparse(dv.SparseTensor([[0, 1]], [1.0], [2, 2]))
    for kind, rank, text in (
        (dv.int32, None, "Requested SparseTensor of type int32"),
        (dv.float32, 4, "rank 3"),
    ):
        with pytest.raises(dv.errors.InvalidArgumentError, match=text):
            dv.io.deserialize_many_sparse(many, kind, rank)
    with pytest.raises(dv.errors.InvalidArgumentError, match="out of order"):
        dv.io.serialize_many_sparse(dv.SparseTensor([[1, 0], [0, 0]], [1.0, 2.0], [2, 2]))


# ---- other messages


def messages(t):
    job = t.train.ClusterDef(job=[t.train.JobDef(name="w", tasks={1: "a", 0: "b"})])
    return [
        t.train.ServerDef(job_name="x", task_index=2, cluster=job).SerializeToString(deterministic=True),
        b"",
    ]


def test_messages_are_taken_apart_as_by_tensorflow():
    found = []
    for t in (dv, tf):
        made = messages(t)
        example_ = example(t, {"a": ("i", [1, 2])}).SerializeToString()
        ints = t.train.Int64List(value=[1, 2, 3]).SerializeToString()
        calls = [
            (made, "ServerDef", ["job_name", "task_index", "port"], [t.string, t.int32, t.int64]),
            ([example_[2:]], "Features", ["feature"], [t.string]),
            ([[ints], [b""]], "Int64List", ["value"], [t.int64]),
            (ints, "Int64List", ["value"], [t.int64]),
            ([b""], "Int64List", ["value"], [t.int64]),
        ]
        decoded = [t.io.decode_proto(data, f"tensorflow.{name}", *rest) for data, name, *rest in calls]
        text = t.io.decode_proto(
            ["value: 3 value: 4"], "tensorflow.Int64List", ["value"], [t.int64], message_format="text"
        )
        encoded = [
            t.io.encode_proto(
                [[3], [1]], [t.constant([[1, 2, 3], [4, 0, 0]], t.int64)], ["value"], "tensorflow.Int64List"
            ),
            t.io.encode_proto([[1, 1]], [[["x"]], [[4]]], ["job_name", "task_index"], "tensorflow.ServerDef"),
        ]
        found.append(
            [plain([one.sizes, one.values]) for one in (*decoded, text)] + [plain(one) for one in encoded]
        )
    assert found[0] == found[1]


def test_descriptors_come_from_files_too(tmp_path):
    from_tf = pytest.importorskip("google.protobuf.descriptor_pb2").FileDescriptorSet()
    described = from_tf.file.add(name="shop.proto", package="shop", syntax="proto3")
    described.message_type.add(name="Item").field.add(name="price", number=1, type=2, label=1)
    (tmp_path / "d").write_bytes(from_tf.SerializeToString())
    sources = (str(tmp_path / "d"), b"bytes://" + from_tf.SerializeToString())
    for source in sources:
        ours, theirs = (
            t.io.decode_proto([b"\x0d\x00\x00\x80\x3f"], "shop.Item", ["price"], [t.float32], source)
            for t in (dv, tf)
        )
        assert plain(ours.values) == plain(theirs.values)
    with pytest.raises(dv.errors.InvalidArgumentError, match="No descriptor found"):
        dv.io.decode_proto([b""], "shop.Item", ["price"], [dv.float32])
    with pytest.raises(dv.errors.InvalidArgumentError, match="descriptor_source"):
        dv.io.decode_proto([b""], "shop.Item", ["price"], [dv.float32], str(tmp_path / "none"))


def test_examples_in_json_are_read():
    text = '{"features":{"feature":{"a":{"int64List":{"value":[1,2]}}}}}'
    found = dv.io.decode_json_example([[text, "{}"]])
    assert found.shape == (1, 2)
    assert dv.train.Example.FromString(found.numpy()[0, 0]) == example(dv, {"a": ("i", [1, 2])})
    with pytest.raises(dv.errors.InvalidArgumentError, match="Error while parsing JSON"):
        dv.io.decode_json_example('{"x":1}')
