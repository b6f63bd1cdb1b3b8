"""keras.datasets, with small files of the right form: from a folder, by path, and without either."""

import gzip
import pickle
import tarfile

import numpy as np
import pytest

from dovetail import keras

D = keras.datasets
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("datasets")
    images = RNG.integers(0, 256, (6, 28, 28), "uint8")
    np.savez(
        root / "mnist.npz", x_train=images[:4], y_train=np.arange(4), x_test=images[4:], y_test=np.arange(2)
    )
    for name in ("boston_housing", "california_housing"):
        np.savez(root / f"{name}.npz", x=RNG.normal(size=(700, 3)), y=np.arange(700.0))
    texts = np.empty(10, object)
    texts[:] = [list(range(1, 2 + i)) for i in range(10)]
    np.savez(root / "reuters.npz", x=texts, y=np.arange(10))
    np.savez(root / "imdb.npz", x_train=texts, y_train=np.arange(10), x_test=texts, y_test=np.arange(10))
    for part in ("train", "t10k"):
        (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + bytes(range(6))))
        (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + images.tobytes()))
    batch = {b"data": RNG.integers(0, 256, (2, 3072), "uint8"), b"labels": [1, 2], b"fine_labels": [7, 8]}
    (root / "batch").write_bytes(pickle.dumps(batch))
    names = {
        "10": [f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)]
        + ["cifar-10-batches-py/test_batch"]
    }
    names["100"] = ["cifar-100-python/train", "cifar-100-python/test"]
    for number, members in names.items():
        with tarfile.open(root / f"cifar-{number}-python.tar.gz", "w:gz") as packed:
            for member in members:
                packed.add(root / "batch", member)
    (root / "imdb_word_index.json").write_text('{"the": 1}')
    return root


@pytest.fixture
def local(folder, monkeypatch):
    monkeypatch.setenv("DOVETAIL_DATASETS", str(folder))


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("mnist", (4, 28, 28), (2, 28, 28)),
        ("fashion_mnist", (6, 28, 28), (6, 28, 28)),
        ("cifar10", (10, 32, 32, 3), (2, 32, 32, 3)),
        ("cifar100", (2, 32, 32, 3), (2, 32, 32, 3)),
        ("boston_housing", (560, 3), (140, 3)),
        ("california_housing", (560, 3), (140, 3)),
        ("imdb", (10,), (10,)),
        ("reuters", (8,), (2,)),
    ],
)
def test_local_files_are_read(local, name, train, test):
    (x_train, y_train), (x_test, y_test) = getattr(D, name).load_data()
    assert x_train.shape == train and x_test.shape == test
    assert len(y_train) == train[0] and len(y_test) == test[0]


def test_texts_and_tables_are_cut_as_keras_cuts_them(folder, monkeypatch):
    pytest.importorskip("tensorflow")
    theirs = pytest.importorskip("keras").datasets
    for name, options in (
        ("reuters", {"num_words": 8, "skip_top": 2, "maxlen": 9}),
        ("imdb", {"oov_char": None, "num_words": 9, "start_char": None}),
        ("imdb", {"num_words": 7}),
        ("boston_housing", {"test_split": 0.3, "seed": 5}),
        ("california_housing", {"version": "small"}),
    ):
        file = str(folder / f"{name}.npz")
        module = getattr(theirs, name)
        monkeypatch.setattr(f"{module.load_data.__module__}.get_file", lambda *a, file=file, **k: file)
        ours, wanted = (m.load_data(path=file, **options) for m in (getattr(D, name), module))
        for mine, other in zip((*ours[0], *ours[1]), (*wanted[0], *wanted[1]), strict=True):
            assert np.asarray(mine).tolist() == np.asarray(other).tolist(), name


def test_labels_and_words_have_names(local):
    names = D.reuters.get_label_names()
    assert len(names) == 46 and names[3] == "earn" and names[-1] == "lead"
    assert D.imdb.get_word_index() == {"the": 1}


def test_without_a_file_the_error_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    monkeypatch.delenv("DOVETAIL_DATASETS", raising=False)
    monkeypatch.setattr("dovetail.keras.utils.downloads.urllib.request.urlopen", refuse)
    with pytest.raises(ConnectionError, match=r"put it at .*mnist.npz.*DOVETAIL_DATASETS"):
        D.mnist.load_data(cache_dir=tmp_path)
    with pytest.raises(ValueError, match="label_mode must be"):
        D.cifar100.load_data("rough")
    with pytest.raises(ValueError, match="version must be"):
        D.california_housing.load_data("tiny")
