"""`tf.experimental.ExtensionType`: fields, specs, equality, errors; nests, functions, tapes, datasets."""

import copy
import json
import pickle
import typing

import numpy as np
import pytest

import dovetail as tf


class Masked(tf.experimental.ExtensionType):
    values: tf.Tensor
    mask: tf.Tensor
    unit: str = "m"

    def __validate__(self):
        self.values.shape.assert_is_compatible_with(self.mask.shape)


class Several(tf.experimental.ExtensionType):
    ends: typing.Tuple[Masked, Masked]  # noqa: UP006
    weights: typing.Tuple[tf.Tensor, ...] = ()  # noqa: UP006
    options: typing.Mapping[str, tf.Tensor] = {}
    label: typing.Union[str, int, None] = None  # noqa: UP007


class Pair(tf.experimental.BatchableExtensionType):
    a: tf.Tensor
    b: tf.Tensor


class OwnConstructor(tf.experimental.ExtensionType):
    low: tf.Tensor
    high: tf.Tensor

    def __init__(self, middle, width=2.0):
        self.low = middle - width / 2
        self.high = middle + width / 2


def masked(values=(1.0, 2.0), mask=(True, False), **kwargs):
    return Masked(tf.constant(list(values), tf.float32), list(mask), **kwargs)


def test_fields_are_converted_and_nested():
    m = masked()
    s = Several(ends=[m, m], weights=[1.0, [2.0]], options={"b": 1, "a": 2.0}, label=7)
    assert m.values.dtype == tf.float32 and m.mask.dtype == tf.bool and m.unit == "m"
    assert isinstance(s.ends, tuple) and len(s.weights) == 2 and s.options["b"].dtype == tf.int32
    leaves = tf.nest.flatten(s, expand_composites=True)
    assert [leaf.dtype.name for leaf in leaves] == [
        *["float32", "bool"] * 2,
        *["float32"] * 3,
        "int32",
    ]
    again = tf.nest.pack_sequence_as(s, leaves, expand_composites=True)
    assert bool(again == s) and again.label == 7
    assert tf.nest.flatten(s) == [s] or tf.nest.flatten(s)[0] is s


