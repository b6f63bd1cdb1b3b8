"""The table of whole models that go into files and out of them: `build(keras, tf)` of either library."""

import numpy as np


def _raw(function, count=1, shape=(4,)):
    """Returns the builder of a model of raw ops: `function(tf, *inputs)`."""

    def build(k, tf):
        inputs = [k.Input(shape) for _ in range(count)]
        return k.Model(inputs if count > 1 else inputs[0], function(tf, *inputs))

    return build


RAW_OPS = {
    "operators": _raw(lambda tf, a, b: (a + 1.0) * b - (2.0 - a) / 3.0 + a**2, 2),
    "slices": _raw(lambda tf, a: a[:, 1:3] + a[:, :2]),
    "new axis": _raw(lambda tf, a: a[:, None, :]),
    "ellipsis": _raw(lambda tf, a: a[..., 0]),
    "concat": _raw(lambda tf, a, b: tf.concat([a, b], 1), 2),
    "stack": _raw(lambda tf, a, b: tf.stack([a, b], axis=1), 2),
    "reshape": _raw(lambda tf, a: tf.reshape(a, [-1, 2, 2])),
    "reduce": _raw(
        lambda tf, a: tf.reduce_mean(a, axis=1, keepdims=True) + tf.reduce_max(a, axis=1)[:, None]
    ),
    "where": _raw(lambda tf, a, b: tf.where(a > 0, a, b), 2),
    "cast": _raw(lambda tf, a: tf.cast(tf.cast(a, "int32"), "float32")),
    "matmul": _raw(lambda tf, a, b: tf.matmul(a, b, transpose_b=True), 2),
    "matmul of a constant": _raw(lambda tf, a: a @ tf.ones((4, 2))),
    "split": _raw(lambda tf, a: tf.split(a, 2, axis=1)),
    "unstack": _raw(lambda tf, a: tf.unstack(a, axis=1)[1]),
    "activations": _raw(lambda tf, a: tf.nn.relu(-a) + tf.sigmoid(a) + tf.nn.leaky_relu(a, 0.1)),
    "shape": _raw(lambda tf, a: tf.reshape(a, [tf.shape(a)[0], 2, 2])),
    "clip": _raw(lambda tf, a: tf.clip_by_value(a, 0.0, 1.0)),
    "pad and tile": _raw(lambda tf, a: tf.tile(tf.pad(a, [[0, 0], [1, 1]]), [1, 2])),
    "transpose": _raw(lambda tf, a: tf.transpose(a, [0, 2, 1]), 1, (3, 4)),
    "gather": _raw(lambda tf, a: tf.gather(a, [0, 2], axis=1)),
    "one_hot": _raw(lambda tf, a: tf.one_hot(tf.cast(a, "int32"), 3)),
    "squeeze": _raw(lambda tf, a: tf.squeeze(tf.expand_dims(a, 1), 1)),
    "top_k": _raw(lambda tf, a: tf.math.top_k(a, 2)[0]),
    "sort": _raw(lambda tf, a: tf.sort(a, direction="DESCENDING")),
    "resize": _raw(lambda tf, a: tf.image.resize(a, [4, 6]), 1, (3, 3, 2)),
    "logic": _raw(lambda tf, a, b: tf.cast(tf.logical_and(a > 0, tf.logical_not(b > 0)), "float32"), 2),
}


def branches(k, tf):
    layers = k.layers
    x = k.Input((6, 4), name="x")
    both = layers.Concatenate()(
        [layers.Conv1D(3, 2, padding="same", activation="relu")(x), layers.Conv1D(3, 1)(x[:, :6])]
    )
    summed = layers.Add()(
        [layers.Dense(5)(layers.BatchNormalization()(both)), layers.Dense(5, use_bias=False)(both)]
    )
    summed = layers.LayerNormalization()(layers.Dropout(0.5)(summed))
    return k.Model(x, [layers.Dense(1)(layers.Flatten()(summed)), layers.Dense(2)(summed)])


def nested(k, tf):
    layers = k.layers
    inner = k.Sequential(
        [k.Input((4,)), layers.Dense(3, name="d"), layers.BatchNormalization()], name="inner"
    )
    a = k.Input((4,))
    other = k.Model(a, layers.Dense(3)(a), name="other")
    a, b = k.Input((4,)), k.Input((4,))
    return k.Model([a, b], [layers.Add()([inner(a), other(b), inner(b)])])


