"""`tf.lookup` and the tables of `tf.data.experimental`, beside TensorFlow's."""

import copy
import pickle
import threading

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import version1

STRINGS = ("cat", "dog", "emu", "übel", "")
DRAWN = np.random.default_rng(3)


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("tensorflow")


def table_of(module, keys, values, default, **dtypes):
    init = module.lookup.KeyValueTensorInitializer(keys, values, **dtypes)
    return module.lookup.StaticHashTable(init, default)


def same(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("key_dtype", "value_dtype", "default"),
    [
        ("string", "int64", -1),
        ("string", "float32", 0.5),
        ("string", "string", "none"),
        ("string", "bool", False),
        ("int64", "string", "none"),
        ("int64", "int64", -1),
        ("int32", "float32", 2.0),
        ("int32", "int32", 7),
    ],
)
def test_static_tables_find_what_those_of_tensorflow_find(key_dtype, value_dtype, default, peer):
    keys = STRINGS if key_dtype == "string" else DRAWN.permutation(5) - 2
    values = {"string": list("vwxyz"), "bool": [True, False] * 2 + [True]}.get(value_dtype, range(10, 15))
    asked = [["dog", "?"], ["", "übel"]] if key_dtype == "string" else [[-2, 9], [1, 0]]
    made = []
    for module in (tf, peer):
        kinds = {"key_dtype": getattr(module, key_dtype), "value_dtype": getattr(module, value_dtype)}
        table = table_of(module, list(keys), list(values), default, **kinds)
        asking = module.constant(asked, kinds["key_dtype"])
        empty = module.zeros((0, 3), kinds["key_dtype"]) if key_dtype != "string" else asking[:0]
        exported = sorted(zip(*(part.numpy().tolist() for part in table.export()), strict=True))
        made.append(([table.lookup(asking), table.lookup(asking[0, 0]), table.lookup(empty)], exported))
        assert table.key_dtype == kinds["key_dtype"] and table.value_dtype == kinds["value_dtype"]
        assert int(table.size()) == 5 and table.default_value.numpy() == np.asarray(
            default.encode() if isinstance(default, str) else default, kinds["value_dtype"].as_numpy_dtype
        )
    for ours, theirs in zip(made[0][0], made[1][0], strict=True):
        same(ours, theirs)
    assert made[0][1] == made[1][1]


def test_tables_of_integers_are_compiled():
    table = table_of(tf, tf.constant([30, 10, 20], tf.int64), [3.0, 1.0, 2.0], -1.0)
    function = tf.function(lambda x: table.lookup(x) * 2.0)
    with np.errstate(all="raise"):
        assert function(tf.constant([10, 30, 11], tf.int64)).numpy().tolist() == [2.0, 6.0, -2.0]
    assert function.experimental_get_tracing_count() == 1
    nothing = table_of(tf, tf.constant([], tf.int64), tf.constant([], tf.float32), 1.5)
    assert nothing.lookup(tf.constant([4], tf.int64)).numpy().tolist() == [1.5] and int(nothing.size()) == 0
    inputs = tf.keras.Input((2,), dtype="int64")
    model = tf.keras.Model(inputs, table.lookup(inputs))
    assert model(np.array([[20, 5]])).numpy().tolist() == [[2.0, -1.0]]


def test_strings_are_looked_up_in_models_functions_and_datasets():
    table = table_of(tf, STRINGS, tf.range(5, dtype=tf.int64), -1)
    inputs = tf.keras.Input((2,), dtype="string")
    model = tf.keras.Model(inputs, table.lookup(inputs))
    assert model(tf.constant([["dog", "x"]])).numpy().tolist() == [[1, -1]]
    signature = [tf.TensorSpec([None], tf.string)]
    function = tf.function(table.lookup, input_signature=signature)
    for words, numbers in (["emu", "?"], [2, -1]), ([], []), ((["cat"] * 3), [0, 0, 0]):
        assert function(tf.constant(words, tf.string)).numpy().tolist() == numbers
    ragged = tf.data.Dataset.from_tensor_slices(tf.ragged.constant([["cat"], [], ["z", "dog"]]))
    assert [row.numpy().tolist() for row in ragged.map(table.lookup)] == [[0], [], [-1, 1]]
    twice = tf.function(lambda x: table.lookup(x) + tf.cast(tf.constant([1]), tf.int64))
    assert twice(tf.constant(["emu"])).numpy().tolist() == [3]