def test_own_constructors_set_fields_and_nothing_changes_later():
    value = OwnConstructor(tf.constant(3.0))
    assert (float(value.low), float(value.high)) == (2.0, 4.0)
    for change in (
        lambda: setattr(value, "low", 1.0),
        lambda: delattr(value, "low"),
        lambda: setattr(value, "x", 1),
    ):
        with pytest.raises(AttributeError, match="do not change"):
            change()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: Masked([1.0], [True], unit=3),
            TypeError,
            "Masked.unit: expected str, received 3 of type int",
        ),
        (lambda: Masked([1.0]), TypeError, "missing the fields mask"),
        (lambda: Masked([1.0], [True], units="m"), TypeError, "no field 'units'.*unit"),
        (lambda: Masked([1.0], [True], "m", 1), TypeError, "takes 3 positional arguments, 4"),
        (lambda: Masked(object(), [True]), TypeError, "Masked.values: expected tf.Tensor"),
        (lambda: Masked([1.0, 2.0], [True]), ValueError, "incompatible"),
        (lambda: Several(ends=(masked(),)), TypeError, r"Several.ends: expected 2 elements, received 1"),
        (lambda: Several(ends=(masked(), 1.0)), TypeError, r"Several.ends\[1\]: expected Masked"),
        (lambda: Several(ends=(masked(), masked()), label=1.5), TypeError, "Several.label: expected one of"),
        (lambda: Several(ends=(masked(), masked()), options={1: 2}), TypeError, "key: expected str"),
    ],
)
def test_errors_name_the_field_and_what_was_given(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_unknown_annotations_are_refused():
    with pytest.raises(TypeError, match=r"Bad\.x: unsupported type annotation"):
        type("Bad", (tf.experimental.ExtensionType,), {"__annotations__": {"x": list}})


def test_values_compare_by_spec_and_tensors():
    assert bool(masked() == masked()) and bool(masked() != masked((9.0, 2.0)))
    assert masked() != masked(unit="cm") and masked() != masked((1.0,), (True,))
    assert "unit='m'" in repr(masked()) and repr(masked()).startswith("Masked(values=")


def test_specs_describe_join_and_relax():
    spec = tf.type_spec_from_value(masked())
    assert spec == Masked.Spec(tf.TensorSpec([2]), tf.TensorSpec([2], tf.bool)) and hash(spec) == hash(spec)
    other = tf.type_spec_from_value(masked((1.0,), (True,)))
    joined = spec.most_specific_compatible_type(other)
    assert joined.values.shape.as_list() == [None] and joined.is_compatible_with(masked())
    assert spec.is_subtype_of(joined) and not joined.is_subtype_of(spec)
    assert spec.most_specific_common_supertype([tf.type_spec_from_value(masked(unit="cm"))]) is None
    assert spec.value_type is Masked and Masked.Spec.from_value(masked()) == spec


def test_functions_take_and_return_them_and_trace_once_a_spec():
    traces = []

    @tf.function
    def double(m):
        traces.append(m.unit)
        return Masked(m.values * 2.0, m.mask, m.unit + "2")

    for values in ((1.0, 2.0), (3.0, 4.0)):
        out = double(masked(values))
        assert out.unit == "m2" and out.values.numpy().tolist() == [2 * v for v in values]
    double(masked(unit="cm"))
    assert traces == ["m", "cm"]


def test_a_signature_with_unknown_sizes_is_recorded_once():
    traces = []
    spec = Masked.Spec(tf.TensorSpec([None]), tf.TensorSpec([None], tf.bool), "m")

    @tf.function(input_signature=[spec])
    def total(m):
        traces.append(m.values.shape.as_list())
        return tf.reduce_sum(m.values)

    assert [float(total(masked(range(1, n), [True] * (n - 1)))) for n in range(2, 6)] == [1.0, 3.0, 6.0, 10.0]
    assert traces == [[None]]
    with pytest.raises(TypeError, match="input_signature"):
        total(masked(unit="cm"))
    concrete = tf.function(lambda m: m.values * 2.0).get_concrete_function(spec)
    assert concrete(masked()).numpy().tolist() == [2.0, 4.0]


def test_loops_and_branches_carry_them():
    @tf.function
    def run(n, m):
        def body(i, carried):
            return i + 1, Masked(carried.values + 1.0, carried.mask)

        m = tf.while_loop(lambda i, _: i < n, body, (tf.constant(0), m))[1]
        return tf.cond(n > 2, lambda: m, lambda: Masked(-m.values, m.mask))

    assert run(tf.constant(3), masked()).values.numpy().tolist() == [4.0, 5.0]
    assert run(tf.constant(1), masked()).values.numpy().tolist() == [-2.0, -3.0]


def test_the_gradient_of_a_composite_is_a_composite():
    m = masked()
    with tf.GradientTape() as tape:
        tape.watch(m)
        y = tf.reduce_sum(m.values**2)
    gradient = tape.gradient(y, {"m": m})["m"]
    assert isinstance(gradient, Masked) and gradient.values.numpy().tolist() == [2.0, 4.0]
    assert gradient.mask.numpy().tolist() == [True, False]


def test_datasets_slice_batch_and_map_batchable_ones():
    rows = tf.data.Dataset.from_tensor_slices(Pair([[1, 2], [3, 4], [5, 6]], [7, 8, 9]))
    assert rows.element_spec == Pair.Spec(tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.int32))
    batches = list(rows.batch(2))
    assert [b.a.shape.as_list() for b in batches] == [[2, 2], [1, 2]]
    assert [int(p.b) for p in rows.batch(3).unbatch()] == [7, 8, 9]
    mapped = rows.map(lambda p: Pair(p.a + 1, p.b * 2)).filter(lambda p: p.b > 14)
    assert [int(p.b) for p in mapped] == [16, 18] and isinstance(mapped.element_spec, Pair.Spec)
    (whole,) = tf.data.Dataset.from_tensors(Pair([1], [2]))
    assert isinstance(whole, Pair)
    with pytest.raises(ValueError, match="same first dimension"):
        tf.data.Dataset.from_tensor_slices((Pair([1, 2], [3, 4]), tf.range(3)))


def test_what_is_not_batchable_says_so():
    with pytest.raises(ValueError, match="can be batched"):
        tf.data.Dataset.from_tensor_slices(masked())


def test_map_fn_takes_and_gives_them():
    spec = Pair.Spec(tf.TensorSpec([], tf.int32), tf.TensorSpec([], tf.int32))
    out = tf.map_fn(lambda p: Pair(p.b, p.a * 2), Pair([1, 2], [3, 4]), fn_output_signature=spec)
    np.testing.assert_array_equal(out.a, [3, 4])
    np.testing.assert_array_equal(out.b, [2, 4])


