"""keras.preprocessing of Keras 2 against live tf_keras: texts, sequences, changed images and their batches."""

import os
import random

import numpy as np
import pytest

from dovetail import keras

P = keras.preprocessing
I = P.image  # noqa: E741 - the module of images
pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("tensorflow")
    return pytest.importorskip("tf_keras").preprocessing


RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (7, 6, 8, 3)).astype("float32")

# ---- texts

TEXTS = ["The cat sat, the cat.", "The dog!", "a cat", "", "A dog and a cat; the END"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_words": 4},
        {"num_words": 4, "oov_token": "<?>"},
        {"oov_token": "?", "lower": False, "filters": ""},
        {"char_level": True},
        {"split": "t"},
        {"analyzer": lambda text: text.split()},
    ],
)
def test_tokenizers_do_what_those_of_keras_do(theirs, options):
    ours, wanted = P.text.Tokenizer(**options), theirs.text.Tokenizer(**options)
    for tokenizer in (ours, wanted):
        tokenizer.fit_on_texts(TEXTS)
    for name in ("word_counts", "word_docs", "word_index", "index_word", "index_docs", "document_count"):
        assert getattr(ours, name) == getattr(wanted, name), name
    new = ["the dog sat on a cat", "unknown words", "a A the"]
    sequences = ours.texts_to_sequences(new)
    assert sequences == wanted.texts_to_sequences(new)
    assert ours.sequences_to_texts([*sequences, [1, 99]]) == wanted.sequences_to_texts([*sequences, [1, 99]])
    for mode in ("binary", "count", "freq", "tfidf"):
        np.testing.assert_allclose(ours.texts_to_matrix(new, mode), wanted.texts_to_matrix(new, mode))
    again = P.text.tokenizer_from_json(wanted.to_json())
    assert again.word_index == ours.word_index and again.index_docs == ours.index_docs
    assert theirs.text.tokenizer_from_json(ours.to_json()).word_counts == ours.word_counts


def test_words_and_their_hashes(theirs):
    text = "Hello, World! It's me\tand\nyou"
    assert P.text.text_to_word_sequence(text) == theirs.text.text_to_word_sequence(text)
    assert P.text.one_hot(text, 9) == theirs.text.one_hot(text, 9)
    hashed = P.text.hashing_trick(text, 50, hash_function="md5")
    assert hashed == theirs.text.hashing_trick(text, 50, hash_function="md5")


def test_a_tokenizer_refuses_what_it_cannot_do():
    tokenizer = P.text.Tokenizer()
    with pytest.raises(ValueError, match="call fit_on_texts first"):
        tokenizer.sequences_to_matrix([[1]])
    tokenizer.fit_on_texts(["a"])
    with pytest.raises(ValueError, match="Did you mean 'binary'"):
        tokenizer.texts_to_matrix(["a"], "bin")


# ---- sequences


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampling_rate": 2, "stride": 3},
        {"start_index": 2, "end_index": 9, "reverse": True},
        {"length": 5, "batch_size": 2},
    ],
)
def test_windows_are_those_of_keras(theirs, options):
    data, targets = RNG.normal(size=(13, 2)), np.arange(13)
    options = {"length": 3, "batch_size": 4, **options}
    ours = P.sequence.TimeseriesGenerator(data, targets, **options)
    wanted = theirs.sequence.TimeseriesGenerator(data, targets, **options)
    assert len(ours) == len(wanted) and ours.to_json() == wanted.to_json()
    for i in range(len(ours)):
        np.testing.assert_equal(ours[i], wanted[i])


def test_drawn_windows_and_word_pairs_are_those_of_keras(theirs):
    data = np.arange(20)
    drawn = []
    for module in (P.sequence, theirs.sequence):
        np.random.seed(1)
        drawn.append(module.TimeseriesGenerator(data, data, 3, shuffle=True, batch_size=5)[0])
    np.testing.assert_equal(*drawn)
    table = P.sequence.make_sampling_table(8)
    np.testing.assert_allclose(table, theirs.sequence.make_sampling_table(8))
    for options in ({}, {"categorical": True, "shuffle": False}, {"sampling_table": table * 30, "seed": 3}):
        pairs = []
        for module in (P.sequence, theirs.sequence):
            random.seed(7)
            pairs.append(module.skipgrams([1, 2, 0, 5, 3, 2], 8, window_size=2, **options))
        assert pairs[0] == pairs[1]


def test_series_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one length, received 3 and 2"):
        P.sequence.TimeseriesGenerator(np.ones(3), np.ones(2), 1)
    with pytest.raises(ValueError, match="no row is left"):
        P.sequence.TimeseriesGenerator(np.ones(3), np.ones(3), 3)


# ---- images