def test_ragged_and_sparse_keys():
    table = table_of(tf, ["a", "b"], [1, 2], 0)
    deep = tf.ragged.constant([[["a"], []], [], [["b", "c"]]])
    assert table[deep].to_list() == [[[1], []], [], [[2, 0]]]
    sparse = table.lookup(tf.SparseTensor([[0, 1], [1, 0]], ["b", "q"], [2, 2]))
    assert sparse.values.numpy().tolist() == [2, 0] and sparse.dense_shape.numpy().tolist() == [2, 2]
    changing = tf.lookup.experimental.MutableHashTable(tf.string, tf.int32, 0)
    changing.insert(["a"], [4])
    assert changing.lookup(tf.ragged.constant([["a"], ["b"]])).to_list() == [[4], [0]]


def test_what_static_tables_refuse():
    initial = tf.lookup.KeyValueTensorInitializer
    table = table_of(tf, ["a"], [1], 0)
    for make, kind, word in (
        (lambda: table.lookup(tf.constant([1])), TypeError, "keys must be string, received int32"),
        (lambda: table.lookup([1]), TypeError, "string"),
        (
            lambda: table_of(tf, ["a", "b"], [1, 2, 3], 0),
            tf.errors.InvalidArgumentError,
            "expected values of shape",
        ),
        (
            lambda: table_of(tf, ["a", "a"], [1, 2], 0),
            tf.errors.FailedPreconditionError,
            "'a' has two values",
        ),
        (lambda: table_of(tf, [1.5], [2], 0), TypeError, "strings or integers"),
        (lambda: table_of(tf, ["a"], [1], "x"), (TypeError, ValueError), "x"),
        (lambda: table_of(tf, ["a"], [1], [0, 0]), ValueError, "scalar"),
        (lambda: tf.lookup.StaticVocabularyTable(None, 0), ValueError, "num_oov_buckets"),
        (lambda: tf.lookup.StaticVocabularyTable(initial(["a"], [0]), 1), TypeError, "int64"),
        (lambda: tf.lookup.StaticVocabularyTable(initial(["a"], [0]), 1, tf.int32), TypeError, "int64"),
    ):
        with pytest.raises(kind, match=word):
            make()
    assert int(table_of(tf, ["a", "a"], [1, 1], 0).size()) == 1


def test_vocabularies_number_other_words_by_their_hash(peer):
    words = ["a", "z", "Hello", "ü", ""]
    for known, buckets in ((["a", "b"], 3), (None, 5), (["z"], 1)):
        found = []
        for module in (tf, peer):
            values = None if known is None else module.range(len(known), dtype=module.int64)
            init = None if known is None else module.lookup.KeyValueTensorInitializer(known, values)
            table = module.lookup.StaticVocabularyTable(init, buckets)
            found.append((table.lookup(module.constant([words])).numpy().tolist(), int(table.size())))
        assert found[0] == found[1]
    found = []
    for module in (tf, peer):
        keys = module.constant([5, -7], module.int64)
        init = module.lookup.KeyValueTensorInitializer(keys, module.range(2, dtype=module.int64))
        table = module.lookup.StaticVocabularyTable(init, 4, lookup_key_dtype=module.int32)
        found.append(table.lookup(module.constant([5, 6, -7, 123456])).numpy().tolist())
    assert found[0] == found[1]