def frozen(k, tf):
    layers = k.layers
    convolutions = [layers.Conv2D(3, 3), layers.BatchNormalization(), layers.Conv2D(2, 3)]
    base = k.Sequential([k.Input((6, 6, 2)), *convolutions], name="base")
    base.trainable = False
    image = k.Input((6, 6, 2))
    pooled = layers.GlobalAveragePooling2D()(base(image, training=False))
    return k.Model(image, layers.Dense(2)(pooled))


def dicts(k, tf):
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    return k.Model({"a": a, "b": b}, {"s": k.layers.Add()([a, b]), "d": k.layers.Dense(2, name="dd")(a)})


def shared(k, tf):
    dense, a = k.layers.Dense(4), k.Input((4,))
    return k.Model(a, dense(dense(k.layers.Dense(4)(a))))


def translating(k, tf):
    layers = k.layers
    source, target = k.Input((5, 4)), k.Input((6, 4))
    _, h, c = layers.LSTM(3, return_state=True)(source)
    return k.Model(
        [source, target],
        layers.Dense(2)(layers.LSTM(3, return_sequences=True)(target, initial_state=[h, c])),
    )


def masked(k, tf):
    words = k.Input((6,), dtype="int32")
    x = k.layers.Embedding(9, 4, mask_zero=True)(words)
    return k.Model(words, k.layers.Dense(1)(k.layers.Bidirectional(k.layers.GRU(3))(x)))


def attentive(k, tf):
    layers, x = k.layers, k.Input((5, 8))
    found = layers.MultiHeadAttention(2, 4)(x, x)
    return k.Model(
        x, layers.Dense(2)(layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x + found)))
    )


def frames(k, tf):
    layers = k.layers
    inner = k.Sequential([k.Input((4, 4, 2)), layers.Conv2D(3, 2), layers.Flatten()])
    return k.Sequential([k.Input((3, 4, 4, 2)), layers.TimeDistributed(inner), layers.LSTM(2)])


def penalized(k, tf):
    layers, penalty = k.layers, k.regularizers.L1L2(0.1, 0.2)
    first = layers.Dense(4, activation="swish", kernel_initializer=k.initializers.HeNormal(3))
    return k.Sequential(
        [k.Input((4,)), first, layers.Dense(2, kernel_regularizer=penalty, kernel_constraint="max_norm")]
    )


def normalized(k, tf):
    layer = k.layers.Normalization()
    layer.adapt(np.random.default_rng(0).random((9, 4)).astype("float32"))
    return k.Sequential([k.Input((4,)), layer, k.layers.Dense(2)])


def unet(k, tf):
    layers, image = k.layers, k.Input((8, 8, 2))
    wide = layers.Conv2D(3, 3, padding="same", activation="relu")(image)
    deep = layers.Conv2D(4, 3, padding="same")(layers.MaxPooling2D()(wide))
    joined = layers.Concatenate()([wide, layers.UpSampling2D()(deep)])
    return k.Model(image, layers.Conv2DTranspose(1, 2)(layers.Cropping2D(1)(layers.ZeroPadding2D(2)(joined))))


def cells(k, tf):
    return k.Sequential([k.Input((5, 4)), k.layers.RNN([k.layers.LSTMCell(3), k.layers.GRUCell(2)])])


def told_the_mask(k, tf):
    x, mask = k.Input((5, 4)), k.Input((5,), dtype="bool")
    return k.Model([x, mask], k.layers.LSTM(2)(x, mask=mask))


def mobile(k, tf):
    layers, image = k.layers, k.Input((8, 8, 3))
    x = image
    for size in (4, 6):
        x = layers.SeparableConv2D(size, 3, padding="same")(layers.DepthwiseConv2D(3, padding="same")(x))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    return k.Model(image, layers.Softmax()(layers.Dense(3)(layers.GlobalMaxPooling2D()(x))))


MODELS = {
    build.__name__: build
    for build in (
        *(branches, nested, frozen, dicts, shared, translating, masked, attentive, frames, penalized),
        *(normalized, unet, cells, told_the_mask, mobile),
    )
} | RAW_OPS


def inputs_of(k, model, seed=2):
    """Returns arrays for a model's inputs."""
    rng = np.random.default_rng(seed)

    def draw(tensor):
        dtype = np.dtype(getattr(tensor.dtype, "name", tensor.dtype))
        return rng.integers(0, 2 if dtype.kind == "b" else 9, (2, *tensor.shape[1:])).astype(dtype)

    return (
        {name: draw(one) for name, one in model.input.items()}
        if isinstance(model.input, dict)
        else ([draw(one) for one in model.input] if isinstance(model.input, list) else draw(model.input))
    )
