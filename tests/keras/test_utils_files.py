"""keras.utils of files and folders: get_file, images, datasets from directories, windows of a series, graphs."""

import hashlib
import os
import tarfile
import time
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

from dovetail import keras

U = keras.utils
pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("keras").utils


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder of two classes with images of several sizes, texts and sounds."""
    root = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(0)
    for number, name in enumerate(("cats", "dogs")):
        (root / name / "inner").mkdir(parents=True)
        for i in range(3):
            image = rng.integers(0, 256, (5 + i, 9 - i, 3 + number))
            U.save_img(root / name / ("inner" if i == 2 else "") / f"{i}.png", image, scale=False)
            (root / name / f"{i}.txt").write_text(f"{name} number {i}")
            with wave.open(str(root / name / f"{i}.wav"), "wb") as file:
                file.setparams((2, 2, 8000, 0, "NONE", ""))
                file.writeframes(rng.integers(-(1 << 15), 1 << 15, (7 + i, 2), "int16").tobytes())
    return str(root)


# ---- get_file


@pytest.fixture
def source(tmp_path):
    (tmp_path / "cache").mkdir()
    path = tmp_path / "words.txt"
    path.write_text("one two")
    return path


def test_a_file_is_fetched_once_and_again_for_another_hash(source, tmp_path, capsys):
    cache = tmp_path / "cache"
    path = U.get_file(origin=source.as_uri(), cache_dir=cache)
    assert path == str(cache / "datasets" / "words.txt") and "Downloading" in capsys.readouterr().out
    source.write_text("three")
    assert Path(U.get_file(origin=source.as_uri(), cache_dir=cache)).read_text() == "one two"
    md5 = hashlib.md5(b"three").hexdigest()
    assert Path(U.get_file(origin=source.as_uri(), cache_dir=cache, file_hash=md5)).read_text() == "three"
    source.write_text("four")
    again = U.get_file(origin=source.as_uri(), cache_dir=cache, force_download=True)
    assert Path(again).read_text() == "four"


def test_a_wrong_hash_leaves_nothing_behind(source, tmp_path):
    with pytest.raises(ValueError, match="its hash is not 00"):
        U.get_file(origin=source.as_uri(), cache_dir=tmp_path / "cache", file_hash="00" * 32)
    assert not list((tmp_path / "cache" / "datasets").iterdir())


def test_without_a_network_the_error_says_where_to_put_the_file(tmp_path):
    with pytest.raises(ConnectionError, match=r"put it at .*datasets.missing.txt"):
        U.get_file(origin=(tmp_path / "missing.txt").as_uri(), cache_dir=tmp_path)
    with pytest.raises(ValueError, match="pass origin="):
        U.get_file("name.txt")
    with pytest.raises(ValueError, match="hash_algorithm must be one of"):
        U.get_file(origin="file:///x", hash_algorithm="crc")


def test_archives_are_unpacked(source, tmp_path):
    with tarfile.open(tmp_path / "pack.tar.gz", "w:gz") as packed:
        packed.add(source, "pack/inner.txt")
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as packed:
        packed.writestr("boxed.txt", "zipped")
    cache = tmp_path / "cache"
    folder = U.get_file(origin=(tmp_path / "pack.tar.gz").as_uri(), cache_dir=cache, extract=True)
    assert Path(os.path.join(folder, "pack", "inner.txt")).read_text() == "one two"
    folder = U.get_file(origin=(tmp_path / "box.zip").as_uri(), cache_dir=cache, extract=True)
    assert Path(os.path.join(folder, "boxed.txt")).read_text() == "zipped"
    origin = (tmp_path / "pack.tar.gz").as_uri()
    assert U.get_file("pack", origin=origin, cache_dir=cache, untar=True) == str(cache / "datasets" / "pack")


def test_a_tar_archive_cannot_write_outside_its_folder(source, tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as packed:
        packed.add(source, "../../escaped.txt")
    with pytest.raises(ValueError, match="lies outside of the folder"):
        U.get_file(origin=(tmp_path / "evil.tar").as_uri(), cache_dir=tmp_path / "cache", extract=True)
    assert not (tmp_path / "cache" / "escaped.txt").exists()


# ---- images


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"color_mode": "grayscale"},
        {"color_mode": "rgba", "target_size": (3, 4)},
        {"target_size": (4, 3), "interpolation": "lanczos", "keep_aspect_ratio": True},
        {"target_size": (6, 2), "interpolation": "bicubic", "keep_aspect_ratio": True},
    ],
)
def test_images_are_read_as_keras_reads_them(tree, theirs, options):
    path = os.path.join(tree, "cats", "0.png")
    ours, wanted = U.load_img(path, **options), theirs.load_img(path, **options)
    assert ours.mode == wanted.mode and ours.size == wanted.size
    for layout in ("channels_last", "channels_first"):
        np.testing.assert_array_equal(U.img_to_array(ours, layout), theirs.img_to_array(wanted, layout))


@pytest.mark.parametrize("shape", [(3, 4, 1), (3, 4, 3), (3, 4, 4)])
@pytest.mark.parametrize("scale", [True, False])
def test_arrays_become_the_images_of_keras(theirs, shape, scale):
    x = np.random.default_rng(1).uniform(0, 255, shape)
    ours, wanted = U.array_to_img(x, scale=scale), theirs.array_to_img(x, scale=scale)
    assert ours.mode == wanted.mode
    np.testing.assert_allclose(np.asarray(ours, int), np.asarray(wanted, int), atol=int(scale))


def test_a_jpeg_has_no_fourth_channel(tmp_path):
    U.save_img(tmp_path / "x.jpg", np.ones((4, 4, 4)))
    assert U.load_img(tmp_path / "x.jpg").mode == "RGB"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: U.load_img("x.png", color_mode="cmyk"), "No such file|color_mode"),
        (lambda: U.array_to_img(np.ones((2, 2))), "rank 3"),
        (lambda: U.array_to_img(np.ones((2, 2, 2))), "1, 3 or 4 channels"),
        (lambda: U.img_to_array(np.ones(2)), "rank 2 or 3"),
        (lambda: U.img_to_array(np.ones((2, 2)), data_format="last"), "data_format must be"),
    ],
)
def test_bad_images_are_refused(call, message):
    with pytest.raises((ValueError, OSError), match=message):
        call()


# ---- datasets from folders


def columns(dataset):
    elements = list(dataset.as_numpy_iterator())
    return [np.concatenate(part) for part in zip(*elements)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label_mode": "categorical", "color_mode": "grayscale"},
        {"label_mode": "binary", "color_mode": "rgba", "interpolation": "nearest"},
        {"class_names": ["dogs", "cats"], "crop_to_aspect_ratio": True},
        {"labels": [0, 1, 2, 0, 1, 2], "pad_to_aspect_ratio": True},
    ],
)
def test_image_datasets_are_those_of_keras(tree, theirs, options):
    options = {"image_size": (4, 6), "batch_size": 4, "shuffle": False, **options}
    ours = U.image_dataset_from_directory(tree, **options)
    wanted = theirs.image_dataset_from_directory(tree, **options)
    assert ours.class_names == list(wanted.class_names) and ours.file_paths == wanted.file_paths
    if options.get("color_mode") != "grayscale":
        tolerances = {"rtol": 1e-5, "atol": 1e-3}
    else:
        tolerances = {"atol": 2.5}  # libpng's weights of the colours are rounded
    for mine, theirs_ in zip(columns(ours), columns(wanted), strict=True):
        assert mine.dtype == theirs_.dtype
        np.testing.assert_allclose(mine, theirs_, **tolerances)
    for spec, other in zip(ours.element_spec, wanted.element_spec, strict=True):
        assert tuple(spec.shape) == tuple(other.shape)


def test_one_seed_puts_the_files_into_the_subsets_of_keras(tree, theirs):
    options = {"image_size": (2, 2), "validation_split": 0.4, "subset": "both", "seed": 3, "verbose": False}
    ours = U.image_dataset_from_directory(tree, **options)
    wanted = theirs.image_dataset_from_directory(tree, **options)
    assert [set(part.file_paths) for part in ours] == [set(part.file_paths) for part in wanted]
    assert not set(ours[0].file_paths) & set(ours[1].file_paths)


def test_texts_and_sounds_are_those_of_keras(tree, theirs):
    options = {"batch_size": 4, "shuffle": False}
    ours = columns(U.text_dataset_from_directory(tree, max_length=6, **options))
    wanted = columns(theirs.text_dataset_from_directory(tree, max_length=6, **options))
    assert ours[0].tolist() == wanted[0].tolist() and ours[1].tolist() == wanted[1].tolist()
    options = {"batch_size": 6, "shuffle": False}
    for more in ({}, {"output_sequence_length": 8}):
        ours = columns(U.audio_dataset_from_directory(tree, **options, **more))
        wanted = columns(theirs.audio_dataset_from_directory(tree, **options, **more))
        for mine, theirs_ in zip(ours, wanted, strict=True):
            np.testing.assert_allclose(mine, theirs_, atol=1e-6)
    ragged = next(iter(U.audio_dataset_from_directory(tree, ragged=True, **options)))[0]
    assert ragged.row_lengths().numpy().tolist() == [7, 8, 9] * 2
    slow = next(iter(U.audio_dataset_from_directory(tree, sampling_rate=4000, **options)))[0]
    assert slow.shape[1] == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_mode": "onehot"}, "label_mode must be one of"),
        ({"labels": "guess"}, "labels must be 'inferred'"),
        ({"labels": [1, 2]}, "2 labels for 6 files"),
        ({"class_names": ["cats"]}, "must name the subfolders"),
        ({"validation_split": 0.2}, "validation_split and subset together"),
        ({"validation_split": 2.0, "subset": "both"}, "between 0 and 1"),
        ({"validation_split": 0.2, "subset": "test"}, "subset must be one of"),
        ({"validation_split": 0.2, "subset": "both"}, "pass seed= or shuffle=False"),
        ({"color_mode": "rgbb"}, "Did you mean 'rgb'"),
        ({"interpolation": "linear"}, "interpolation must be one of"),
        ({"format": "grain"}, "format must be 'tf'"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "exclude each other"),
    ],
)
def test_bad_arguments_of_datasets_are_refused(tree, options, message):
    with pytest.raises(ValueError, match=message):
        U.image_dataset_from_directory(tree, **options)


def test_a_folder_that_is_not_there_or_empty_is_told(tmp_path):
    with pytest.raises(NotADirectoryError, match="is no folder"):
        U.text_dataset_from_directory(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no files that end with .txt"):
        U.text_dataset_from_directory(tmp_path)


# ---- windows


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sequence_stride": 3, "sampling_rate": 2},
        {"start_index": 2, "end_index": 15, "batch_size": 4},
        {"sequence_length": 19, "sampling_rate": 2},
    ],
)
def test_windows_are_those_of_keras(theirs, options):
    data, targets = np.random.default_rng(2).normal(size=(20, 2)), np.arange(20)
    options = {"sequence_length": 4, **options}
    for aims in (None, targets):
        ours = list(U.timeseries_dataset_from_array(data, aims, **options).as_numpy_iterator())
        wanted = list(theirs.timeseries_dataset_from_array(data, aims, **options).as_numpy_iterator())
        assert len(ours) == len(wanted)
        for mine, theirs_ in zip(ours, wanted, strict=True):
            np.testing.assert_equal(mine, theirs_)


def test_windows_do_not_see_later_writes_and_bad_ones_are_refused():
    data = np.arange(6.0)
    dataset = U.timeseries_dataset_from_array(data, None, 2)
    data[:] = 0
    assert next(iter(dataset)).numpy()[-1].tolist() == [4, 5]
    for options, message in (
        ({"sequence_length": 0}, "sequence_length must be a positive integer"),
        ({"sampling_rate": 6}, "sampling_rate must be below"),
        ({"start_index": 5, "end_index": 5}, "start_index must be below end_index"),
        ({"end_index": 7}, r"end_index must be in \[0, 6\]"),
    ):
        with pytest.raises(ValueError, match=message):
            U.timeseries_dataset_from_array(data, None, **{"sequence_length": 2, **options})


# ---- graphs


def graph_model():
    x = keras.Input((4,), name="entry")
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first")], name="inner")
    left, right = inner(x), keras.layers.Dense(3, name="right")(x)
    return keras.Model(x, keras.layers.Add(name="sum")([left, right]))


def test_a_model_becomes_a_graph_in_text():
    dot = U.model_to_dot(graph_model(), show_shapes=True, rankdir="LR")
    assert len(dot.get_nodes()) == 4 and len(dot.get_edges()) == 4
    assert "rankdir=LR" in dot.to_string() and "(None, 3)" in dot.to_string()
    nested = U.model_to_dot(graph_model(), expand_nested=True)
    assert [part.get_name() for part in nested.get_subgraphs()] == ["cluster_inner"]
    assert "first" in nested.get_subgraphs()[0].to_string()


def test_a_range_of_layers_is_shown_alone():
    dot = U.model_to_dot(graph_model(), layer_range=["right", "su."])
    assert [node.get_label() for node in dot.get_nodes()] == ["right (Dense)", "sum (Add)"]
    assert len(dot.get_edges()) == 1
    with pytest.raises(ValueError, match="no layer is called 'nothing'"):
        U.model_to_dot(graph_model(), layer_range=["nothing", "sum"])
    with pytest.raises(ValueError, match="layer_range must be two names"):
        U.model_to_dot(graph_model(), layer_range=["sum"])


def test_graphs_are_written(tmp_path):
    dot = U.model_to_dot(graph_model())
    dot.write_raw(tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text() == str(dot)
    with pytest.raises(FileNotFoundError, match="Graphviz is not installed"):
        dot.create(prog="no-such-program")


@pytest.mark.parametrize("splines", ["ortho", "line", "curved"])
def test_pictures_have_the_arrows_they_are_asked_for(tmp_path, splines):
    pytest.importorskip("matplotlib")
    U.plot_model(graph_model(), tmp_path / "x.png", splines=splines, layer_range=("entry", "sum"), dpi=30)
    assert (tmp_path / "x.png").stat().st_size
    with pytest.raises(ValueError, match="splines must be one of"):
        U.plot_model(graph_model(), tmp_path / "x.png", splines="zigzag")


# ---- the small ones


def test_settings_are_attributes_until_they_are_frozen():
    config = U.Config(rate=0.1, name="x")
    config.units = 3
    assert config["units"] == 3 and "units" in config and list(config) == ["rate", "name", "units"]
    assert config.get("nothing", 7) == 7 and config.to_json() == '{"rate": 0.1, "name": "x", "units": 3}'
    with pytest.raises(AttributeError, match="Did you mean 'units'"):
        config.unit
    config.freeze()
    with pytest.raises(ValueError, match="frozen"):
        config.rate = 1
    config.unfreeze()
    config.update({"rate": 1}, more=2)
    assert config.as_dict() == {"rate": 1, "name": "x", "units": 3, "more": 2}


def test_source_inputs_are_where_a_tensor_begins():
    x, y = keras.Input((2,)), keras.Input((2,))
    z = keras.layers.Dense(1)(keras.layers.Add()([x, y]))
    assert [*map(id, U.get_source_inputs(z))] == [id(x), id(y)]
    assert U.get_source_inputs(x)[0] is x
    assert U.is_keras_tensor(z) and not U.is_keras_tensor(np.ones(2))
    with pytest.raises(ValueError, match="expected a symbolic tensor"):
        U.get_source_inputs(1)


def test_ordinal_labels_and_names_of_arguments():
    np.testing.assert_array_equal(U.to_ordinal([0, 2, 1]), [[0, 0], [1, 1], [1, 0]])
    assert U.to_ordinal([[0], [1]], 4).shape == (2, 3)
    np.testing.assert_array_equal(U.to_categorical(y=[1]), [[0, 1]])
    with pytest.raises(TypeError, match="pass the classes"):
        U.to_categorical()
    assert U.standardize_dtype("float32") == "float32"


def test_known_words_keep_their_embeddings():
    rows = U.warmstart_embedding_matrix(["a", "b"], ["b", "c"], np.eye(2, dtype="float32"), "zeros").numpy()
    np.testing.assert_array_equal(rows, [[0, 1], [0, 0]])


class Squares(keras.utils.Sequence):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == self.bad:
            raise RuntimeError("no such batch")
        return index**2

    bad = None


def test_queues_give_batches_in_order():
    queue = U.OrderedEnqueuer(Squares())
    queue.start(workers=2, max_queue_size=2)
    batches = queue.get()
    assert [next(batches) for _ in range(7)] == [0, 1, 4, 0, 1, 4, 0]
    queue.stop()
    queue = U.GeneratorEnqueuer(iter(range(5)))
    queue.start(workers=2)
    assert list(queue.get()) == [0, 1, 2, 3, 4]
    queue.stop()
    failing = Squares()
    failing.bad = 1
    queue = U.OrderedEnqueuer(failing)
    queue.start()
    batches = queue.get()
    assert next(batches) == 0
    with pytest.raises(RuntimeError, match="no such batch"):
        next(batches)


def test_a_generator_keeps_its_order_whatever_the_workers():
    queue = U.GeneratorEnqueuer(iter(range(200)))
    queue.start(workers=8, max_queue_size=50)
    assert list(queue.get()) == list(range(200))
    queue.stop()


def test_queues_say_what_they_do_not_do():
    with pytest.warns(
        UserWarning, match="OrderedEnqueuer: use_multiprocessing=True: batches are made in threads"
    ):
        U.OrderedEnqueuer(Squares(), use_multiprocessing=True)
    with pytest.warns(UserWarning, match="random_seed=3"):
        U.GeneratorEnqueuer(iter(()), random_seed=3)


def test_a_timed_thread_runs_until_it_is_stopped():
    calls = []

    class Counter(U.TimedThread):
        def on_interval(self):
            calls.append(1)

    with Counter(0.01) as thread:
        until = time.monotonic() + 5
        while not calls and time.monotonic() < until:
            time.sleep(0.01)
    thread.thread.join(5)
    assert calls and not thread.is_alive()


def test_a_sidecar_evaluates_the_newest_weights(tmp_path, capsys):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    model.save_weights(tmp_path / "one.weights.h5")
    data = keras.utils.timeseries_dataset_from_array(np.ones(2), np.ones(2), 1, batch_size=2)
    U.SidecarEvaluator(model, data, tmp_path, max_evaluations=1).start()
    assert "loss" in capsys.readouterr().out


def test_a_creator_makes_the_dataset_of_fit():
    data = U.timeseries_dataset_from_array(np.ones(4), np.ones(4), 1, batch_size=2)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    creator = U.experimental.DatasetCreator(lambda context: data.repeat())
    history = model.fit(creator, steps_per_epoch=2, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    with pytest.raises(TypeError, match="must return a tf.data.Dataset"):
        U.experimental.DatasetCreator(lambda: 3)()