FILES = [
    (b"c\r\n d \nq", ("string", -2, "int64", -1), {}),
    (b"a\nb\n", ("string", -2, "int64", -1), {"value_index_offset": 5}),
    (b"a\nb\nc\n", ("int64", -1, "string", -2), {"vocab_size": 2}),
    (b"a b c\nd e f\n", ("string", 2, "int64", -1), {"delimiter": " "}),
    (b"a\t1\nb\t 2 \n", ("string", 0, "int64", 1), {}),
    (b"7,x\n8,y\n", ("int64", 0, "string", 1), {"delimiter": ","}),
    (b"a\n\nb\n", ("string", -2, "int64", -1), {}),
    (b"", ("string", -2, "int64", -1), {}),
    (b"a\n", ("string", -2, "int64", -1), {"vocab_size": 2}),
    (b"a\n", ("string", 3, "int64", -1), {}),
    (b"a,b\n", ("string", 0, "int64", 1), {"delimiter": ","}),
    (b"a\n", ("string", -2, "int32", -1), {}),
    (b"a\n", ("string", -1, "int64", -1), {}),
    (b"a\n", ("string", -3, "int64", -1), {}),
    (b"a\n", ("string", -2, "int64", -1), {"vocab_size": 0}),
    (b"a\n", ("string", -2, "int64", -1), {"delimiter": "ab"}),
]


@pytest.mark.parametrize("number", range(len(FILES)))
def test_files_are_read_as_tensorflow_reads_them(number, peer, tmp_path):
    content, (key, key_index, value, value_index), more = FILES[number]
    path = tmp_path / f"words{number}.txt"
    path.write_bytes(content)
    found = []
    for module in (tf, peer):
        kinds = getattr(module, key), key_index, getattr(module, value), value_index
        try:
            init = module.lookup.TextFileInitializer(str(path), *kinds, **more)
            default = "none" if value == "string" else -1
            exported = module.lookup.StaticHashTable(init, default).export()
            found.append(sorted(zip(*(part.numpy().tolist() for part in exported), strict=True)))
        except Exception as error:  # noqa: BLE001  both must fail, whatever is wrong
            found.append(None)
            assert module is peer or (isinstance(error, ValueError) and str(error))
    assert found[0] == found[1]


def test_files_that_are_not_there(tmp_path):
    path = tmp_path / "none.txt"
    init = tf.lookup.TextFileInitializer(path, tf.string, -2, tf.int64, -1)
    with pytest.raises(tf.errors.NotFoundError, match=r"none\.txt"):
        tf.lookup.StaticHashTable(init, -1)
    path.write_text("a\nb")
    assert tf.lookup.StaticHashTable(init, -1)[tf.constant(["b"])].numpy().tolist() == [1]


def test_mutable_tables_take_every_order_of_changes():
    drawn = np.random.default_rng(0)
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, -1)
    held = {}
    for _ in range(40):
        keys, values = drawn.integers(0, 60, 9), drawn.integers(0, 1000, 9)
        if drawn.random() < 0.6:
            table.insert(tf.constant(keys), tf.constant(values))
            held |= dict(zip(keys.tolist(), values.tolist(), strict=True))
        else:
            table.remove(tf.constant(keys))
            held = {key: value for key, value in held.items() if key not in keys}
        asked = np.arange(60).reshape(5, 12)
        found = table.lookup(tf.constant(asked)).numpy()
        assert found.tolist() == [[held.get(key, -1) for key in row] for row in asked.tolist()]
        assert int(table.size()) == len(held)
    assert dict(zip(*(part.numpy().tolist() for part in table.export()), strict=True)) == held