@pytest.mark.parametrize(
    "changes",
    [
        {"theta": 30},
        {"tx": 2, "ty": -1},
        {"shear": 20},
        {"zx": 0.5, "zy": 1.5},
        {"theta": -50, "tx": 1.5, "ty": 0.5, "shear": 10, "zx": 0.8, "zy": 0.9},
    ],
)
@pytest.mark.parametrize("mode", [("nearest", 1), ("constant", 0), ("reflect", 3), ("wrap", 1)])
def test_affine_changes_are_those_of_keras(theirs, changes, mode):
    axes = {"row_axis": 0, "col_axis": 1, "channel_axis": 2}
    options = {**changes, "fill_mode": mode[0], "order": mode[1], "cval": 7.0}
    ours = I.apply_affine_transform(IMAGES[0], **options, **axes)
    wanted = theirs.image.apply_affine_transform(IMAGES[0], **options, **axes)
    np.testing.assert_allclose(ours, wanted, rtol=1e-5, atol=1e-3)
    first = np.moveaxis(IMAGES[0], -1, 0)
    ours = I.apply_affine_transform(first, **options)
    np.testing.assert_allclose(
        ours, theirs.image.apply_affine_transform(first, **options), rtol=1e-5, atol=1e-3
    )


DRAWN = {
    "rotation": lambda m, x: m.random_rotation(x, 30, 0, 1, 2),
    "shift": lambda m, x: m.random_shift(x, 0.3, 0.2, 0, 1, 2, "constant", 3.0),
    "shear": lambda m, x: m.random_shear(x, 30, 0, 1, 2),
    "zoom": lambda m, x: m.random_zoom(x, (0.5, 1.5), 0, 1, 2),
    "channel shift": lambda m, x: m.random_channel_shift(x, 30.0, 2),
    "brightness": lambda m, x: m.random_brightness(x, (0.5, 1.5)),
    "brightness of other ranges": lambda m, x: m.apply_brightness_shift(x * 2 - 99, 1.2, False),
    "smart resize": lambda m, x: m.smart_resize(x, (5, 3)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_random_changes_are_those_of_keras_with_numpys_seed(theirs, name):
    results = []
    for module in (I, theirs.image):
        np.random.seed(3)
        results.append(DRAWN[name](module, IMAGES[1]))
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-3)


GENERATORS = [
    {},
    {"rotation_range": 40, "width_shift_range": 0.2, "height_shift_range": 3, "shear_range": 10.0},
    {"zoom_range": 0.3, "channel_shift_range": 20.0, "horizontal_flip": True, "vertical_flip": True},
    {"brightness_range": (0.5, 1.5), "rescale": 1 / 255, "samplewise_center": True},
    {
        "width_shift_range": [-2, 1],
        "zoom_range": (0.5, 1),
        "fill_mode": "constant",
        "cval": 9.0,
        "rescale": 0.5,
    },
    {"featurewise_center": True, "featurewise_std_normalization": True, "horizontal_flip": True},
    {"samplewise_center": True, "samplewise_std_normalization": True, "preprocessing_function": np.sqrt},
    {"featurewise_center": True, "zca_whitening": True},
]


@pytest.mark.parametrize("options", GENERATORS)
def test_generators_give_the_batches_of_keras(theirs, options):
    batches = []
    for module in (I, theirs.image):
        generator = module.ImageDataGenerator(validation_split=0.3, **options)
        generator.fit(IMAGES, augment=True, rounds=2, seed=2)
        flow = generator.flow(IMAGES, np.arange(7), 3, seed=5, sample_weight=np.arange(7.0))
        part = generator.flow(IMAGES, np.arange(7) % 2, 3, subset="training", seed=1)
        batches.append([*next(flow), *next(flow), *next(flow), *next(flow), *flow[1], *next(part)])
    for mine, wanted in zip(*batches, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=2e-3, atol=2e-3)
        assert mine.dtype == wanted.dtype


def test_arrays_beside_the_images_are_cut_alike(theirs):
    for module in (I, theirs.image):
        flow = module.ImageDataGenerator().flow(
            (IMAGES, [np.arange(7), -np.arange(7)]), None, 4, shuffle=False
        )
        assert [part.shape[0] for part in next(flow)] == [4, 4, 4] and next(flow)[1].tolist() == [4, 5, 6]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    for number, name in enumerate(("cats", "dogs")):
        (root / name / "inner").mkdir(parents=True)
        for i in range(4):
            where = root / name / ("inner" if i == 3 else "") / f"{i}.png"
            keras.utils.save_img(where, IMAGES[number * 3 + i % 3], scale=False)
    return str(root)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_mode": "binary", "color_mode": "grayscale", "subset": "training"},
        {"class_mode": "sparse", "classes": ["dogs", "cats"], "shuffle": False, "subset": "validation"},
        {"class_mode": "input", "color_mode": "rgba", "keep_aspect_ratio": True, "interpolation": "bilinear"},
        {"class_mode": None},
    ],
)
def test_folders_give_the_batches_of_keras(theirs, folder, options):
    flows = [
        module.ImageDataGenerator(rotation_range=30, validation_split=0.3).flow_from_directory(
            folder, target_size=(5, 4), batch_size=3, seed=4, **options
        )
        for module in (I, theirs.image)
    ]
    for name in ("class_indices", "samples", "filenames", "image_shape", "num_classes", "filepaths"):
        assert getattr(flows[0], name) == getattr(flows[1], name), name
    for _ in range(3):
        mine, wanted = next(flows[0]), next(flows[1])
        mine, wanted = (pair if isinstance(pair, tuple) else (pair,) for pair in (mine, wanted))
        for x, y in zip(mine, wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-3)