def test_a_batch_encoder_has_its_say():
    class Flat(tf.experimental.ExtensionTypeBatchEncoder):
        def encode(self, spec, value, minimum_rank=0):
            return tf.stack([value.a, value.b], axis=-1)

        def encoding_specs(self, spec):
            return tf.TensorSpec([*spec.a.shape, 2], spec.a.dtype)

        def decode(self, spec, encoded_value):
            return Coded(encoded_value[..., 0], encoded_value[..., 1])

    class Coded(tf.experimental.BatchableExtensionType):
        __batch_encoder__ = Flat()
        a: tf.Tensor
        b: tf.Tensor

    rows = tf.data.Dataset.from_tensor_slices(Coded([1, 2], [3, 4]))
    assert [(int(p.a), int(p.b)) for p in rows] == [(1, 3), (2, 4)]
    assert next(iter(rows.batch(2))).b.numpy().tolist() == [3, 4]


def test_dataclasses_that_describe_themselves_are_structures():
    class Measured:
        def __init__(self, unit, value):
            self.unit, self.value = unit, value

        def __tf_flatten__(self):
            return (self.unit,), (self.value,)

        @classmethod
        def __tf_unflatten__(cls, metadata, components):
            return cls(*metadata, *components)

    mapped = tf.nest.map_structure(lambda x: x + 1, {"m": Measured("kg", 2)})
    assert mapped["m"].value == 3 and mapped["m"].unit == "kg" and tf.nest.is_nested(Measured("kg", 2))


def test_indexed_slices_go_through_functions():
    table = tf.Variable(tf.ones([5, 2]))

    @tf.function
    def gradient(i):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.gather(table, i) * 2.0)
        return tape.gradient(y, table)

    rows = gradient(tf.constant([1, 3]))
    assert isinstance(rows, tf.IndexedSlices) and rows.values.numpy().tolist() == [[2.0, 2.0]] * 2
    assert tf.type_spec_from_value(rows).shape.as_list() == [5, 2]


class Weighted(tf.experimental.BatchableExtensionType):
    values: tf.Tensor
    weights: tf.Tensor

    @property
    def shape(self):
        return self.values.shape


class Sum(tf.keras.layers.Layer):
    def call(self, x):
        return tf.reduce_sum(x.values * x.weights, -1, keepdims=True)


def _models(example):
    keras = tf.keras
    head = {"kernel_initializer": "ones", "use_bias": False}
    start = keras.Input(type_spec=Weighted.Spec(tf.TensorSpec([None, 2]), tf.TensorSpec([None, 2])))
    yield keras.Model(start, keras.layers.Dense(1, **head)(Sum()(start)))
    rest = keras.layers.Lambda(lambda x: x.values[:, :1])(start) * 0.0
    yield keras.Model(start, keras.layers.Dense(1, **head)(rest + Sum()(start)))
    yield keras.Sequential([start, Sum(), keras.layers.Dense(1, **head)])
    late = keras.Sequential([Sum(), keras.layers.Dense(1, **head)])
    yield late
    called = keras.Sequential([Sum(), keras.layers.Dense(1, **head)])
    called(example)
    yield called


@pytest.mark.parametrize("number", range(5))
def test_models_take_them(number):
    x = Weighted(np.arange(6.0, dtype=np.float32).reshape(3, 2), np.full((3, 2), 2.0, np.float32))
    expected, y = np.array([[2.0], [10.0], [18.0]]), np.zeros((3, 1), np.float32)
    model = list(_models(x))[number]
    np.testing.assert_allclose(model(x), expected)
    np.testing.assert_allclose(model.predict(x, batch_size=2, verbose=0), expected)
    rows = tf.data.Dataset.from_tensor_slices((x, y))
    np.testing.assert_allclose(model.predict(rows.map(lambda x, y: x).batch(2), verbose=0), expected)
    model.compile("sgd", "mse")
    for history in (model.fit(x, y, batch_size=3, verbose=0), model.fit(rows.batch(3), verbose=0)):
        assert len(history.history["loss"]) == 1
    np.testing.assert_allclose(
        tf.keras.Sequential([Sum()]).predict(x, verbose=0), expected
    )  # a model that no one has called yet


def test_only_tensors_are_padded():
    pairs = tf.data.Dataset.from_tensor_slices(Pair([[1.0]], [[2]]))
    with pytest.raises(TypeError, match=r"padded_batch.*Pair.Spec"):
        pairs.padded_batch(2)


