"""Records parsed beside TensorFlow: every kind of feature, few records and many, in functions and in datasets."""

import math

import numpy as np
import pytest

import dovetail as dv

tf = pytest.importorskip("tensorflow")

RNG = np.random.default_rng(5)
_LISTS = {"b": "bytes_list", "f": "float_list", "i": "int64_list"}
_WORDS = ["", "a", "wörter", "\U0001f600", "x" * 200]


def example(t, given):
    """Returns an Example of `{key: ("i", values)}`; of None: a feature without a kind."""
    made = t.train.Example()
    for key, value in given.items():
        feature = made.features.feature[key]
        if value is not None:
            kind, values = value
            held = getattr(feature, _LISTS[kind])
            held.SetInParent()
            held.value.extend(values)
    return made


def sequence(t, context, lists):
    made = t.train.SequenceExample()
    made.context.CopyFrom(example(t, context).features)
    for key, steps in lists.items():
        held = made.feature_lists.feature_list[key]
        held.SetInParent()
        for step in steps:
            held.feature.add().CopyFrom(example(t, {"x": step}).features.feature["x"])
    return made


def drawn(count):
    """Returns records with a bit of everything, their keys in different orders."""
    return [drawn_one(i) for i in range(count)]


def drawn_one(i):
    size = int(RNG.integers(0, 5))
    words = [str(RNG.choice(_WORDS)).encode() for _ in range(size)]
    given = {
        "id": ("i", [i * 7 - 3]),
        "point": ("f", RNG.normal(size=3).tolist()),
        "grid": ("i", RNG.integers(-(2**62), 2**62, 4).tolist()),
        "name": ("b", [f"n{i}".encode()]),
        "tags": ("b", words),
        "numbers": ("i", RNG.integers(-300, 300, size).tolist()),
        "rows": ("f", RNG.normal(size=2 * size).tolist()),
        "at": ("i", RNG.permutation(20)[:size].tolist()),
        "at2": ("i", RNG.integers(0, 9, size).tolist()),
        "weights": ("f", RNG.normal(size=size).tolist()),
        "v": ("i", list(range(2 * size))),
        "lengths": ("i", [2] * size),
        "splits": ("i", list(range(0, 2 * size + 1, 2))),
        "starts": ("i", list(range(0, 2 * size, 2))),
        "limits": ("i", list(range(2, 2 * size + 1, 2))),
        "ids": ("i", [j // 2 for j in range(2 * size)]),
        "outer": ("i", [0, size]),
        "unused": None,
    }
    if size == 4:
        given["maybe"] = ("f", [0.5])
    if size == 3:
        given = {key: value for key, value in given.items() if key not in ("tags", "numbers", "rows")}
    keys = list(given)
    RNG.shuffle(keys)
    return {key: given[key] for key in keys}


FEATURES = {
    "fixed": lambda t: {
        "id": t.io.FixedLenFeature([], t.int64),
        "point": t.io.FixedLenFeature([3], t.float32),
        "grid": t.io.FixedLenFeature([2, 2], t.int64),
        "name": t.io.FixedLenFeature([], t.string),
    },
    "defaults": lambda t: {
        "maybe": t.io.FixedLenFeature([], t.float32, -1.0),
        "absent": t.io.FixedLenFeature([2, 1], t.string, [["a"], ["é"]]),
        "unused": t.io.FixedLenFeature([], t.int64, 7),
    },
    "varlen": lambda t: {
        "tags": t.io.VarLenFeature(t.string),
        "numbers": t.io.VarLenFeature(t.int64),
        "absent": t.io.VarLenFeature(t.float32),
    },
    "padded": lambda t: {
        "numbers": t.io.FixedLenSequenceFeature([], t.int64, True, -9),
        "rows": t.io.FixedLenSequenceFeature([2], t.float32, allow_missing=True),
        "tags": t.io.FixedLenSequenceFeature([], t.string, True),
        "absent": t.io.FixedLenSequenceFeature([3], t.string, True),
    },
    "sparse": lambda t: {
        "one": t.io.SparseFeature("at", "weights", t.float32, 20),
        "two": t.io.SparseFeature(["at", "at2"], "weights", t.float32, [20, 9]),
        "sorted": t.io.SparseFeature("at2", "weights", t.float32, 9, already_sorted=True),
    },
    "ragged": lambda t: {
        "numbers": t.io.RaggedFeature(t.int64),
        "words": t.io.RaggedFeature(t.string, "tags", row_splits_dtype=t.int64),
        "absent": t.io.RaggedFeature(t.float32),
    },
    "partitions": lambda t: {
        name: t.io.RaggedFeature(t.int64, "v", [partition], validate=True)
        for name, partition in partitions(t.io.RaggedFeature).items()
    },
    "nested": lambda t: {
        "three": t.io.RaggedFeature(
            t.int64, "v", [t.io.RaggedFeature.RowSplits("outer"), t.io.RaggedFeature.RowLengths("lengths")]
        ),
        "dense": t.io.RaggedFeature(
            t.int64, "v", [t.io.RaggedFeature.RowSplits("outer"), t.io.RaggedFeature.UniformRowLength(2)]
        ),
        "uniform": t.io.RaggedFeature(
            t.int64, "v", [t.io.RaggedFeature.UniformRowLength(1), t.io.RaggedFeature.RowStarts("starts")]
        ),
    },
}
COUNTS = (0, 1, 5, 130)  # none, records read one by one, and records read side by side


def partitions(kind):
    return {
        "a": kind.RowSplits("splits"),
        "b": kind.RowLengths("lengths"),
        "c": kind.RowStarts("starts"),
        "d": kind.RowLimits("limits"),
        "e": kind.ValueRowIds("ids"),
        "f": kind.UniformRowLength(2),
    }


def plain(value):
    """Returns what a result holds, comparable between the two."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if hasattr(value, "dense_shape"):
        return ["sparse", plain(value.indices), plain(value.values), plain(value.dense_shape)]
    if hasattr(value, "nested_row_splits"):
        return ["ragged", plain(value.flat_values), [plain(part) for part in value.nested_row_splits]]
    array = value.numpy()
    return [str(value.dtype.name), list(np.shape(array)), np.asarray(array).tolist()]


def shown(spec):
    """Returns an element_spec as text, the same for both."""
    if isinstance(spec, dict):
        return {key: shown(one) for key, one in spec.items()}
    if isinstance(spec, tuple):
        return [shown(one) for one in spec]
    return repr(spec).replace(", name=None", "").replace("tensorflow", "tf")


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("count", COUNTS)
def test_features_are_tensorflows(name, count):
    records = [example(dv, given).SerializeToString() for given in drawn(count)]
    given = np.array(records, object)
    ours, theirs = (t.io.parse_example(t.constant(given, t.string), FEATURES[name](t)) for t in (dv, tf))
    assert plain(ours) == plain(theirs) and list(ours) == list(theirs)
    if count == 1:
        ours, theirs = (t.io.parse_single_example(records[0], FEATURES[name](t)) for t in (dv, tf))
        assert plain(ours) == plain(theirs)


@pytest.mark.parametrize("name", FEATURES)
def test_datasets_and_functions_parse(name):
    records = [example(dv, given).SerializeToString() for given in drawn(9)]
    found = []
    for t in (dv, tf):
        features = FEATURES[name](t)
        singles = t.data.Dataset.from_tensor_slices(records)
        batches = singles.batch(4).map(lambda s, t=t, f=features: t.io.parse_example(s, f))
        alone = singles.map(lambda s, t=t, f=features: t.io.parse_single_example(s, f))
        inside = t.function(lambda s, t=t, f=features: t.io.parse_example(s, f))(t.constant(records))
        found.append(
            [[shown(d.element_spec), [plain(one) for one in d]] for d in (batches, alone)] + [plain(inside)]
        )
    assert found[0] == found[1]


def odd_forms():
    """Returns records that no writer of TensorFlow's makes, but that mean the same as the first."""
    made = example(dv, {"a": ("i", [1, 300]), "b": ("f", [1.5]), "c": ("b", [b"x", b"y"])})
    usual = made.SerializeToString(deterministic=True)
    twice = example(dv, {"a": ("i", [4])}).SerializeToString() + usual
    unpacked = bytes([10, 16, 10, 14, 10, 1, ord("a"), 18, 9, 26, 7, 8, 1, 8, 0xAC, 2, 8, 5])
    flipped = bytes([10, 12, 10, 10, 18, 5, 26, 3, 10, 1, 9, 10, 1, ord("a")])
    unknown = usual + bytes([0x7A, 2, 1, 2])
    wide = usual[:1] + bytes([usual[1] | 0x80, 0]) + usual[2:]  # a length with a byte more than needed
    many = example(dv, {f"k{i}": ("i", [i]) for i in range(90)} | {"a": ("i", [8])}).SerializeToString()
    return [usual, twice, unpacked, flipped, unknown, wide, many, b""]


@pytest.mark.parametrize("padding", [0, 100])
def test_other_forms_of_the_same_message_are_read(padding):
    records = odd_forms() + [odd_forms()[0]] * padding
    features = {"a": ("int64", 2), "b": ("float32", 1), "c": ("string", 2)}
    found = [
        t.io.parse_example(records, {k: t.io.VarLenFeature(kind) for k, (kind, _) in features.items()})
        for t in (dv, tf)
    ]
    assert plain(found[0]) == plain(found[1])


def test_many_values_in_few_records():
    words = [b"w%d" % i for i in range(3000)]
    records = [
        example(dv, {"w": ("b", words[: 3000 * (i % 70 == 3)])}).SerializeToString() for i in range(100)
    ]
    found = [t.io.parse_example(records, {"w": t.io.RaggedFeature(t.string)}) for t in (dv, tf)]
    assert plain(found[0]) == plain(found[1])


CONTEXT = {
    "fixed": lambda t: {"label": t.io.FixedLenFeature([], t.int64)},
    "all": lambda t: {
        "label": t.io.FixedLenFeature([], t.int64),
        "none": t.io.FixedLenFeature([1], t.float32, [2.5]),
        "tags": t.io.VarLenFeature(t.string),
        "numbers": t.io.RaggedFeature(t.int64),
    },
    "nothing": lambda t: None,
}
LISTS = {
    "padded": lambda t: {
        "frame": t.io.FixedLenSequenceFeature([2], t.float32),
        "word": t.io.FixedLenSequenceFeature([], t.string),
        "absent": t.io.FixedLenSequenceFeature([2], t.int64, allow_missing=True),
    },
    "varlen": lambda t: {"steps": t.io.VarLenFeature(t.int64), "word": t.io.VarLenFeature(t.string)},
    "ragged": lambda t: {
        "steps": t.io.RaggedFeature(t.int64),
        "parts": t.io.RaggedFeature(t.int64, "pairs", [t.io.RaggedFeature.RowLengths("lengths")]),
        "even": t.io.RaggedFeature(t.int64, "pairs", [t.io.RaggedFeature.UniformRowLength(2)]),
    },
    "nothing": lambda t: None,
}


def drawn_sequences(count):
    made = []
    for i in range(count):
        steps = [RNG.integers(0, 9, RNG.integers(0, 4)).tolist() for _ in range(i % 4)]
        context = {"label": ("i", [i]), "tags": ("b", [b"t"] * (i % 3)), "numbers": ("i", [1] * (i % 2))}
        lists = {
            "frame": [("f", RNG.normal(size=2).tolist()) for _ in steps],
            "word": [("b", ["é".encode()]) for _ in steps],
            "steps": [("i", step) for step in steps],
            "pairs": [("i", step + step) for step in steps],
            "lengths": [("i", [2] * len(step)) for step in steps],
        }
        made.append(sequence(dv, context, lists).SerializeToString())
    return made


@pytest.mark.parametrize("lists", LISTS)
@pytest.mark.parametrize("context", CONTEXT)
def test_sequences_are_tensorflows(context, lists):
    if context == lists == "nothing":
        with pytest.raises(ValueError, match="nothing is asked for"):
            dv.io.parse_sequence_example([b""])
        return
    records = drawn_sequences(7)
    found = []
    for t in (dv, tf):
        asked = {"context_features": CONTEXT[context](t), "sequence_features": LISTS[lists](t)}
        alone = [t.io.parse_single_sequence_example(record, **asked) for record in records[3:5]]
        dataset = t.data.Dataset.from_tensor_slices(records).batch(3)
        dataset = dataset.map(lambda s, t=t, asked=asked: t.io.parse_sequence_example(s, **asked))
        found.append(
            [
                plain(t.io.parse_sequence_example(records, **asked)),
                plain(alone),
                shown(dataset.element_spec),
                [plain(one) for one in dataset],
            ]
        )
    assert found[0] == found[1]


WRONG = {
    "missing": ({"no": ("FixedLenFeature", [], "int64")}, "required but could not be found"),
    "kind": ({"a": ("FixedLenFeature", [], "float32")}, "expected type: float32"),
    "kind of some": ({"a": ("VarLenFeature", "string")}, "Key: a, Index: 0.  Data types don't match"),
    "size": ({"a": ("FixedLenFeature", [3], "int64")}, r"but output shape: \[3\]"),
    "stride": ({"a": ("FixedLenSequenceFeature", [3], "int64", True)}, "multiple of stride"),
    "dtype": ({"a": ("FixedLenFeature", [], "int32")}, "records hold float32, int64 and string"),
    "default": ({"a": ("FixedLenFeature", [2], "int64", [1, 2, 3])}, "default_value must have the shape"),
    "sparse": ({"s": ("SparseFeature", "a", "f", "float32", 9)}, "as many values as each other"),
}
MISTAKES = {
    "no features": ({}, ValueError, "must be a dict that is not empty"),
    "no feature": ({"a": 3}, ValueError, "Unsupported int 3"),
    "no shape": ({"a": ("FixedLenFeature", None, "int64")}, ValueError, "Missing shape"),
    "open shape": ({"a": ("FixedLenFeature", [None], "int64")}, ValueError, "expected a known shape"),
    "not missing": ({"a": ("FixedLenSequenceFeature", [], "int64")}, ValueError, "allow_missing=True"),
    "two ways": (
        {"a": ("VarLenFeature", "int64"), "b": ("RaggedFeature", "int64", "a")},
        ValueError,
        "must not intersect",
    ),
}


def asked(spec):
    return {
        key: getattr(dv.io, one[0])(*one[1:]) if isinstance(one, tuple) else one for key, one in spec.items()
    }


@pytest.mark.parametrize("count", [1, 90])
@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_told(name, count):
    spec, text = WRONG[name]
    records = [example(dv, {"a": ("i", [1, 2]), "f": ("f", [1.0])}).SerializeToString()] * count
    with pytest.raises(dv.errors.InvalidArgumentError, match=text):
        dv.io.parse_example(records, asked(spec))


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told(name):
    spec, error, text = MISTAKES[name]
    with pytest.raises(error, match=text):
        dv.io.parse_example([b""], asked(spec))


def test_records_that_are_none_are_told_by_name():
    spec = {"a": dv.io.VarLenFeature(dv.int64)}
    for records in ([b"abc"], [b""] * 70 + [b"abc"]):
        with pytest.raises(
            dv.errors.InvalidArgumentError, match=r"Could not parse example input, value: b'abc'"
        ):
            dv.io.parse_example(records, spec)
    with pytest.raises(dv.errors.InvalidArgumentError, match="Name: second"):
        dv.io.parse_example([b"", b"abc"], spec, example_names=["first", "second"])
    with pytest.raises(ValueError, match="must be a scalar"):
        dv.io.parse_single_example([b""], spec)
    with pytest.raises(dv.errors.InvalidArgumentError, match="scalar or vector"):
        dv.io.parse_example([[b""]], spec)
    with pytest.raises(dv.errors.InvalidArgumentError, match=r"Feature list 'a'.*required"):
        dv.io.parse_sequence_example([b""], None, spec)
    with pytest.raises(dv.errors.InvalidArgumentError, match="sequenceexample input"):
        dv.io.parse_sequence_example([b"abc"], None, spec)


@pytest.mark.parametrize("which, values", [("a", [1, 2]), ("d", [9]), ("e", [3, 1]), ("c", [1])])
def test_partitions_that_do_not_fit_are_told(which, values):
    partition = partitions(dv.io.RaggedFeature)[which]
    feature, kind = dv.io.RaggedFeature(dv.int64, "v", [partition]), partition.key
    record = example(dv, {"v": ("i", [1, 2]), kind: ("i", values)}).SerializeToString()
    with pytest.raises(dv.errors.InvalidArgumentError, match="does not fit"):
        dv.io.parse_example([record], {"r": feature})


def test_messages_are_those_of_tensorflow():
    given = drawn_one(3)
    ours, theirs = example(dv, given), example(tf, given)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)
    assert str(ours) == str(theirs)
    assert dv.train.Example.FromString(theirs.SerializeToString()) == ours
    one = example(dv, {"a": ("f", [math.pi, 1e-40, math.inf])})
    assert (
        one.SerializeToString() == example(tf, {"a": ("f", [math.pi, 1e-40, math.inf])}).SerializeToString()
    )
    assert one.features.feature["a"].WhichOneof("kind") == "float_list"
    other = dv.train.Example()
    other.MergeFrom(one)
    other.features.feature["b"].int64_list.value[:] = [1, 2]
    assert other != one and list(other.features.feature["b"].int64_list.value) == [1, 2]
    assert not other.features.feature["b"].HasField("float_list")
