"""Hostile files: `make(target, outside)` writes all of them and returns rows `(name, loader, path, refusal)`.

A refusal of None: the file is read, and what is bad in it is left alone.
"""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np

import dovetail as tf
from dovetail import keras
from dovetail.train import bundle
from dovetail.wire import records, sorted_table
from dovetail.wire.protobuf import varint
from dovetail.wire.saved_datasets import SnapshotMetadata
from dovetail.wire.saved_model import SavedModel
from tests.hostile import programs, weights
from tests.hostile.configs import LAYERS, MODELS, sequential
from tests.hostile.watched import small

REFUSED_LINK = "is a link, which is not read"
ELSEWHERE = "in another file, which is not read"


def make(target, outside, whole):
    """Writes the files; `whole`: every hostile layer in every kind of file, otherwise all of them in one kind."""
    rows, good = [], _Good(target)
    for part in (
        _archives,
        _hdf5,
        weights.make,
        programs.make,
        _configs,
        _checkpoints,
        _saved_models,
        _records,
        _datasets,
        _downloads,
        _pickles,
    ):
        rows += part(target, outside, good, whole) if part is _configs else part(target, outside, good)
    return [*good.rows, *rows]


class _Good:
    """Files of each kind that mean no harm, which others are made of.

    Attributes:
        rows: for the process that loads them all.
    """

    def __init__(self, target):
        model = small()
        self.keras, self.h5 = str(target / "good.keras"), str(target / "good.h5")
        self.weights = str(target / "good.weights.h5")
        model.save(self.keras)
        model.save(self.h5)
        model.save_weights(self.weights)
        with zipfile.ZipFile(self.keras) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        table = tf.lookup.experimental.MutableHashTable("string", "int64", -1)
        table.insert(["a"], [1])
        self.checkpoint = str(target / "good.ckpt")
        tf.train.Checkpoint(model=model, table=table).write(self.checkpoint)
        module = tf.Module()
        module.v = tf.Variable(2.0)
        module.f = tf.function(lambda x: x * module.v, input_signature=[tf.TensorSpec([])])
        self.saved_model = str(target / "good_model")
        tf.saved_model.save(module, self.saved_model, signatures=module.f)
        self.program = str(target / "good.stablehlo")
        tf.export.save(module.f, self.program)
        self.dataset = str(target / "good_dataset")
        tf.data.Dataset.from_tensor_slices({"a": [1, 2], "b": ["x", "y"]}).save(self.dataset)
        self.records = str(target / "good.tfrecord")
        example = tf.train.Example()
        example.features.feature["x"].int64_list.value.append(3)
        with tf.io.TFRecordWriter(self.records) as writer:
            writer.write(example.SerializeToString())
        words = target / "words.txt"
        words.write_text("a\nb\n")
        texts = np.empty(2, object)
        texts[:] = [[1, 2], [3]]
        labels = np.arange(2)
        self.imdb = str(target / "good.npz")
        np.savez(self.imdb, x_train=texts, y_train=labels, x_test=texts, y_test=labels)
        files = target / "good.tar"
        with tarfile.open(files, "w") as packed:
            packed.add(words, "a/words.txt")
        self.rows = [
            ("good_keras", "load_model", self.keras, None),
            ("good_h5", "load_model", self.h5, None),
            ("good_weights", "load_weights", self.weights, None),
            ("good_checkpoint", "checkpoint", self.checkpoint, None),
            ("good_reader", "reader", self.checkpoint, None),
            ("good_saved_model", "saved_model", self.saved_model, None),
            ("good_program", "exported", self.program, None),
            ("good_dataset", "dataset", self.dataset, None),
            ("good_records", "records", self.records, None),
            ("good_imdb", "imdb", self.imdb, None),
            ("good_vocabulary", "vocabulary", str(words), None),
            ("good_fetched", "fetched", str(files), None),
        ]