def table_of(folder):
    pandas = pytest.importorskip("pandas")
    names = [f"{kind}/{i}.png" for kind in ("cats", "dogs") for i in range(3)]
    columns = {
        "filename": names,
        "class": ["c"] * 3 + ["d"] * 3,
        "size": np.arange(6.0),
        "w": np.arange(6) / 2,
    }
    columns["tags"] = [["x"], ["x", "y"], ["y"], ["z"], ["x", "z"], ["y"]]
    return pandas.DataFrame(columns)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_mode": "raw", "y_col": "size", "weight_col": "w"},
        {"class_mode": "raw", "y_col": ["size", "w"], "subset": "training"},
        {"class_mode": "multi_output", "y_col": ["size", "w"]},
        {"class_mode": "binary", "subset": "validation"},
        {"class_mode": "sparse", "classes": ["d"]},
        {"y_col": "tags"},
        {"y_col": "tags", "classes": ["z", "y"]},
        {"class_mode": None},
    ],
)
def test_tables_give_the_batches_of_keras(theirs, folder, options):
    flows = [
        module.ImageDataGenerator(validation_split=0.4).flow_from_dataframe(
            table_of(folder), folder, target_size=(5, 4), batch_size=4, seed=4, **options
        )
        for module in (I, theirs.image)
    ]
    assert flows[0].filenames == list(flows[1].filenames)
    assert getattr(flows[0], "class_indices", None) == getattr(flows[1], "class_indices", None)
    for _ in range(2):
        np.testing.assert_equal(next(flows[0]), next(flows[1]))


def test_missing_files_are_left_out_with_a_warning(folder):
    table = table_of(folder)
    table.loc[0, "filename"] = "nowhere.png"
    with pytest.warns(UserWarning, match="1 of the files"):
        flow = I.ImageDataGenerator().flow_from_dataframe(table, folder, target_size=(2, 2))
    assert flow.n == 5


def test_changed_images_are_written(tmp_path):
    next(
        I.ImageDataGenerator().flow(
            IMAGES, batch_size=2, save_to_dir=tmp_path, save_prefix="p", save_format="jpg"
        )
    )
    assert sorted(os.path.splitext(name)[1] for name in os.listdir(tmp_path)) == [".jpg"] * 2


def test_a_model_is_trained_with_a_generator_and_ends():
    model = keras.Sequential([keras.Input((6, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    flow = I.ImageDataGenerator(rescale=1 / 255).flow(IMAGES, np.ones(7), batch_size=4)
    assert len(model.fit(flow, epochs=2, verbose=0).history["loss"]) == 2
    assert model.predict(flow, verbose=0).shape == (7, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: I.ImageDataGenerator(zoom_range=(1, 2, 3)), "zoom_range must be"),
        (lambda: I.ImageDataGenerator(brightness_range=3), "brightness_range must be"),
        (lambda: I.ImageDataGenerator(validation_split=2), "validation_split must be"),
        (lambda: I.ImageDataGenerator(data_format="last"), "data_format must be"),
        (lambda: I.ImageDataGenerator().fit(np.ones((2, 2))), "rank 4"),
        (lambda: I.ImageDataGenerator().flow(np.ones((2, 2))), "rank 4"),
        (lambda: I.ImageDataGenerator().flow(IMAGES, np.ones(3)), "7 images, but y has length 3"),
        (lambda: I.ImageDataGenerator().flow(IMAGES, subset="test"), "subset must be"),
        (lambda: I.ImageDataGenerator().flow(IMAGES)[9], "no batch 9"),
        (
            lambda: I.ImageDataGenerator(validation_split=0.5).flow(IMAGES, np.arange(7), subset="training"),
            "different classes",
        ),
        (
            lambda: I.ImageDataGenerator().flow_from_directory(".", class_mode="raw"),
            "class_mode must be one of",
        ),
        (lambda: I.apply_affine_transform(np.ones((2, 2)), 3), "rank 3"),
        (lambda: I.random_zoom(IMAGES[0], 3), "zoom_range must be"),
        (lambda: I.smart_resize(IMAGES[0], 3), "size must be"),
        (lambda: P.sequence.nothing, "has no attribute"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises((ValueError, AttributeError), match=message):
        call()
