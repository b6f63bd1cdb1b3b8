"""Runs loaders on hostile files in a process of their own, under an audit hook that notes whatever they should not do.

    python -m tests.hostile.watched FOLDER

FOLDER/cases.json lists `[name, loader, path]`; what happened goes to FOLDER/results.json: by name, the error (class and
message, None for none) and the events.  Only FOLDER/target may be read, and only temporary files may be written.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import time
import warnings

import dovetail as tf
from dovetail import cli, keras
from dovetail.keras.datasets import files as data_sets
from dovetail.keras.utils import unpacking

WEIGHTS = (3, 2)
_NEVER = {
    *("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn", "subprocess.Popen"),
    *("socket.connect", "socket.getaddrinfo", "socket.bind", "urllib.Request", "ctypes.dlopen"),
    *("pickle.find_class", "marshal.loads", "marshal.load", "exec", "compile", "import"),
    "os.putenv",
}
_PATHS = {
    "os.chmod",
    "os.remove",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.mkdir",
    "os.rmdir",
    "os.truncate",
    "shutil.rmtree",
}


def small():
    model = keras.Sequential([keras.Input(WEIGHTS[:1]), keras.layers.Dense(WEIGHTS[1], name="d")], name="m")
    model.compile("adam", "mse")
    return model


def load_weights(path):
    return small().load_weights(path)


def from_json(path):
    with open(path, errors="surrogateescape") as file:
        return keras.models.model_from_json(file.read())


def deserialize(path):
    with open(path) as file:
        return keras.layers.deserialize(json.load(file))


def from_config(path):
    with open(path) as file:
        entry = json.load(file)
    return getattr(keras.layers, entry["class_name"]).from_config(entry["config"])


def editor(path):
    return keras.saving.KerasFileEditor(path)


def converted(path):
    """Converts weights for a model that lies beside them."""
    told, model = io.StringIO(), path.partition(".")[0] + ".json"
    with contextlib.redirect_stderr(told):
        done = cli.main(["convert", path, os.path.join(tempfile.mkdtemp(), "m.keras"), "--model", model])
    if done:
        raise ValueError(told.getvalue())


def checkpoint(path):
    state = tf.train.Checkpoint(
        model=small(), table=tf.lookup.experimental.MutableHashTable("string", "int64", -1)
    )
    return state.restore(path).expect_partial()


def reader(path):
    found = tf.train.load_checkpoint(path)
    return [found.get_tensor(name) for name in found.get_variable_to_shape_map()]


def manager(path):
    made = tf.train.CheckpointManager(tf.train.Checkpoint(v=tf.Variable(1.0)), path, max_to_keep=1)
    return made.save()


def saved_model(path):
    loaded = tf.saved_model.load(path)
    return {name: function(tf.constant(1.0)) for name, function in loaded.signatures.items()}


def saved_model_alone(path):
    return tf.saved_model.load(path)


def unpacked_tar(path):
    with tempfile.TemporaryDirectory() as folder:
        unpacking.unpack("tar", path, folder)


def unpacked_zip(path):
    with tempfile.TemporaryDirectory() as folder:
        unpacking.unpack("zip", path, folder)


def graph(path):
    message = tf.compat.v1.GraphDef()
    with open(path, "rb") as file:
        message.ParseFromString(file.read())
    with tf.Graph().as_default():
        return tf.import_graph_def(message, return_elements=[node.name for node in message.node])


def dataset(path):
    return list(tf.data.Dataset.load(path).as_numpy_iterator())


def records(path):
    return [
        tf.io.parse_single_example(r, {"x": tf.io.FixedLenFeature([], "int64")})
        for r in tf.data.TFRecordDataset(path)
    ]


def zipped_records(path):
    return list(tf.data.TFRecordDataset(path, compression_type="GZIP").as_numpy_iterator())


def imdb(path):
    return keras.datasets.imdb.load_data(path)


def cifar(path):
    return data_sets.cifar(path, ["cifar-10-batches-py/test_batch"], "labels")


def fetched(path):
    folder = tempfile.mkdtemp()
    return keras.utils.get_file(origin=f"file://{path}", cache_dir=folder, extract=True)


def exported(path):
    return tf.export.load(path)


def vocabulary(path):
    return keras.layers.StringLookup(vocabulary=path)(["a"])


LOADERS = {
    function.__name__: function
    for function in (
        *(
            load_weights,
            editor,
            converted,
            from_json,
            deserialize,
            from_config,
            checkpoint,
            reader,
            manager,
            saved_model,
            graph,
        ),
        *(saved_model_alone, unpacked_tar, unpacked_zip),
        *(dataset, records, zipped_records, imdb, cifar, fetched, vocabulary, exported),
    )
} | {"load_model": keras.models.load_model}


class Watch:
    """Notes what happens while it is on.

    Args:
        folder: of the cases.
    """

    def __init__(self, folder):
        self.events, self.is_on, self._folder = [], False, folder
        cache = os.environ.get("DOVETAIL_CACHE_DIR", os.devnull)
        temporary = os.path.join(tempfile.gettempdir(), "tmp")
        common = (temporary, "/dev/null", cache)
        self._may_read = (os.path.join(folder, "target"), "/proc/", "/sys/", *common)
        self._may_write = (os.path.join(folder, "target", "writable"), *common)
        sys.addaudithook(self)

    def __call__(self, event, args):
        if not self.is_on:
            return
        if event == "open":
            self._open(args[0], args[1], args[2])
        elif event in _PATHS:
            if not all(_starts(path, self._may_write) for path in args if isinstance(path, str | bytes)):
                self.events.append(f"{event} {args!r}")
        elif event in _NEVER and not self._is_fine(event, args):
            self.events.append(f"{event} {args!r:.300}")

    def _is_fine(self, event, args):
        """Whether it does no more than what a loader of such files does."""
        if event == "urllib.Request":
            return args[0].startswith(f"file://{self._may_read[0]}/")
        if event == "pickle.find_class":
            return args[0].partition(".")[0] == "numpy"
        if event == "compile":  # NumPy reads the heads of arrays as literals; named tuples check their names
            return args[1] == "<unknown>" or (args[1] == "<string>" and args[0].startswith(b"lambda _cls, "))
        return event == "exec" and args[0].co_filename == "<string>" and args[0].co_name == "<module>"

    def _open(self, path, mode, flags):
        if not isinstance(path, str | bytes):
            return
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or flags & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT
        )
        is_source = (
            not writes and os.fsdecode(path).endswith((".py", ".pyc")) and not _starts(path, [self._folder])
        )
        if not is_source and not _starts(path, self._may_write if writes else self._may_read):
            self.events.append(f"open {path!r} {mode!r}")


def _starts(path, places):
    path = os.path.abspath(os.fsdecode(path))
    return any(path == place.rstrip("/") or path.startswith(place) for place in places)


def main(folder):
    warnings.simplefilter("ignore")
    with open(os.path.join(folder, "cases.json")) as file:
        cases = json.load(file)
    watch, results = Watch(folder), {}
    for name, loader, path in cases:
        began = time.perf_counter()
        for _ in range(2 if name.startswith("good") else 1):  # the first time, what is late is imported
            watch.events = []
            error = None
            watch.is_on = not name.startswith("warm")
            try:
                LOADERS[loader](path)
            except Exception as caught:  # noqa: BLE001  whatever it is, it is the outcome
                error = [type(caught).__name__, str(caught)]
            finally:
                watch.is_on = False
        results[name] = {"error": error, "events": watch.events, "took_s": time.perf_counter() - began}
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(sys.argv[1])
