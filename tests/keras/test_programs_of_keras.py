"""What programs of tf.keras rely on, found by running such programs beside it: numbers and names in the logs."""

import copy
import pickle

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.keras import backend as K
from dovetail.keras import layers
from tests.keras.pairs import close, pair, regression

X, Y = regression(20)

# ---- saturated outputs learn, because the cross-entropies find the logits

FAR = np.array([[30.0], [-25.0]], "float32")


def saturated(k, units, *tail, **options):
    model = k.Sequential([k.Input((1,)), k.layers.Dense(units, **options), *tail])
    kernel = np.array([[1.0, -1.0][:units]], "float32")
    model.set_weights([kernel, np.zeros(units, "float32")])
    return model


SATURATED = {
    "sigmoid": (lambda k: saturated(k, 1, activation="sigmoid"), "binary_crossentropy", [[0.0], [1.0]]),
    "sigmoid_layer": (
        lambda k: saturated(k, 1, k.layers.Activation("sigmoid")),
        "binary_focal_crossentropy",
        [[0.0], [1.0]],
    ),
    "softmax": (
        lambda k: saturated(k, 2, activation="softmax"),
        "categorical_crossentropy",
        [[0.0, 1.0], [1.0, 0.0]],
    ),
    "softmax_layer": (
        lambda k: saturated(k, 2, k.layers.Softmax()),
        "sparse_categorical_crossentropy",
        [1, 0],
    ),
}


@pytest.mark.parametrize("case", SATURATED)
def test_saturated_outputs_have_the_gradients_of_their_logits(case):
    build, loss, y = SATURATED[case]
    ours, theirs = pair(build)
    y = np.array(y)
    results = []
    for model in (ours, theirs):
        model.compile("sgd", loss)
        results.append([model.train_on_batch(FAR, y), model.test_on_batch(FAR, y), model.get_weights()])
    close(results[0], results[1], case)


@pytest.mark.parametrize("functional", [True, False])
def test_saturated_tensor_ops_learn_too_when_compiled(functional):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return tf.nn.softmax(self.dense(inputs), axis=1)

    x = keras.Input((1,))
    model = keras.Model(x, tf.nn.softmax(layers.Dense(2)(x))) if functional else Net()
    model(FAR)
    model.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.train_on_batch(FAR, np.array([1, 0])) == 55.0
    close(model.get_weights()[0], [[0.725, -0.725]])
    x = keras.Input((1,))
    model = keras.Model(x, tf.sigmoid(x * layers.Dense(1, kernel_initializer="ones")(x) / x))
    model.compile("sgd", K.binary_crossentropy)
    assert model.train_on_batch(FAR, np.array([[0.0], [1.0]])) == 27.5


def test_only_the_logits_of_the_right_activation_serve():
    logits = tf.constant([[30.0, -30.0]])
    wrong = keras.losses.categorical_crossentropy([[0.0, 1.0]], keras.activations.sigmoid(logits))
    right = keras.losses.categorical_crossentropy([[0.0, 1.0]], keras.activations.softmax(logits))
    other_axis = keras.losses.categorical_crossentropy(
        [[0.0, 1.0]], keras.activations.softmax(logits, axis=0)
    )
    assert float(wrong[0]) < 17 and float(other_axis[0]) < 17
    assert float(right[0]) == 60.0
    assert float(K.categorical_crossentropy([[0.0, 1.0]], keras.activations.softmax(logits))[0]) == 60.0
    assert K.binary_crossentropy([[0.0, 0.0]], keras.activations.sigmoid(logits)).numpy()[0, 0] == 30.0
    sparse = K.sparse_categorical_crossentropy([1], keras.activations.softmax(logits))
    assert float(sparse[0]) == 60.0


# ---- metrics


def test_a_metric_object_of_one_output_is_reported_once():
    x = keras.Input((4,))
    model = keras.Model(x, [layers.Dense(1, name="left")(x), layers.Dense(1, name="right")(x)])
    error = keras.metrics.MeanAbsoluteError(name="error")
    model.compile("sgd", ["mse", "mse"], metrics={"left": [error]})
    assert model.metrics_names == ["loss", "compile_metrics"] or "error" not in model.metrics_names
    history = model.fit(X, [Y, Y], verbose=0).history
    assert sorted(history) == ["left_error", "left_loss", "loss", "right_loss"]


def test_functions_as_metrics_get_targets_of_the_rank_of_the_predictions():
    def hits(y_true, y_pred):
        assert y_true.shape == y_pred.shape
        return tf.reduce_mean(tf.cast(tf.equal(y_true > 0, y_pred > 0), "float32"))

    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[hits])
    flat = model.evaluate(X, Y[:, 0], verbose=0)
    close(flat, model.evaluate(X, Y, verbose=0))