def make_for_fuzz(folder):
    """Writes the good files that are only damaged at random: models of more layers, which are compiled."""
    inputs = keras.Input((6,), name="x")
    first = keras.layers.Dense(4, activation="relu", kernel_regularizer="l2", name="a")(inputs)
    shape = keras.layers.Reshape((2, 2), name="r")(first)
    rows = keras.layers.LSTM(2, name="l")(shape)
    branch = keras.layers.BatchNormalization(name="b")(keras.layers.Dense(2, name="c")(inputs))
    outputs = keras.layers.Dense(1, name="o")(keras.layers.Add(name="s")([rows, branch * 2.0]))
    model = keras.Model(inputs, outputs, name="m")
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)), "mse", ["mae"]
    )
    model.save(folder / "fuzz.keras")
    model.save(folder / "fuzz.h5")
    (folder / "fuzz.json").write_text(model.to_json())
    with zipfile.ZipFile(folder / "good.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a/words.txt", "a\nb\n" * 50)
        packed.writestr("b.txt", "x")


# ---- .keras


def _zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, value)
    return str(path)


def _archives(target, outside, good):
    members, rows = good.members, []
    config = members["config.json"]

    def add(name, made, refusal):
        rows.append((f"keras_{name}", "load_model", _zipped(target / f"{name}.keras", made), refusal))

    twice = config.replace(
        b'"class_name": "Sequential"', b'"class_name": "Dense", "class_name": "Sequential"', 1
    )
    assert twice != config
    add("key_twice", {**members, "config.json": twice}, "stands twice")
    add("deep_json", {**members, "config.json": b"[" * 10**6}, "nested too deeply")
    add("no_config", {"model.weights.h5": b""}, "no config.json")
    add("other_json", {**members, "config.json": b"[1, 2]"}, "does not describe a model")
    add("weights_link", {**members, "model.weights.h5": _linked(good, outside)}, REFUSED_LINK)
    path = target / "member_twice.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
        with warnings.catch_warnings(action="ignore"):
            archive.writestr("config.json", b"{}")
    rows.append(("keras_member_twice", "load_model", str(path), "members of the same name"))
    path = target / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in members.items():
            if name != "model.weights.h5":
                archive.writestr(name, value)
        archive.writestr("model.weights.h5", bytes(300 << 20))
    rows.append(("keras_bomb", "load_model", str(path), "claims .* and stores"))
    path = target / "lzma.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    rows.append(("keras_lzma", "load_model", str(path), "compressed in a way"))
    escaping = {**members, "assets/../../owned.txt": b"x", "/tmp/owned.txt": b"x", "../owned.txt": b"x"}
    rows.append(("keras_escaping_assets", "load_model", _zipped(target / "escaping.keras", escaping), None))
    return rows


def _linked(good, outside):
    held = io.BytesIO(good.members["model.weights.h5"])
    with h5py.File(held, "a") as file:
        place = _kernel(file)
        del file[place]
        file[place] = h5py.ExternalLink(str(outside / "secret.h5"), "/data")
    return held.getvalue()


def _kernel(file):
    found = []
    file.visititems(lambda name, item: found.append(name) if getattr(item, "shape", None) == (3, 2) else None)
    return next(name for name in found if not name.startswith("optimizer"))


# ---- HDF5: of weights, of whole models, and in .keras files


def _external_link(file, place, outside):
    file[place] = h5py.ExternalLink(str(outside / "secret.h5"), "/data")


def _soft_link(file, place, outside):
    file["elsewhere"] = np.ones((3, 2), "float32")
    file[place] = h5py.SoftLink("/elsewhere")


def _linked_group(file, place, outside):
    parent = place.rpartition("/")[0]
    del file[parent]
    file[parent] = h5py.ExternalLink(str(outside / "secret.h5"), "/")


def _linked_root(file, place, outside):
    first = place.partition("/")[0]
    del file[first]
    file[first] = h5py.ExternalLink(str(outside / "secret.h5"), "/")


