"""The base layer: weights, sublayers, losses, masks, flags, dtypes, configs and errors."""

import os

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

X = np.arange(6, dtype="float32").reshape(2, 3)


class Linear(layers.Layer):
    def __init__(self, units=2, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones", name="w")

    def call(self, inputs):
        return tf.matmul(inputs, self.w)


class Block(layers.Layer):
    """Layers in an attribute, a list and a dict, a plain variable, and a frozen weight made first."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(3, name="first")
        self.more = [layers.Dense(3, name="listed"), layers.Dropout(0.5)]
        self.named = {"norm": layers.BatchNormalization(name="norm")}
        self.scale = tf.Variable(2.0, name="scale")

    def build(self, input_shape):
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
        self.gain = self.add_weight(shape=(), initializer="ones", name="gain")

    def call(self, inputs, training=None):
        self.count.assign_add(1.0)
        x = self.more[1](self.more[0](self.first(inputs)), training=training)
        return self.named["norm"](x) * self.scale * self.gain


# ---- weights and sublayers ----------------------------------------------------------------------------------------


def test_weights_are_found_wherever_they_are_held():
    block = Block()
    block(X)
    dense, norm = ["kernel", "bias"], ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.name.split(":")[0] for w in block.weights] == ["gain", "scale", "count", *dense, *dense, *norm]
    assert len(block.trainable_weights) == 8 and len(block.non_trainable_weights) == 3
    assert block.first.kernel.path.endswith("first/kernel")


def test_freezing_reaches_sublayers_and_keeps_the_order():
    block = Block()
    block(X)
    names = [w.name for w in block.weights]
    block.trainable = False
    assert block.trainable_weights == [] and [w.name for w in block.weights] == names
    block.trainable = True
    assert len(block.trainable_weights) == 8
    block.first.trainable = False
    assert len(block.trainable_weights) == 6


def test_freezing_before_building():
    dense = layers.Dense(2, trainable=False)
    dense(X)
    assert dense.trainable_weights == [] and len(dense.non_trainable_weights) == 2


@pytest.mark.parametrize(
    "add",
    [
        lambda layer: layer.add_weight(shape=(2, 3), initializer="ones", name="w"),
        lambda layer: layer.add_weight((2, 3), "ones", name="w"),
        lambda layer: layer.add_weight("w", (2, 3), "float32", "ones"),
        lambda layer: layer.add_weight("w", shape=[2, 3], initializer=tf.ones),
        lambda layer: layer.add_variable("w", [2, 3], initializer=lambda shape, dtype: np.ones(shape, dtype)),
    ],
)
def test_add_weight_as_keras_2_and_3_spell_it(add):
    weight = add(layers.Layer())
    assert weight.name == "w" and weight.shape == (2, 3) and weight.dtype == "float32"
    assert np.array_equal(weight, np.ones((2, 3)))


def test_add_weight_errors():
    layer = layers.Layer(name="mine")
    with pytest.raises(TypeError, match="shape was given twice"):
        layer.add_weight("w", (2,), shape=(2,))
    with pytest.raises(ValueError, match="mine: the weight 'w' needs a known shape"):
        layer.add_weight(shape=(None, 2), name="w")
    with pytest.raises(ValueError, match="initializer of 'w' gave shape"):
        layer.add_weight(shape=(2,), initializer=lambda shape, dtype: np.zeros(3, dtype), name="w")


def test_set_weights_refuses_what_does_not_fit_and_changes_nothing():
    dense = layers.Dense(2, name="d")
    dense(X)
    before = dense.get_weights()
    with pytest.raises(ValueError, match="d.set_weights: the layer has 2 weights, 1 arrays"):
        dense.set_weights([np.zeros((3, 2))])
    with pytest.raises(
        ValueError, match=r"the weight 'bias' has shape \(2,\), the array given for it \(3,\)"
    ):
        dense.set_weights([np.zeros((3, 2)), np.zeros(3)])
    for one, other in zip(dense.get_weights(), before, strict=True):
        assert np.array_equal(one, other)


def test_count_params():
    dense = layers.Dense(2)
    with pytest.raises(ValueError, match="needs the weights"):
        dense.count_params()
    dense(X)
    assert dense.count_params() == 8


def test_initial_weights_of_keras_2():
    dense = layers.Dense(2, input_shape=(3,), weights=[np.ones((3, 2)), np.zeros(2)])
    assert np.array_equal(dense(X), X @ np.ones((3, 2), "float32"))


# ---- names and arguments ------------------------------------------------------------------------------------------


def test_names_are_unique():
    one, two = layers.SpatialDropout3D(0.1), layers.SpatialDropout3D(0.1)
    assert one.name != two.name and one.name.startswith("spatial_dropout3d")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Dense(2, unit=3), TypeError, "Dense: unknown argument 'unit'. Did you mean"),
        (lambda: layers.Dense(0), ValueError, "units must be a positive integer"),
        (lambda: layers.Dense(2, activation="rely"), ValueError, "relu"),
        (lambda: layers.Conv2D(4, 3, padding="sane"), ValueError, "same"),
        (lambda: layers.Conv2D(4, 3, padding="causal"), ValueError, "valid, same"),
        (lambda: layers.Conv2D(4, (3, 3, 3)), ValueError, "kernel_size must be a positive integer or 2"),
        (lambda: layers.Conv2D(4, 3, strides=2, dilation_rate=2), ValueError, "cannot both exceed 1"),
        (lambda: layers.Conv2D(4, 3, groups=3), ValueError, "multiple of groups"),
        (lambda: layers.MaxPooling2D(data_format="NHWC"), ValueError, "channels_last, channels_first"),
        (lambda: layers.Dropout(1.5), ValueError, "from 0 to 1"),
        (lambda: layers.BatchNormalization(renorm=True), NotImplementedError, "renorm=True is not supported"),
        (lambda: layers.LeakyReLU(-0.1), ValueError, "negative_slope must be a number that is not negative"),
        (lambda: layers.Permute((0, 1)), ValueError, "dims must be an order of the axes 1 to 2"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "at most one -1"),
        (lambda: layers.Embedding(0, 3), ValueError, "input_dim must be a positive integer"),
        (lambda: layers.Lambda("relu"), TypeError, "expected a function"),
        (lambda: layers.TimeDistributed(3), ValueError, "expected a layer"),
        (lambda: layers.Dense(2, name="a/b"), ValueError, "cannot contain '/'"),
        (lambda: layers.DepthwiseConv1D(2, lora_rank=3), NotImplementedError, "lora_rank is not supported"),
        (lambda: layers.Add()([tf.ones((2, 3))]), ValueError, "at least 2 inputs"),
        (lambda: layers.Add()(tf.ones((2, 3))), ValueError, "call it on a list of tensors"),
        (lambda: layers.Dense(2)(), ValueError, "at least one tensor"),
        (lambda: layers.Layer()(X), NotImplementedError, "has no call"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_keras_2_spellings():
    assert layers.LeakyReLU(alpha=0.1).negative_slope == pytest.approx(0.1)
    assert layers.Convolution2D is layers.Conv2D and layers.MaxPool2D is layers.MaxPooling2D
    assert layers.experimental.preprocessing.Rescaling is layers.Rescaling
    assert layers.BatchNormalization(axis=[3], fused=True).axis == 3
    model = keras.Sequential([layers.Embedding(10, 4, input_length=5), layers.Flatten(), layers.Dense(1)])
    assert tuple(model.output.shape) == (None, 1)
    model = keras.Sequential([layers.Dense(4, input_dim=3), layers.Dense(1)])
    assert tuple(model.input.shape) == (None, 3)
    model = keras.Sequential([layers.Conv2D(4, 3, batch_input_shape=(2, 8, 8, 1))])
    assert tuple(model.output.shape) == (2, 6, 6, 4)


def test_a_missing_super_init_is_explained():
    class Bad(layers.Layer):
        def __init__(self):
            self.units = 3

        def call(self, x):
            return x

    with pytest.raises(RuntimeError, match=r"super\(\).__init__\(\)"):
        Bad()(X)


# ---- building and calling -----------------------------------------------------------------------------------------


def test_what_a_layer_may_be_called_on():
    layer = Linear()
    expected = X.sum(1, keepdims=True).repeat(2, 1)
    for inputs in (X, tf.constant(X), tf.Variable(X), X.tolist(), X.astype("float64")):
        outputs = layer(inputs)
        assert outputs.dtype == "float32" and np.allclose(outputs, expected)
    assert np.allclose(layer(inputs=X), expected)


def test_the_shape_after_building_is_demanded():
    dense = layers.Dense(2, name="d")
    dense(tf.ones((2, 64)))
    with pytest.raises(ValueError) as error:
        dense(tf.ones((32, 60)))
    message = str(error.value)
    assert message.startswith(
        "d: expected the last axis to be 64, received inputs of shape (32, 60). Built for (2, 64)."
    )
    assert "test_layer_base.py" in message


def test_symbolic_errors_come_while_building_the_model():
    inputs = keras.Input((8, 8, 3))
    with pytest.raises(ValueError, match=r"dense_x: .*"):
        layers.Dense(2, name="dense_x")(keras.Input(()))
    with pytest.raises(ValueError, match="rank"):
        layers.MaxPooling1D()(inputs)
    with pytest.raises(ValueError, match="channels .* must be known"):
        layers.Conv2D(2, 3)(keras.Input((8, 8, None)))


def test_build_by_hand_and_from_config():
    dense = layers.Dense(2)
    dense.build((None, 3))
    assert dense.built and dense.kernel.shape == (3, 2)
    assert dense.get_build_config() == {"input_shape": (None, 3)}
    again = layers.Dense.from_config(dense.get_config())
    again.build_from_config(dense.get_build_config())
    assert again.kernel.shape == (3, 2)
    assert layers.deserialize(layers.serialize(dense)).built


def test_compute_output_shape():
    assert tuple(layers.Conv2D(4, 3).compute_output_shape((None, 8, 8, 1))) == (None, 6, 6, 4)
    assert tuple(layers.Concatenate().compute_output_shape([(None, 3), (None, 4)])) == (None, 7)
    assert tuple(Linear(5).compute_output_shape((None, 3))) == (None, 5)


def test_several_inputs_and_outputs():
    class Swap(layers.Layer):
        def call(self, a, b, factor=1.0):
            return {"b": b * factor, "a": a}

    out = Swap()(X, tf.ones((2, 1)), factor=3.0)
    assert np.array_equal(out["a"], X) and np.array_equal(out["b"], [[3.0], [3.0]])
    a, b = keras.Input((3,)), keras.Input((1,))
    symbolic = Swap()(a, b, factor=2.0)
    model = keras.Model([a, b], symbolic)
    assert np.array_equal(model([X, tf.ones((2, 1))])["b"], [[2.0], [2.0]])


def test_build_gets_the_shape_of_each_argument():
    class Two(layers.Layer):
        def build(self, query_shape, value_shape):
            self.shapes = (tuple(query_shape), tuple(value_shape))

        def call(self, query, value):
            return query

    layer = Two()
    layer(X, tf.ones((4, 5)))
    assert layer.shapes == ((2, 3), (4, 5))


def test_training_reaches_inner_layers():
    seen = []

    class Spy(layers.Layer):
        def call(self, inputs, training=None):
            seen.append(training)
            return inputs

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.spy = Spy()

        def call(self, inputs):
            return self.spy(inputs)

    outer = Outer()
    outer(X, training=True)
    outer(X, training=False)
    outer(X)
    Spy()(X, True)
    assert seen == [True, False, None, True]
    model = keras.Sequential([keras.Input((3,)), outer])
    seen.clear()
    model(X, training=True)
    assert seen == [True]


def test_a_frozen_batch_normalization_infers():
    norm = layers.BatchNormalization()
    norm(X)
    norm.trainable = False
    assert np.allclose(norm(X, training=True), norm(X))
    assert np.array_equal(norm.moving_mean, np.zeros(3))


def test_stateless_call():
    norm = layers.BatchNormalization(momentum=0.0)
    norm(X)
    outputs, state = norm.stateless_call(
        norm.trainable_variables, norm.non_trainable_variables, X, training=True
    )
    assert np.allclose(state[0], X.mean(0)) and np.array_equal(norm.moving_mean, np.zeros(3))
    assert np.allclose(outputs, norm(X, training=True), atol=1e-6)


# ---- losses -------------------------------------------------------------------------------------------------------


def test_losses_of_weights_and_activity_match_keras():
    keras_3 = pytest.importorskip("keras")
    kwargs = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "activity_regularizer": "l2"}
    ours, theirs = layers.Dense(2, **kwargs), keras_3.layers.Dense(2, **kwargs)
    ours(X), theirs(X)
    theirs.set_weights(ours.get_weights())
    ours(X), theirs(X)
    assert np.isclose(float(sum(ours.losses)), float(sum(theirs.losses)), rtol=1e-5)
    assert len(ours.losses) == len(theirs.losses) == 3


def test_add_loss_belongs_to_the_last_call():
    class Penalty(layers.Layer):
        def call(self, inputs):
            self.add_loss(tf.reduce_sum(inputs))
            return inputs

    layer = Penalty()
    layer(X)
    layer(2 * X)
    assert [float(loss) for loss in layer.losses] == [30.0]
    layer.add_loss(lambda: tf.constant(1.0))
    assert sorted(float(loss) for loss in layer.losses) == [1.0, 30.0]
    compiled = tf.function(lambda x: (layer(x), sum(layer.losses)))
    assert float(compiled(tf.constant(X))[1]) == 16.0
    assert np.isfinite(sum(float(loss) for loss in layer.losses))


# ---- masks --------------------------------------------------------------------------------------------------------

IDS = np.array([[1, 2, 0], [3, 0, 0]])
KEPT = IDS != 0


def mask_of(tensor):
    return getattr(tensor, "_keras_mask", None)


def test_masks_travel_through_layers_that_know_them():
    embedded = layers.Embedding(4, 3, mask_zero=True)(IDS)
    assert np.array_equal(mask_of(embedded), KEPT)
    for layer in (
        layers.Dense(2),
        layers.Dropout(0.5),
        layers.LayerNormalization(),
        layers.Activation("relu"),
    ):
        assert np.array_equal(mask_of(layer(embedded)), KEPT), layer
    for layer in (layers.Flatten(), layers.GlobalAveragePooling1D(), layers.Conv1D(2, 2)):
        assert mask_of(layer(embedded)) is None, layer
    assert np.array_equal(mask_of(layers.Embedding(4, 2)(IDS)), None)


def test_masks_of_joined_tensors_match_keras():
    tensorflow, keras_3 = pytest.importorskip("tensorflow"), pytest.importorskip("keras")
    steps = [np.float32([[[1, 1], [0, 0], [2, 0]]]), np.float32([[[0, 0], [0, 0], [1, 1]]])]
    for kind, kwargs in (("Add", {}), ("Multiply", {}), ("Concatenate", {"axis": 1}), ("Concatenate", {})):
        masks = []
        for library, convert in ((layers, tf.constant), (keras_3.layers, tensorflow.constant)):
            masked = [library.Masking()(convert(step)) for step in steps]
            masks.append(np.asarray(mask_of(getattr(library, kind)(**kwargs)(masked))))
        assert np.array_equal(*masks), kind


def test_a_layer_may_use_and_change_its_mask():
    class Last(layers.Layer):
        def call(self, inputs, mask=None):
            return inputs if mask is None else inputs * tf.cast(mask, inputs.dtype)[..., None]

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[:, ::-1]

    inputs = keras.Input((3,), dtype="int32")
    table = layers.Embedding(4, 2, mask_zero=True, embeddings_initializer="ones")
    model = keras.Model(inputs, Last()(table(inputs)))
    assert np.array_equal(np.asarray(model(IDS))[..., 0], KEPT)
    assert np.array_equal(mask_of(Last()(table(IDS))), KEPT[:, ::-1])
    unmasked = Last()(table(IDS), mask=tf.ones((2, 3), "bool"))
    assert np.array_equal(unmasked, np.ones((2, 3, 2)))


def test_lambda_takes_masks_flags_and_arguments():
    layer = layers.Lambda(
        lambda x, training, factor: x * (factor if training else 1.0), arguments={"factor": 3.0}
    )
    assert np.allclose(layer(X, training=True), 3 * X) and np.allclose(layer(X), X)
    shaped = layers.Lambda(lambda x: tf.reshape(x, (-1, 3)), output_shape=(3,))
    assert tuple(shaped(keras.Input((1, 3))).shape) == (None, 3)
    masked = layers.Lambda(lambda x: x, mask=lambda x, mask: x[..., 0] > 0)
    assert np.array_equal(mask_of(masked(X)), X[..., 0] > 0)
    with pytest.warns(UserWarning, match="lambda"):
        written = layers.serialize(masked)
    with pytest.raises(ValueError, match="lambda as bytecode"):
        layers.deserialize(written)


# ---- dtypes -------------------------------------------------------------------------------------------------------


def test_inputs_are_cast_to_the_compute_dtype_but_integers_never():
    class Kinds(layers.Layer):
        def call(self, inputs):
            self.seen = inputs.dtype.name
            return inputs

    layer = Kinds(dtype="float16")
    for given, seen in (("float32", "float16"), ("float64", "float16"), ("int32", "int32"), ("bool", "bool")):
        layer(tf.cast(X, given))
        assert layer.seen == seen
    plain = Kinds(dtype="float16", autocast=False)
    plain(tf.cast(X, "float64"))
    assert plain.seen == "float64"


def test_weights_are_read_in_the_compute_dtype():
    class Kinds(Linear):
        def call(self, inputs):
            self.seen = tf.convert_to_tensor(self.w).dtype.name
            return super().call(inputs)

    layer = Kinds(dtype="mixed_bfloat16")
    assert layer(X).dtype == "bfloat16" and layer.seen == "bfloat16"
    assert layer.w.dtype == "float32" and layer.dtype == "float32" and layer.compute_dtype == "bfloat16"


# ---- configs ------------------------------------------------------------------------------------------------------


def test_a_users_layer_has_a_config_without_writing_one():
    layer = Linear(units=4, name="mine", trainable=False)
    config = layer.get_config()
    assert config["units"] == 4 and config["name"] == "mine" and config["trainable"] is False
    assert Linear.from_config(config).units == 4


def test_a_config_that_cannot_be_written_says_so():
    class Holds(layers.Layer):
        def __init__(self, thing):
            super().__init__()
            self.thing = thing

    with pytest.raises(NotImplementedError, match="argument 'thing' .* override get_config"):
        Holds(object()).get_config()


def test_registered_layers_come_back_from_their_config():
    @keras.utils.register_keras_serializable("tests")
    class Enlarged(layers.Dense):
        def call(self, inputs):
            return super().call(inputs) * 2

    layer = Enlarged(3, activation="relu")
    config = layers.serialize(layer)
    assert config["registered_name"] == "tests>Enlarged"
    assert type(layers.deserialize(config)) is Enlarged
    with pytest.raises(ValueError, match="Dens"):
        layers.deserialize({"class_name": "Dens", "config": {}})


def test_out_of_range_indices_are_refused_where_values_are_known():
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"indices\[0,1\] = 9 is not in \[0, 4\)"):
        layers.Embedding(4, 2)(np.array([[1, 9]]))


def test_weights_follow_what_replaces_an_item_of_a_list():
    class Many(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.parts = [tf.Variable(1.0), tf.Variable(2.0)]
            self.nested = {"deep": [keras.layers.Dense(1)]}

        def call(self, x):
            return x

    layer = Many()
    layer.nested["deep"][0].build((None, 2))
    assert len(layer.trainable_weights) == 4
    new, other = tf.Variable(3.0), keras.layers.Dense(1)
    other.build((None, 3))
    layer.parts[0] = new
    layer.nested["deep"][0] = other
    found = layer.trainable_weights
    assert any(v is new for v in found)
    assert any(v is other.kernel for v in found)
    assert len(found) == 4


def test_what_has_nothing_to_build_is_built_once_made():
    for layer in (
        keras.layers.ReLU(),
        keras.layers.Dropout(0.5),
        keras.layers.MaxPooling1D(),
        keras.layers.Flatten(),
    ):
        assert layer.built
    for layer in (keras.layers.Dense(2), keras.layers.Add(), keras.layers.Attention()):
        assert not layer.built

    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    assert not Own().built  # as in Keras: its `call` may build what it holds


def test_keras_tensors_as_keras_3_makes_them():
    plain = keras.KerasTensor((2, 3))
    assert plain.dtype == "float32" and not plain.sparse and not plain.ragged
    assert keras.KerasTensor((None, 3), "int32", sparse=True, name="ids").sparse
    assert keras.KerasTensor((None, None), ragged=True).ragged
    with pytest.raises(ValueError, match="sparse or ragged"):
        keras.KerasTensor((2,), sparse=True, ragged=True)
    layer = keras.layers.Dense(4)
    assert layer.compute_output_spec(plain).shape == (2, 4)
    assert layer.symbolic_call(plain).shape == (2, 4)
    assert layer.input_dtype == "float32" and layer.quantization_mode is None and layer.supports_jit


def test_layers_tell_their_metrics():
    class Own(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner, self.seen = keras.layers.Dense(2), keras.metrics.Mean(name="seen")

        def call(self, x):
            return self.inner(x)

    layer = Own()
    assert [metric.name for metric in layer.metrics] == ["seen"] and len(layer.metrics_variables) == 2
    assert keras.layers.Dense(2).metrics == []


def test_random_fourier_features():
    kind = layers.experimental.RandomFourierFeatures
    layer = kind(4000, scale=1.5)
    points = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    features = layer(points).numpy()
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    np.testing.assert_allclose(features @ features.T * 2 / 4000, np.exp(-distances / 2 / 1.5**2), atol=0.1)
    assert [w.name.split("/")[-1] for w in layer.weights] == ["kernel_scale", "unscaled_kernel", "bias"]
    assert not layer.trainable_weights and kind(3, trainable=True).trainable
    wide = kind(4000, "laplacian")(points).numpy()
    expected = np.exp(-np.abs(points[:, None] - points[None]).sum(-1))
    np.testing.assert_allclose(wide @ wide.T * 2 / 4000, expected, atol=0.1)
    assert layers.deserialize(layers.serialize(layer)).get_config() == layer.get_config()
    with pytest.raises(ValueError, match="gaussian"):
        kind(3, "gausian")