def test_the_metrics_of_a_compiled_model_inside_are_its_own():
    judge = keras.Sequential([keras.Input((2,)), layers.Dense(1, activation="sigmoid")])
    error = keras.metrics.MeanAbsoluteError()
    judge.compile("sgd", "binary_crossentropy", metrics=["accuracy", error])
    judge.train_on_batch(X[:, :2], (Y > 0).astype("float32"))
    x = keras.Input((4,))
    both = keras.Model(x, judge(layers.Dense(2)(x)))
    both.compile("sgd", "binary_crossentropy")
    loss = both.train_on_batch(X, np.ones((20, 1)))
    assert isinstance(loss, float) and loss > 0.1
    assert both.metrics_names == ["loss"] and len(judge.metrics) == 2


class Spread(layers.Layer):
    def call(self, inputs):
        self.add_metric(K.std(inputs), name="spread", aggregation="mean")
        return inputs


class Endpoint(layers.Layer):
    """A layer with a metric of its own, whose result it reports under another name, as in TensorFlow's guide."""

    def __init__(self):
        super().__init__()
        self.accuracy = keras.metrics.BinaryAccuracy()

    def call(self, targets, logits):
        self.add_loss(tf.reduce_mean(tf.square(targets - logits)))
        self.add_metric(self.accuracy(targets, logits), name="accuracy")
        return logits


def test_layers_report_metrics():
    model = keras.Sequential([keras.Input((4,)), Spread(), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(X, Y, batch_size=5, shuffle=False, verbose=0, validation_data=(X, Y)).history
    spread = [np.mean([np.std(X[i : i + 5]) for i in range(0, 20, 5)])]
    close([history["spread"], history["val_spread"]], [spread, spread])
    assert model.evaluate(X, Y, verbose=0, return_dict=True).keys() == {"loss", "spread"}


def test_models_report_metrics_of_symbolic_tensors():
    x = keras.Input((4,))
    inner = layers.Dense(3)(x)
    model = keras.Model(x, layers.Dense(1)(inner))
    model.add_loss(tf.reduce_mean(inner) * 0.0)
    model.add_metric(tf.reduce_sum(inner), name="total")
    model.compile("sgd", "mse")
    results = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert [type(loss).__name__ for loss in model.losses] == ["SymbolicTensor"]  # no call has left values
    close(results["total"], np.sum(X @ model.layers[1].get_weights()[0]), rtol=1e-4)
    assert results.keys() == {"loss", "total"}
    model(X)
    assert len(model.losses) == 1


def test_subclassed_models_report_metrics():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, inputs):
            outputs = self.dense(inputs)
            self.add_metric(outputs, name="level")
            return outputs

    model = Net()
    model.compile("sgd", "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    close(model.evaluate(X, Y, verbose=0, return_dict=True)["level"], np.mean(model.predict(X, verbose=0)))


def test_the_result_of_a_held_metric_is_not_reported_twice():
    targets, logits = keras.Input((1,)), keras.Input((1,))
    model = keras.Model([targets, logits], Endpoint()(targets, logits))
    model.compile("sgd")
    assert model.evaluate([Y, Y], verbose=0, return_dict=True).keys() == {"loss", "binary_accuracy"}
    copy.deepcopy(model.metrics[-1])


def test_what_add_metric_refuses():
    layer = layers.Layer()
    with pytest.raises(ValueError, match="needs a name"):
        layer.add_metric(1.0)
    with pytest.raises(ValueError, match="aggregation must be 'mean'"):
        layer.add_metric(1.0, name="a", aggregation="sum")
    with pytest.raises(TypeError, match="unknown arguments"):
        layer.add_metric(1.0, name="a", trainable=True)
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1)(x))
    with pytest.raises(ValueError, match="name"):
        model.add_metric(model.output)


# ---- sample weights, masks, history


def test_one_weight_a_sample_counts_for_all_steps_of_the_sample():
    values, weight = np.arange(6.0, dtype="float32").reshape(3, 2), np.array([1.0, 0.0, 2.0], "float32")
    loss = keras.losses.MeanSquaredError(reduction="none")
    zeros = np.zeros((3, 2, 1), "float32")
    got = loss(zeros, values[..., None], sample_weight=weight)
    close(got, values**2 * weight[:, None])
    model = keras.Sequential([keras.Input((3,), dtype="int32"), layers.Embedding(5, 1, mask_zero=True)])
    model.compile("sgd", "mse")
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    y = np.ones((2, 3, 1), "float32")
    first = model.evaluate(ids[:1], y[:1], verbose=0)
    close(model.evaluate(ids, y, sample_weight=np.array([1.0, 0.0]), verbose=0), first * 2 / 3, rtol=1e-4)