def _external_storage(file, place, outside):
    file.create_dataset(place, (3, 2), "float32", external=[(str(outside / "secret.txt"), 0, 24)])


def _virtual(file, place, outside):
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource(str(outside / "secret.h5"), "data", (3, 2))
    file.create_virtual_dataset(place, layout)


def _virtual_of_itself(file, place, outside):
    file["elsewhere"] = np.ones((3, 2), "float32")
    layout = h5py.VirtualLayout((3, 2), "float32")
    layout[:] = h5py.VirtualSource(".", "elsewhere", (3, 2))
    file.create_virtual_dataset(place, layout)


def _shape_bomb(file, place, outside):
    file.create_dataset(place, (1 << 20, 1 << 20), "float32", chunks=(1024, 1024))


def _cycle(file, place, outside):
    parent = place.rpartition("/")[0]
    file[place] = file[parent]


def _strings(file, place, outside):
    file[place] = np.array([[b"a"] * 2] * 3)


def _references(file, place, outside):
    file.create_dataset(place, (3, 2), h5py.ref_dtype)


def _nothing(file, place, outside):
    file[place] = h5py.Empty("float32")


HDF5 = {
    "external_link": (_external_link, REFUSED_LINK),
    "soft_link": (_soft_link, REFUSED_LINK),
    "linked_group": (_linked_group, REFUSED_LINK),
    "linked_root": (_linked_root, f"{REFUSED_LINK}|holds weights and no model|layers"),
    "external_storage": (_external_storage, ELSEWHERE),
    "virtual": (_virtual, ELSEWHERE),
    "virtual_of_itself": (_virtual_of_itself, ELSEWHERE),
    "shape_bomb": (_shape_bomb, "shape|claims"),
    "cycle": (_cycle, "not a dataset|shape"),
    "strings": (_strings, "numbers are expected"),
    "references": (_references, "numbers are expected"),
    "empty": (_nothing, "shape|is empty"),
}


