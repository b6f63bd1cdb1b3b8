"""Rows for hashes and for looking tokens up."""

import numpy as np

from dovetail.ops.key_store import KeyStore
from dovetail.ops.lookup import Table
from tests.ops.case import Case, of

TEXTS = np.array(
    [b"", b"a", b"hello", b"seven77", b"sixteen-letters", b"x" * 31, b"y" * 64, b"z" * 100], object
)
EDGES = [0, 1, -1, 9, 10, 999, 1000, -999, 10**7, 10**15, 10**16, -(10**17), 2**63 - 1, -(2**63)]


def numbers(rng):
    return (np.concatenate([np.array(EDGES), rng.integers(-(2**40), 2**40, 10)]).reshape(4, 6),)


def of_digits(function, **key):
    """The reference: TensorFlow's hash of the digits."""

    def run(x, buckets, **_):
        import tensorflow as tf

        hashed = getattr(tf.strings, function)(tf.strings.as_string(tf.constant(x)), buckets, **key)
        return np.asarray(hashed)

    return run


def crossed(*features, buckets):
    """The reference: TensorFlow's cross."""
    import tensorflow as tf

    columns = [tf.constant(feature[:, None]) for feature in features]
    return np.asarray(tf.sparse.to_dense(tf.sparse.cross_hashed(columns, buckets)))[:, 0]


def two_columns(rng):
    return tuple(rng.integers(-(10**6), 10**12, 9) for _ in range(2))


def stored():
    store = KeyStore("table", np.dtype(object), np.dtype(np.float64), value_shape=(2,))
    store.insert(np.array([b"a", b"b"], object), np.array([[1.0, 2.0], [3.0, 4.0]]))
    return store


def table(*tokens, first):
    filled = Table()
    filled.fill(list(tokens), first)
    return filled


SENTENCES = np.array([[b"The cat."], [b" a\tCAT, the"], [b""]], object)
HOW = {
    "table": table(b"the", b"cat", first=2),
    "default": 1,
    "standardize": "lower_and_strip_punctuation",
    "split": "whitespace",
    "ngrams": None,
}


def always(*values):
    return lambda *_, **__: values[0] if len(values) == 1 else list(values)


CASES = [
    Case("strings.to_hash_bucket", of(TEXTS, 1000), xla=False),
    Case("strings.to_hash_bucket_fast", of(TEXTS, 1000), xla=False),
    Case("strings.to_hash_bucket_strong", of(TEXTS, 1000, [133, 137]), xla=False),
    Case("hash_integers", numbers, {"buckets": 1000}, oracle=of_digits("to_hash_bucket_fast")),
    Case("hash_integers", numbers, {"buckets": 3}, oracle=of_digits("to_hash_bucket_fast"), id="few"),
    Case(
        "hash_integers",
        numbers,
        {"buckets": 1000, "key": (5, 2**62)},
        oracle=of_digits("to_hash_bucket_strong", key=[5, 2**62]),
        id="key",
    ),
    Case("cross_integers", two_columns, {"buckets": 1000}, oracle=crossed),
    Case("cross_features", of(TEXTS, np.arange(8)), {"buckets": 50}, oracle=crossed, xla=False),
    Case(
        "look_up_integers",
        of(np.array([[7, 3], [4, -1]]), np.array([-1, 3, 7]), np.array([2, 5, 1]), np.array(0)),
        oracle=lambda *_, **__: np.array([[1, 5], [0, 2]]),
    ),
    Case(
        "look_up_integers",
        of(np.array([7, 3]), np.array([], np.int64), np.array([], np.int64), np.array(4)),
        oracle=lambda *_, **__: np.array([4, 4]),
        id="nothing",
    ),
    Case(
        "look_up_strings",
        of(np.array([[b"b", b"?"]], object)),
        {"table": table(b"a", b"b", first=2), "default": -1},
        oracle=lambda *_, **__: np.array([[3, -1]]),
        xla=False,
    ),
    Case(
        "look_up_stored",
        of(np.array([[b"b", b"?"]], object), np.array([0.5, -0.5])),
        {"store": stored()},
        oracle=lambda *_, **__: np.array([[[3.0, 4.0], [0.5, -0.5]]]),
        xla=False,
    ),
    Case(
        "vectorize_text",
        of(SENTENCES),
        {**HOW, "length": None},
        oracle=always(np.array([[[2, 3, 0]], [[1, 3, 2]], [[0, 0, 0]]])),
        xla=False,
    ),
    Case(
        "vectorize_text",
        of(SENTENCES[:, 0]),
        {**HOW, "length": 2, "ngrams": (2,)},
        oracle=always(np.array([[1, 0], [1, 1], [0, 0]])),
        id="ngrams",
        xla=False,
    ),
    Case(
        "vectorize_text_ragged",
        of(SENTENCES[:, 0]),
        {**HOW, "length": 2},
        oracle=always(np.array([0, 2, 4, 4]), np.array([2, 3, 1, 3])),
        xla=False,
    ),
    Case(
        "count_text",
        of(SENTENCES[:, 0], np.array([1.0, 0.5, 2.0, 3.0])),
        {**HOW, "depth": 4, "binary": False, "dtype": "float32"},
        oracle=always(np.array([[0, 0, 2, 3], [0, 0.5, 2, 3], [0, 0, 0, 0]], np.float32)),
        xla=False,
    ),
    Case(
        "standardize_text",
        of(SENTENCES),
        {"standardize": "lower"},
        oracle=always(np.array([[b"the cat."], [b" a\tcat, the"], [b""]], object)),
        xla=False,
    ),
    Case(
        "tokens_at",
        of(np.array([[1, 3], [0, 9]]), np.array([50, 60, 70]), np.array(-1)),
        {"first": 1},
        oracle=lambda *_, **__: np.array([[50, 70], [-1, -1]]),
    ),
]