def test_masks_of_arrays_are_tensors():
    ids = np.array([[1, 0], [2, 3]])
    mask = layers.Embedding(5, 3, mask_zero=True).compute_mask(ids)
    assert mask.numpy().tolist() == [[True, False], [True, True]]
    steps = np.array([[[1.0], [0.0]]], "float32")
    assert layers.Masking().compute_mask(steps).numpy().tolist() == [[True, False]]


def test_history_answers_to_the_older_name_of_the_learning_rate():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25), "mse", metrics=["accuracy"])
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr / 2)
    history = model.fit(X, Y, epochs=2, callbacks=[schedule], verbose=0).history
    assert history["lr"] == history["learning_rate"] == [0.125, 0.0625]
    assert "lr" not in history and pickle.loads(pickle.dumps(history)) == history
    with pytest.raises(KeyError, match="Did you mean 'accuracy'"):
        history["acuracy"]


# ---- models


def test_a_stack_that_learned_its_shape_from_a_call_takes_other_lengths():
    stack = keras.Sequential([layers.Dense(3, activation="relu"), layers.Dense(2)])
    x = np.ones((2, 5, 4), "float32")
    long = stack(x)
    short = stack(x[:, :3])
    close(short, long[:, :3])
    assert tuple(stack.input_shape) == (None, None, 4) and len(stack.weights) == 4
    with pytest.raises(ValueError, match="axis"):
        stack(x[..., :3])
    close(stack(x), long)

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.stack = keras.Sequential([layers.Dense(3)])

        @tf.function
        def call(self, inputs):
            return self.stack(inputs)

    outer = Outer()
    assert [outer(x[:, :n]).shape[1] for n in (2, 5, 3)] == [2, 5, 3]
    declared = keras.Sequential([keras.Input((5, 4)), layers.Dense(3)])
    with pytest.raises(ValueError, match="expected shape"):
        declared(x[:, :3])


def test_compile_takes_metrics_third_as_in_keras_2():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    for third, fourth in ((["mae"], None), ("mae", None), (["mae"], [0.5]), ([0.5], ["mae"])):
        model.compile("sgd", "mse", third, fourth)
        assert model.evaluate(X, Y, verbose=0, return_dict=True).keys() == {"loss", "mae"}


@pytest.mark.parametrize("function", ["relu", "softmax", "sigmoid", "tanh", "gelu", "elu", "leaky_relu"])
def test_tensor_ops_as_activations_are_written_by_name(function):
    op = getattr(tf.nn, function)
    dense = layers.Dense(3, activation=op)
    assert dense.get_config()["activation"] == function
    again = layers.Dense.from_config(dense.get_config())
    close(again.activation(tf.constant(X)), op(tf.constant(X)))


# ---- steps that cannot be compiled


def kept(y_true, y_pred):
    mask = y_true > 0.0
    return tf.reduce_mean(tf.square(tf.boolean_mask(y_true, mask) - tf.boolean_mask(y_pred, mask)))


def through_numpy(y_true, y_pred):
    return tf.numpy_function(lambda a, b: np.float32(np.abs(a - b).mean()), [y_true, y_pred], tf.float32)


@pytest.mark.parametrize("loss, metrics", [(kept, ["mae"]), ("mse", [through_numpy])])
def test_steps_whose_shapes_depend_on_values_run_op_by_op(loss, metrics):
    results = []
    for run_eagerly in (True, False):
        model = keras.Sequential([keras.Input((4,)), layers.Dense(1, kernel_initializer="ones")])
        model.compile("sgd", loss, metrics=metrics, run_eagerly=run_eagerly)
        run = [
            lambda m=model: m.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0).history,
            lambda m=model: m.evaluate(X, Y, verbose=0),
            lambda m=model: [m.train_on_batch(X, Y), m.test_on_batch(X, Y), m.get_weights()],
        ]
        if run_eagerly:
            results.append([step() for step in run])
            continue
        with pytest.warns(UserWarning, match="op by op.*test_programs_of_keras.py"):
            results.append([step() for step in run])
    close(results[1], results[0])


def test_predictions_whose_shapes_depend_on_values_run_op_by_op():
    class Positive(keras.Model):
        def call(self, inputs):
            return tf.boolean_mask(inputs, inputs[:, 0] > 0.0)

    expected = X[X[:, 0] > 0.0]
    with pytest.warns(UserWarning, match="op by op"):
        close(Positive().predict(X, verbose=0), expected)
    with pytest.warns(UserWarning, match="op by op"):
        close(Positive().predict_on_batch(X), expected)
    with pytest.warns(UserWarning, match="op by op"):
        close(Positive().predict(X[:4], batch_size=3, verbose=0), X[:4][X[:4, 0] > 0.0])


def test_class_weights_do_not_count_in_validation():
    y = np.arange(20) % 2
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy")
    history = model.fit(X, y, validation_split=0.25, class_weight={0: 1.0, 1: 5.0}, verbose=0).history
    close(history["val_loss"], [model.evaluate(X[15:], y[15:], verbose=0)])