def _hdf5(target, outside, good):
    rows = []
    for name, (change, refusal) in HDF5.items():
        for kind, source, loader in (
            ("weights", good.weights, "load_weights"),
            ("h5", good.h5, "load_model"),
        ):
            path = target / f"{name}.{'weights.' if kind == 'weights' else ''}h5"
            path.write_bytes(Path(source).read_bytes())
            with h5py.File(path, "a") as file:
                place = _kernel(file)
                del file[place]
                change(file, place, outside)
            rows.append((f"{kind}_{name}", loader, str(path), refusal))
    path = target / "strings_bomb.h5"
    with h5py.File(path, "w") as file:
        many = 1 << 14
        file.attrs["layer_names"] = np.array([b"d"])
        group = file.create_group("d")
        group.attrs["weight_names"] = np.array([b"d/%d" % i for i in range(many // 4)])
        group.create_dataset("d/0", (many,), h5py.string_dtype())
    rows.append(("weights_many_names", "load_weights", str(path), "."))
    path = target / "attributes.h5"
    path.write_bytes(Path(good.h5).read_bytes())
    with h5py.File(path, "a", track_order=False) as file:
        for i in range(3000):
            file.attrs[f"a{i}"] = i
    rows.append(("h5_many_attributes", "load_model", str(path), None))
    for name, value, refusal in (
        ("number", 7, "cannot be read"),
        ("numbers", np.arange(5), "cannot be read"),
        ("deep", "[" * 50000, "nested too deeply"),
        ("list", "[1]", "."),
    ):
        path = target / f"attribute_{name}.h5"
        path.write_bytes(Path(good.h5).read_bytes())
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = value
        rows.append((f"h5_attribute_{name}", "load_model", str(path), refusal))
    return rows


# ---- configs


_NAMES_ALONE = ("os_system_registered_name", "module_of_another_kind", "name_of_another_kind")


def _configs(target, outside, good, whole):
    rows = []
    for number, (name, (layer, refusal)) in enumerate(LAYERS.items()):
        made = _in_all_files(target, outside, good, f"layer_{name}", sequential(layer), refusal)
        rows += made if whole else made[number % len(made) :][:1]
        for loader in ("deserialize", "from_config") if whole or number % 4 == 0 else ():
            has_class = isinstance(layer["config"], dict) and hasattr(keras.layers, str(layer["class_name"]))
            if loader == "from_config" and (not has_class or name in _NAMES_ALONE):
                continue
            path = _text(target / f"{loader}_{name}.json", layer, outside)
            rows.append((f"{loader}_{name}", loader, path, refusal))
    for name, (model, refusal) in MODELS.items():
        rows += _in_all_files(target, outside, good, f"model_{name}", model, refusal)
    # JSON alone has no file to compare sizes with, and is not of models only.
    bombs = ("weight_bomb", "embedding_bomb", "many_weights", "no_model")
    return [
        row for row in rows if not (row[1] == "from_json" and row[0].removeprefix("json_model_") in bombs)
    ]


def _text(path, config, outside):
    path.write_text(json.dumps(config).replace("OUTSIDE", str(outside)))
    return str(path)


def _in_all_files(target, outside, good, name, config, refusal):
    text = json.dumps(config).replace("OUTSIDE", str(outside))
    made = [
        (
            f"keras_{name}",
            "load_model",
            _zipped(target / f"{name}.keras", {**good.members, "config.json": text}),
            refusal,
        )
    ]
    (target / f"{name}.json").write_text(text)
    made.append((f"json_{name}", "from_json", str(target / f"{name}.json"), refusal))
    if "compile_config" not in config and len(text) < 60000 and config["class_name"] == "Sequential":
        path = target / f"{name}.h5"
        path.write_bytes(Path(good.h5).read_bytes())
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = text
        made.append((f"h5_{name}", "load_model", str(path), refusal))
    return made


# ---- checkpoints


def _checkpoints(target, outside, good):
    index = Path(f"{good.checkpoint}.index").read_bytes()
    items = list(sorted_table.loads(index, "index"))
    rows = []

    def add(name, entries, refusal, loader="reader", raw=None):
        prefix = target / f"{name}.ckpt"
        (target / f"{name}.ckpt.data-00000-of-00001").write_bytes(
            Path(f"{good.checkpoint}.data-00000-of-00001").read_bytes()
        )
        (target / f"{name}.ckpt.index").write_bytes(sorted_table.dumps(entries) if raw is None else raw)
        rows.append((f"checkpoint_{name}", loader, str(prefix), refusal))

    def changed(**values):
        entry = bundle._Entry.FromString(items[-1][1])
        for name, value in values.items():
            setattr(entry, name, value)
        return [*items[:-1], (items[-1][0], entry.SerializeToString())]

    add("size", changed(size=1 << 40), "the file has")
    add("negative", changed(offset=-5), "the file has")
    add("dtype", changed(dtype=12345), "not known")
    add("shard", changed(shard_id=77), "missing")
    entry = bundle._Entry.FromString(items[1][1])
    entry.shape.Clear()
    for _ in range(3):
        entry.shape.dim.add(size=1 << 40)
    add("shape", [items[0], (items[1][0], entry.SerializeToString())], "bytes|shape|strings")
    block = sorted_table._Block()
    block.add(b"", items[0][1])
    block.add(b"k" * 4000, items[-1][1])
    for i in range(20000):  # keys of 4,000 bytes each, told by five
        block.data += varint(3990) + varint(10) + varint(0) + b"%010d" % i
    add("keys", None, "damaged|index", raw=_table([block]))
    again = sorted_table._Block()
    again.add(b"a", b"")
    add("block_twice", None, "listed twice", raw=_table([again], times=50000))
    folder = target / "foreign_checkpoints"
    folder.mkdir()
    victim = outside / "victim"
    (outside / "victim.index").write_bytes(b"keep")
    (outside / "victim.data-00000-of-00001").write_bytes(b"keep")
    (folder / "checkpoint").write_text(
        f'model_checkpoint_path: "{victim}"\nall_model_checkpoint_paths: "{victim}"\n'
        f'all_model_checkpoint_paths: "../../outside/victim"\n'
    )
    (target / "writable").mkdir()
    os.rename(folder, target / "writable" / "managed")
    rows.append(
        ("checkpoint_manager_deletes_no_foreign_files", "manager", str(target / "writable" / "managed"), None)
    )
    return rows


def _table(blocks, times=1):
    """Returns a table whose index lists each block so many times."""
    result, listed = bytearray(), sorted_table._Block()
    for block in blocks:
        handle = sorted_table._append(result, block.finished())
        for i in range(times):
            listed.add(b"%08d" % i, handle)
    handles = sorted_table._append(result, sorted_table._Block().finished())
    handles += sorted_table._append(result, listed.finished())
    return bytes(result) + handles.ljust(40, b"\0") + struct.pack("<Q", sorted_table._MAGIC)


# ---- SavedModels


def _saved_models(target, outside, good):
    data = Path(f"{good.saved_model}/saved_model.pb").read_bytes()
    rows = []

    def add(name, change, refusal):
        message = SavedModel.FromString(data)
        change(message.meta_graphs[0])
        folder = target / f"{name}_model"
        (folder / "variables").mkdir(parents=True)
        for part in ("index", "data-00000-of-00001"):
            content = Path(f"{good.saved_model}/variables/variables.{part}").read_bytes()
            (folder / "variables" / f"variables.{part}").write_bytes(content)
        (folder / "saved_model.pb").write_bytes(message.SerializeToString())
        rows.append((f"saved_model_{name}", "saved_model", str(folder), refusal))

    def string(nodes, name, value):
        node = nodes.add(name=name, op="Const")
        node.attr["dtype"].type = 7
        node.attr["value"].tensor.dtype = 7
        node.attr["value"].tensor.tensor_shape.SetInParent()
        node.attr["value"].tensor.string_val.append(value)

    def effect(op, *values):
        def change(meta):
            for function in meta.graph_def.library.function:
                for i, value in enumerate(values):
                    string(function.node_def, f"evil_{i}", value)
                node = function.node_def.add(name="evil", op=op)
                node.input.extend(f"evil_{i}:output:0" for i in range(len(values)))
                function.control_ret["evil"] = "evil"

        return change

    def constant(op, *values):
        """An object that is a constant, which is computed when the model is loaded."""

        def change(meta):
            for i, value in enumerate(values):
                string(meta.graph_def.node, f"evil_{i}", value)
            meta.graph_def.node.add(name="evil", op=op).input.extend(f"evil_{i}" for i in range(len(values)))
            number = len(meta.object_graph_def.nodes)
            meta.object_graph_def.nodes.add().constant.operation = "evil"
            meta.object_graph_def.nodes[0].children.add(node_id=number, local_name="evil")

        return change

    def asset(path):
        def change(meta):
            meta.asset_file_def.add(filename=path)
            number = len(meta.object_graph_def.nodes)
            meta.object_graph_def.nodes.add().asset.SetInParent()
            meta.object_graph_def.nodes[0].children.add(node_id=number, local_name="evil")

        return change

    def child(number):
        return lambda meta: meta.object_graph_def.nodes[0].children.add(node_id=number, local_name="evil")

    owned, secret = str(outside / "owned.txt").encode(), str(outside / "secret.txt").encode()
    trust = "allow_file_access=True"
    add("writes", effect("WriteFile", owned, b"x"), trust)
    add("writes_inside", effect("WriteFile", str(target / "writes_inside_model" / "x").encode(), b"x"), trust)
    add("reads", effect("ReadFile", secret), trust)
    add("reads_url", effect("ReadFile", b"http://127.0.0.1:9/x"), trust)
    add(
        "reads_up",
        effect(
            "ReadFile",
            str(
                target / "reads_up_model" / "assets" / ".." / ".." / ".." / "outside" / "secret.txt"
            ).encode(),
        ),
        trust,
    )
    add("constant_reads", constant("ReadFile", secret), trust)
    add("py_func", effect("PyFunc", b"x"), "not known")
    add("asset", asset("../../../outside/secret.txt"), "outside of the model's directory")
    add("absolute_asset", asset(str(outside / "secret.txt")), "outside of the model's directory")
    add("child", child(10**6), "not there")
    add("negative_child", child(-1), "not there")
    add("cycle", child(0), None)
    return rows


# ---- records and datasets


def _records(target, outside, good):
    rows = []

    def add(name, data, refusal, loader="records"):
        path = target / f"{name}.tfrecord"
        path.write_bytes(data)
        rows.append((f"records_{name}", loader, str(path), refusal))

    long = struct.pack("<Q", 1 << 60)
    add("length", long + struct.pack("<I", records.masked(long)) + bytes(50), "claims|ends")
    big = struct.pack("<Q", 1 << 30)
    add("truncated", big + struct.pack("<I", records.masked(big)) + bytes(50), "truncated")
    add("deep_example", records.framed(_deep(b"\x0a", 5000)), ".")
    add("no_gzip", b"x" * 100, "compressed", "zipped_records")
    head = big + struct.pack("<I", records.masked(big))
    add("gzip_bomb", gzip.compress(head + bytes(300 << 20)), "compress|truncated|claims", "zipped_records")
    return rows


def _deep(tag, depth):
    data = b""
    for _ in range(depth):
        data = tag + varint(len(data)) + data
    return data


def _datasets(target, outside, good):
    rows = []

    def copied(name, change, refusal):
        folder = target / f"{name}_dataset"
        for root, _, names in os.walk(good.dataset):
            inside = folder / os.path.relpath(root, good.dataset)
            inside.mkdir(parents=True, exist_ok=True)
            for one in names:
                (inside / one).write_bytes(Path(os.path.join(root, one)).read_bytes())
        change(folder)
        rows.append((f"dataset_{name}", "dataset", str(folder), refusal))

    def run_id(text):
        def change(folder):
            path = folder / "snapshot.metadata"
            message = SnapshotMetadata.FromString(path.read_bytes())
            message.run_id = text
            path.write_bytes(message.SerializeToString())

        return change

    copied("run_outside", run_id("../../outside"), "damaged")
    copied("run_absolute", run_id(str(outside)), "damaged")
    copied(
        "deep_spec",
        lambda folder: (folder / "dataset_spec.pb").write_bytes(_deep_list(3000)),
        "description|damaged",
    )
    copied(
        "no_spec",
        lambda folder: (folder / "dataset_spec.pb").write_bytes(b"\xff" * 20),
        "description|damaged",
    )
    return rows


def _deep_list(depth):
    data = b""
    for _ in range(depth):
        inner = b"\x0a" + varint(len(data)) + data
        data = b"\x9a\x03" + varint(len(inner)) + inner  # list_value, field 51
    return data


# ---- archives that are fetched


def _downloads(target, outside, good):
    rows = []

    def tar(name, *members, refusal, suffix="tar"):
        path = target / f"{name}.{suffix}"
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as packed:
            for fields, content in members:
                member = tarfile.TarInfo(fields.pop("name"))
                for key, value in fields.items():
                    setattr(member, key, value)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
        rows.append((f"fetched_{name}", "fetched", str(path), refusal))

    def zipped(name, members, refusal):
        rows.append((f"fetched_{name}", "fetched", _zipped(target / f"{name}.zip", members), refusal))

    leads = "leads outside"
    lies = "lies outside"
    tar("tar_up", ({"name": "../../owned.txt"}, b"x"), refusal=lies)
    tar("tar_inner_up", ({"name": "a/../../owned.txt"}, b"x"), refusal=lies)
    tar("tar_absolute", ({"name": str(outside / "owned.txt")}, b"x"), refusal=lies)
    tar("tar_symlink", ({"name": "a", "type": tarfile.SYMTYPE, "linkname": str(outside)}, b""), refusal=leads)
    tar(
        "tar_symlink_up",
        ({"name": "a", "type": tarfile.SYMTYPE, "linkname": "../../../x"}, b""),
        refusal=leads,
    )
    tar(
        "tar_hard_link",
        ({"name": "a", "type": tarfile.LNKTYPE, "linkname": str(outside / "secret.txt")}, b""),
        refusal=leads,
    )
    tar(
        "tar_through_symlink",
        ({"name": "a", "type": tarfile.SYMTYPE, "linkname": ".."}, b""),
        ({"name": "a/owned.txt"}, b"x"),
        refusal=leads,
    )
    tar(
        "tar_device",
        ({"name": "a", "type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}, b""),
        refusal="special file|device",
    )
    tar("tar_long", ({"name": "a/" * 1000 + "b"}, b"x"), refusal="name of")
    path = target / "tar_bomb.tar.gz"
    with gzip.open(path, "wb", 9) as file:
        for i in range(12):
            member = tarfile.TarInfo(f"zeros{i}")
            member.size = 100 << 20
            if i == 0:
                member.size = 2 << 30  # what it claims is enough
            file.write(member.tobuf())
            break
    rows.append(("fetched_tar_bomb", "fetched", str(path), "would become more than"))
    zipped("zip_up", {"../../owned.txt": b"x"}, lies)
    zipped("zip_inner_up", {"a/../../../owned.txt": b"x"}, lies)
    zipped("zip_absolute", {str(outside / "owned.txt"): b"x"}, lies)
    zipped("zip_backslash", {"..\\..\\owned.txt": b"x"}, lies)
    zipped("zip_drive", {"C:/owned.txt": b"x"}, lies)
    rows.append(("fetched_zip_bomb", "fetched", _zip_bomb(target / "zip_bomb.zip"), "would become more than"))
    return rows


def _zip_bomb(path):
    """A zip whose members share their bytes."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = stream.compress(bytes(64 << 20)) + stream.flush()
    crc = zlib.crc32(bytes(64 << 20))
    local = (
        struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 33, crc, len(body), 64 << 20, 1, 0) + b"a" + body
    )
    central = b"".join(
        struct.pack(
            "<IHHHHHHIIIHHHHHII",
            0x02014B50,
            20,
            20,
            0,
            8,
            0,
            33,
            crc,
            len(body),
            64 << 20,
            5,
            0,
            0,
            0,
            0,
            0,
            0,
        )
        + b"%05d" % i
        for i in range(300)
    )
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 300, 300, len(central), len(local), 0)
    path.write_bytes(local + central + end)
    return str(path)


# ---- pickles in data sets


class _Payload:
    def __reduce__(self):
        return os.system, ("true",)


def _pickles(target, outside, good):
    texts = np.empty(2, object)
    texts[:] = [[1], _Payload()]
    path = target / "evil.npz"
    np.savez(path, x_train=texts, y_train=np.arange(2), x_test=texts, y_test=np.arange(2))
    folder = target / "cifar"
    folder.mkdir()
    evil = pickle.dumps({b"data": _Payload(), b"labels": [1]})
    with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as packed:
        for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(evil)
            packed.addfile(member, io.BytesIO(evil))
    named = "could run any code"
    return [
        ("pickle_imdb", "imdb", str(path), named),
        ("pickle_cifar", "cifar", str(folder / "cifar-10-python.tar.gz"), named),
    ]