def test_mutable_tables_of_vectors_strings_and_defaults(peer):
    found = []
    for module in (tf, peer):
        make = module.lookup.experimental.MutableHashTable
        vectors = make(module.int64, module.float32, [0.5, -1.0])
        vectors.insert(module.constant([[5], [9]], module.int64), [[[1.0, 2.0]], [[3.0, 4.0]]])
        parts = [vectors.lookup(module.constant(keys, module.int64)) for keys in (9, [1, 5], [[1], [9]])]
        texts = make(module.int64, module.string, "none")
        texts.insert(module.constant([1, 2], module.int64), ["x", "y"])
        texts.insert(module.constant([], module.int64), module.constant([], module.string))
        parts.append(texts.lookup(module.constant([2, 3], module.int64)))
        words = make(module.string, module.int64, 0)
        for default in ([5, 6], 7):
            given = module.constant(default, module.int64)
            parts.append(words.lookup(module.constant(["p", "q"]), given))
        parts.append(words.lookup(module.constant(["p"])))
        found.append(parts)
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


def test_changes_inside_of_functions_come_in_program_order():
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)

    @tf.function
    def change():  # no tensor comes in: it must not be traced once and forgotten
        table.insert(["n"], table.lookup(tf.constant(["n"])) + 1)
        return table.size(), table.lookup(tf.constant("n"))

    with pytest.warns(UserWarning, match="op by op"):
        assert [int(one) for one in change()] == [1, 1]
    assert [int(one) for one in change()] == [1, 2]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def remember(words):
        before = table.lookup(words)
        table.insert(words, before + 1)
        table.remove(["gone"])
        return table.lookup(words) - before

    for words in (["n", "gone"], ["m"], []):
        grown = remember(tf.constant(words, tf.string)).numpy().tolist()
        assert grown == [0 if word == "gone" else 1 for word in words]
    assert table.lookup(tf.constant(["n", "m", "gone"])).numpy().tolist() == [3, 1, 0]

    data = tf.data.Dataset.from_tensor_slices(["a", "b", "a"])

    def count(word):
        table.insert(word, table.lookup(word) + 1)
        return table.lookup(word)

    counted = data.map(count)
    assert table.lookup(tf.constant("a")).numpy() == 0  # nothing has run yet
    assert [int(one) for one in counted] == [1, 1, 2]


def test_what_mutable_tables_refuse():
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, 0)
    vectors = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, [0.0, 0.0])
    dense = tf.lookup.experimental.DenseHashTable
    bad = tf.errors.InvalidArgumentError
    for make, kind in (
        (lambda: table.insert([1], [1]), TypeError),
        (lambda: table.insert(["a"], tf.constant([1], tf.int32)), TypeError),
        (lambda: table.insert(["a"], [1, 2]), bad),
        (lambda: table.remove(tf.constant([1])), TypeError),
        (lambda: table.lookup(["a", "b", "c"], tf.constant([1, 2], tf.int64)), bad),
        (lambda: vectors.insert(tf.constant([1], tf.int64), [[1.0]]), bad),
        (lambda: tf.lookup.experimental.MutableHashTable(tf.float32, tf.int64, 0), TypeError),
        (lambda: dense(tf.int64, tf.int64, -1, 0, 0), bad),
        (lambda: dense(tf.int64, tf.int64, -1, 0, -1, initial_num_buckets=7), bad),
        (lambda: dense(tf.int64, tf.int64, -1, 0, -1).lookup([0]), bad),
        (lambda: dense(tf.int64, tf.int64, -1, 0, -1).insert([-1], [1]), bad),
        (lambda: dense(tf.int64, tf.int64, -1, 0, -1).remove([-1]), bad),
        (
            lambda: table.insert(tf.keras.Input((), dtype="string"), tf.keras.Input((), dtype="int64")),
            TypeError,
        ),
    ):
        with pytest.raises(kind):
            make()
    assert int(table.size()) == 0


def test_dense_tables_of_vector_keys(peer):
    found = []
    for module in (tf, peer):
        table = module.lookup.experimental.DenseHashTable(
            module.int64, module.int64, [-1, -1], empty_key=[0, 0], deleted_key=[-1, -1]
        )
        table.insert_or_assign(module.constant([[1, 2], [3, 4]], module.int64), [[5, 6], [7, 8]])
        table.erase(module.constant([[3, 4]], module.int64))
        keys = module.constant([[[1, 2]], [[3, 4]]], module.int64)
        found.append((table.lookup(keys), table.size()))
    for ours, theirs in zip(*found, strict=True):
        same(ours, theirs)