def test_specs_of_one_tensor_have_shape_dtype_and_rank():
    shape = [None, 3]
    specs = [
        tf.TensorSpec(shape, tf.int32),
        tf.SparseTensorSpec(shape, tf.int32),
        tf.RaggedTensorSpec(shape, tf.int32),
        tf.IndexedSlicesSpec(shape, tf.int32),
    ]
    assert all((s.shape.as_list(), s.dtype, s.rank) == (shape, tf.int32, 2) for s in specs)
    for spec in specs[:3]:
        assert spec._batch(4).shape.as_list() == [4, None, 3]
        assert spec._batch(4)._unbatch() == spec
    for kind in (tf.TensorSpec, tf.SparseTensorSpec):
        with pytest.raises(ValueError, match="holds no batch"):
            kind([], tf.int32)._unbatch()


def test_identity_keeps_what_is_made_of_tensors():
    pair = Pair([1.0], [2.0])
    again = tf.function(tf.identity)(pair)
    assert isinstance(again, Pair) and bool(again == pair)
    rows, sparse = tf.ragged.constant([[1], []]), tf.sparse.from_dense([0, 3])
    assert tf.identity(rows).to_list() == [[1], []] and tf.identity(sparse).values.numpy().tolist() == [3]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.filterwarnings("ignore:tf.function. .* runs op by op")
def test_python_functions_take_and_give_them(compiled):
    spec = Pair.Spec(tf.TensorSpec([2]), tf.TensorSpec([2]))

    def swapped(pair, factor):
        found = tf.py_function(
            lambda p, f: (Pair(p.b * f, p.a), p.a.numpy().sum()), [pair, factor], [spec, tf.float32]
        )
        return found[0], found[1]

    run = tf.function(swapped) if compiled else swapped
    pair, total = run(Pair([1.0, 2.0], [3.0, 4.0]), tf.constant(2.0))
    assert pair.a.numpy().tolist() == [6.0, 8.0] and float(total) == 3.0
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Tout declares.*Pair.Spec"):
        tf.py_function(lambda p: p.a, [pair], spec)


class Scaled(tf.experimental.BatchableExtensionType):
    values: tf.Tensor
    unit: str = "m"


@tf.keras.saving.register_keras_serializable("tests")
class Values(tf.keras.layers.Layer):
    def call(self, x):
        return x.values * 2.0


def _starts():
    keras = tf.keras
    rows = keras.Input([None], dtype="int32", ragged=True)
    embedded = keras.layers.Embedding(4, 2, embeddings_initializer="ones")(rows)
    yield rows, keras.layers.GlobalAveragePooling1D()(embedded), tf.ragged.constant([[1, 2], [3]])
    entries = keras.Input([3], sparse=True)
    dense = keras.layers.Dense(2, kernel_initializer="ones")
    yield entries, dense(entries), tf.sparse.from_dense(np.eye(3, dtype=np.float32))
    own = keras.Input(type_spec=Scaled.Spec(tf.TensorSpec([None, 2]), "m"), name="own")
    beside = keras.Input([2], name="beside")
    yield [own, beside], Values()(own) + beside, [Scaled(tf.ones([3, 2])), tf.ones([3, 2])]
    yield own, keras.layers.Lambda(_same)(own), Scaled(tf.ones([3, 2]))


@tf.keras.saving.register_keras_serializable("tests")
def _same(x):
    return tf.identity(x)


AGAIN = {
    "clone": tf.keras.models.clone_model,
    "config": lambda model: tf.keras.Model.from_config(model.get_config()),
    "json": lambda model: tf.keras.models.model_from_json(model.to_json()),
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("make", AGAIN.values(), ids=AGAIN)
@pytest.mark.parametrize("number", range(4))
def test_models_of_them_are_made_again(make, number):
    inputs, outputs, x = list(_starts())[number]
    model = tf.keras.Model(inputs, outputs)
    with tf.keras.saving.CustomObjectScope({"Scaled": Scaled}):
        want, found = model(x), make(model)(x)
    for a, b in zip(*(tf.nest.flatten(v, expand_composites=True) for v in (want, found)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert type(want) is type(found)


def test_a_spec_in_a_config_whose_class_is_unknown_says_so():
    class Unknown(tf.experimental.ExtensionType):
        a: tf.Tensor

    spec = Unknown(1.0)._type_spec
    config = tf.keras.saving.serialize_keras_object(spec)
    with pytest.raises(ValueError, match="Unknown.*custom_objects"):
        tf.keras.saving.deserialize_keras_object(config)
    known = {"Unknown": Unknown}
    assert tf.keras.saving.deserialize_keras_object(config, custom_objects=known) == spec
    for other in (tf.RaggedTensorSpec([None, None], tf.int32), tf.TensorSpec(None, tf.string, "s")):
        written = json.loads(json.dumps(tf.keras.saving.serialize_keras_object(other)))
        assert tf.keras.saving.deserialize_keras_object(written) == other