def test_tables_are_copied_pickled_and_shared_by_threads():
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.int64, 0)
    table.insert([1], [2])
    for other in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        other.insert([1], [3])
        assert int(other.lookup(tf.constant(1, tf.int64))) == 3
    assert int(table.lookup(tf.constant(1, tf.int64))) == 2

    def fill(start):
        for key in range(start, 4000, 4):
            table.insert(tf.constant([key], tf.int64), tf.constant([key * key], tf.int64))

    threads = [threading.Thread(target=fill, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys = tf.range(4000, dtype=tf.int64)
    np.testing.assert_array_equal(table.lookup(keys), keys * keys)


def test_tables_of_datasets(peer):
    found = []
    for module in (tf, peer):
        slices, made = module.data.Dataset.from_tensor_slices, module.data.experimental
        pairs, words = slices((["a", "b"], module.constant([0, 1], module.int64))), slices(["a", "b", "c"])
        asked = module.constant(["b", "x", "c", "y"])
        tables = [
            module.lookup.StaticHashTable(made.DatasetInitializer(pairs), -5),
            made.table_from_dataset(pairs, default_value=9),
            made.table_from_dataset(pairs, num_oov_buckets=2),
            made.index_table_from_dataset(words),
            made.index_table_from_dataset(words, vocab_size=2, default_value=7),
            made.index_table_from_dataset(words, num_oov_buckets=3),
        ]
        found.append([table.lookup(asked).numpy().tolist() for table in tables])
        numbers = slices(module.constant([4, 5], module.int64))
        by_number = made.index_table_from_dataset(numbers, key_dtype=module.int64)
        found[-1].append(by_number.lookup(module.constant([5, 1], module.int64)).numpy().tolist())
    assert found[0] == found[1]


def test_what_tables_of_datasets_refuse():
    made, slices = tf.data.experimental, tf.data.Dataset.from_tensor_slices
    words, pairs = slices(["a", "b"]), slices((["a"], [1]))
    for make, kind in (
        (lambda: made.index_table_from_dataset(words, vocab_size=4), tf.errors.FailedPreconditionError),
        (lambda: made.index_table_from_dataset(words, vocab_size=0), ValueError),
        (lambda: made.index_table_from_dataset(words, num_oov_buckets=-1), ValueError),
        (lambda: made.table_from_dataset(words), ValueError),
        (lambda: made.table_from_dataset(pairs.batch(1)), ValueError),
        (lambda: made.table_from_dataset(None), TypeError),
        (lambda: made.table_from_dataset(pairs, key_dtype=tf.int64), TypeError),
        (lambda: made.table_from_dataset(pairs, hasher_spec="fasthash"), NotImplementedError),
    ):
        with pytest.raises(kind):
            make()


def test_tables_in_graphs_of_version_1():
    old = version1.v1
    assert old.tables_initializer() is None
    with tf.Graph().as_default():
        init = old.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([5, 6], tf.int64))
        words = old.placeholder(tf.string, [None])
        found = old.lookup.StaticHashTable(init, -1).lookup(words)
        with old.Session() as session:
            session.run(old.tables_initializer())
            assert session.run(found, {words: ["b", "?"]}).tolist() == [6, -1]
            assert session.run(found, {words: []}).tolist() == []


def test_tables_are_children_of_what_holds_them():
    from dovetail.base.trackable import children

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = table_of(tf, ["a"], [1], 0)

    model = Model()
    assert dict(children(model))["table"] is model.table and model.variables == ()
    layer = tf.keras.layers.Layer()
    layer.table = model.table
    assert layer.weights == []
