"""`fit`, `evaluate` and `predict` on arrays: the numbers of Keras, compiled, eager and on the host engine."""

import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.settings import settings
from tests.keras.pairs import close, labels, mlp, one_hot, pair, peer, regression, same_weights

MODES = ("compiled", "eager", "host")


@pytest.fixture(params=MODES)
def mode(request):
    before = settings.engine
    settings.engine = "host" if request.param == "host" else before
    yield request.param
    settings.engine = before


X, Y = regression()
XC, YC = labels()
WEIGHT = np.linspace(0.2, 2.0, 70).astype("float32")
HELD = regression(30, seed=1)

# Name: (model, arguments of compile, arguments of fit).  x, y and epochs=3 are filled in.
FITS = {
    "plain": (mlp, {"loss": "mse"}, {"x": X, "y": Y}),
    "metrics": (mlp, {"loss": "mse", "metrics": ["mae", "mse"]}, {"x": X, "y": Y, "batch_size": 16}),
    "one_batch": (mlp, {"loss": "mse"}, {"x": X, "y": Y, "batch_size": 100}),
    "validation_data": (
        mlp,
        {"loss": "mae", "metrics": ["mse"]},
        {"x": X, "y": Y, "validation_data": HELD, "batch_size": 32},
    ),
    "validation_weights": (
        mlp,
        {"loss": "mse", "weighted_metrics": ["mae"]},
        {"x": X, "y": Y, "validation_data": (*HELD, WEIGHT[:30]), "validation_batch_size": 8},
    ),
    "validation_split": (
        mlp,
        {"loss": "mse", "metrics": ["mae"]},
        {"x": X, "y": Y, "validation_split": 0.25, "batch_size": 16},
    ),
    "validation_freq": (
        mlp,
        {"loss": "mse"},
        {"x": X, "y": Y, "validation_data": HELD, "validation_freq": 2, "epochs": 4},
    ),
    "sample_weight": (
        mlp,
        {"loss": "mse", "metrics": ["mae"], "weighted_metrics": ["mae"]},
        {"x": X, "y": Y, "sample_weight": WEIGHT},
    ),
    "split_and_weights": (
        mlp,
        {"loss": "mse"},
        {"x": X, "y": Y, "sample_weight": WEIGHT, "validation_split": 0.3},
    ),
    "binary": (
        lambda k: mlp(k, 1, "sigmoid"),
        {"loss": "binary_crossentropy", "metrics": ["accuracy"]},
        {"x": XC, "y": (YC > 0).astype("float32")},
    ),
    "sparse": (
        lambda k: mlp(k, 3, "softmax"),
        {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]},
        {"x": XC, "y": YC},
    ),
    "sparse_column": (
        lambda k: mlp(k, 3, "softmax"),
        {"loss": "sparse_categorical_crossentropy", "metrics": ["acc"]},
        {"x": XC, "y": YC[:, None]},
    ),
    "categorical": (
        lambda k: mlp(k, 3, "softmax"),
        {"loss": "categorical_crossentropy", "metrics": ["accuracy", "categorical_crossentropy"]},
        {"x": XC, "y": one_hot(YC)},
    ),
    "class_weight": (
        lambda k: mlp(k, 3, "softmax"),
        {"loss": "sparse_categorical_crossentropy", "weighted_metrics": ["accuracy"]},
        {"x": XC, "y": YC, "class_weight": {0: 0.5, 1: 2.0, 2: 1.0}},
    ),
    "class_weight_one_hot": (
        lambda k: mlp(k, 3, "softmax"),
        {"loss": "categorical_crossentropy"},
        {"x": XC, "y": one_hot(YC), "class_weight": {0: 0.5, 1: 2.0, 2: 1.0}},
    ),
    "initial_epoch": (mlp, {"loss": "mse"}, {"x": X, "y": Y, "initial_epoch": 1, "epochs": 3}),
    "float64": (mlp, {"loss": "mse"}, {"x": X.astype("float64"), "y": Y.astype("float64")}),
    "flat_targets": (mlp, {"loss": "mse", "metrics": ["mae"]}, {"x": X, "y": Y[:, 0]}),
    "regularized": (
        lambda k: mlp(
            k, kernel_regularizer="l2", bias_regularizer=k.regularizers.L1(0.1), activity_regularizer="l2"
        ),
        {"loss": "mse", "metrics": ["mae"]},
        {"x": X, "y": Y, "validation_data": HELD},
    ),
    "loss_and_metric_objects": (
        mlp,
        {
            "loss": lambda k: k.losses.Huber(delta=0.5),
            "metrics": lambda k: [
                k.metrics.MeanAbsoluteError(name="off"),
                k.metrics.RootMeanSquaredError(),
            ],
        },
        {"x": X, "y": Y},
    ),
    "loss_weights": (mlp, {"loss": "mse", "loss_weights": 0.5}, {"x": X, "y": Y}),
}


def arguments_of(k, arguments):
    return {name: value(k) if callable(value) else value for name, value in arguments.items()}


def trained(k, model, compiling, fitting, mode="compiled"):
    """Compiles and fits; returns the history."""
    model.compile(**{"optimizer": "sgd"} | arguments_of(k, compiling), run_eagerly=mode == "eager")
    return model.fit(**{"epochs": 3, "verbose": 0, "shuffle": False} | fitting)


@pytest.fixture(scope="module")
def references():
    return {}


@pytest.mark.parametrize("case", FITS)
def test_fit_gives_the_numbers_of_keras(case, mode, references):
    build, compiling, fitting = FITS[case]
    if case not in references:
        theirs = build(peer())
        start = theirs.get_weights()
        history = trained(peer(), theirs, compiling, fitting)
        references[case] = start, history.history, history.epoch, theirs.get_weights()
    start, numbers, epochs, end = references[case]
    ours = build(keras)
    ours.set_weights(start)
    history = trained(keras, ours, compiling, fitting, mode)
    close(history.history, numbers, case)
    assert history.epoch == epochs
    close(ours.get_weights(), end, "weights")


OPTIMIZERS = {
    "sgd": lambda k: k.optimizers.SGD(0.05),
    "momentum": lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True, clipvalue=0.05),
    "rmsprop": lambda k: k.optimizers.RMSprop(0.01, clipnorm=0.1),
    "adam": lambda k: k.optimizers.Adam(0.01, global_clipnorm=0.1),
    "adamw": lambda k: k.optimizers.AdamW(0.01, weight_decay=0.1),
    "schedule": lambda k: k.optimizers.Adam(k.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_five_steps_of_an_optimizer_inside_fit(optimizer):
    ours, theirs = pair(mlp)
    for k, model in ((keras, ours), (peer(), theirs)):
        model.compile(optimizer=OPTIMIZERS[optimizer](k), loss="mse")
        model.fit(X, Y, batch_size=14, epochs=1, verbose=0, shuffle=False)
    same_weights(ours, theirs)
    assert int(ours.optimizer.iterations.numpy()) == 5


# ---- architectures


def convolutional(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 2)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


def normalized(k):
    layers = k.layers
    x = k.Input((4,))
    y = layers.LayerNormalization()(layers.Dense(8, activation="gelu")(x))
    y = layers.BatchNormalization()(layers.Add()([y, layers.Dense(8, kernel_constraint="unit_norm")(x)]))
    return k.Model(x, layers.Dense(3, activation="softmax")(y))


def averaged_words(k):
    layers = k.layers
    return k.Sequential(
        [
            k.Input((5,)),
            layers.Embedding(6, 4, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3),
        ]
    )


def tagged_words(k):
    """One output a word; the mask leaves the padding out of loss and metrics."""
    layers = k.layers
    x = k.Input((5,))
    y = layers.Dense(6, activation="tanh")(layers.Embedding(6, 4, mask_zero=True)(x))
    return k.Model(x, layers.Dense(3, activation="softmax")(y))


RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(70, 8, 8, 2)).astype("float32")
WORDS = RNG.integers(0, 6, size=(70, 5))
TAGS = RNG.integers(0, 3, size=(70, 5))
CLASSES = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
LOGITS = CLASSES | {"loss": lambda k: k.losses.SparseCategoricalCrossentropy(from_logits=True)}

ARCHITECTURES = {
    "convolutional": (convolutional, CLASSES, {"x": IMAGES, "y": YC, "validation_split": 0.2}),
    "normalized": (normalized, CLASSES, {"x": X, "y": YC, "validation_split": 0.2}),
    # SGD: Keras on TensorFlow leaves rows of embeddings that a batch does not use out of other rules.
    "averaged_words": (averaged_words, LOGITS | {"optimizer": "sgd"}, {"x": WORDS, "y": YC}),
    "tagged_words": (
        tagged_words,
        CLASSES | {"optimizer": "sgd"},
        {"x": WORDS, "y": TAGS, "validation_split": 0.2},
    ),
}


@pytest.mark.code_of_users  # what differs in the last bit grows where maxima are chosen
@pytest.mark.parametrize("case", ARCHITECTURES)
def test_architectures_train_like_those_of_keras(case, mode, references):
    build, compiling, fitting = ARCHITECTURES[case]
    fitting = fitting | {"batch_size": 16}
    if case not in references:
        theirs = build(peer())
        start = theirs.get_weights()
        references[case] = start, trained(peer(), theirs, compiling, fitting).history, theirs.get_weights()
    start, numbers, end = references[case]
    ours = build(keras)
    ours.set_weights(start)
    close(trained(keras, ours, compiling, fitting, mode).history, numbers, case, rtol=1e-4, atol=1e-5)
    close(ours.get_weights(), end, "weights", rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_trains(policy, mode):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = mlp(keras)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    model.compile(keras.optimizers.Adam(0.02), "mse", run_eagerly=mode == "eager")
    losses = model.fit(X, Y, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.6 * losses[0]
    assert {w.dtype.name for w in model.weights} == {"float32"}
    kind = type(model.optimizer).__name__
    assert (kind == "LossScaleOptimizer") == (policy == "mixed_float16")


def test_options_of_compile_that_change_no_numbers():
    start, histories = mlp(keras).get_weights(), []
    for options in ({}, {"steps_per_execution": 4}, {"jit_compile": False}, {"weighted_metrics": []}):
        model = mlp(keras)
        model.set_weights(start)
        model.compile("sgd", "mse", **options)
        histories.append(model.fit(X, Y, epochs=2, shuffle=False, verbose=0).history)
    for history in histories[1:]:
        close(history, histories[0])


def test_averages_of_weights_take_their_place_at_the_end():
    ours, theirs = pair(mlp)
    for k, model in ((keras, ours), (peer(), theirs)):
        model.compile(k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
        model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    same_weights(ours, theirs)


# ---- evaluate, predict, single batches


def test_evaluate_and_predict_give_the_numbers_of_keras(mode):
    ours, theirs = pair(mlp)
    results = []
    for model in (ours, theirs):
        model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"], run_eagerly=mode == "eager")
        results.append(
            (
                model.evaluate(X, Y, verbose=0),
                model.evaluate(X, Y, batch_size=9, sample_weight=WEIGHT, verbose=0, return_dict=True),
                model.evaluate(X, Y, batch_size=16, steps=2, verbose=0),
                model.predict(X, verbose=0),
                model.predict(X[:3], verbose=0),
                model.predict(X, batch_size=16, steps=2, verbose=0),
                np.asarray(model(X)),
                model.predict_on_batch(X[:5]),
            )
        )
    close(*results)
    assert all(isinstance(value, float) for value in results[0][0])
    assert type(results[0][3]) is np.ndarray


def test_evaluate_of_a_model_without_metrics_is_a_number():
    ours, theirs = pair(mlp)
    ours.compile("sgd", "mse")
    theirs.compile("sgd", "mse")
    own = ours.evaluate(X, Y, verbose=0)
    assert isinstance(own, float)
    close(own, theirs.evaluate(X, Y, verbose=0))


def test_single_batches_give_the_numbers_of_keras(mode):
    ours, theirs = pair(lambda k: mlp(k, 3, "softmax"))
    results = []
    for model in (ours, theirs):
        model.compile(
            "adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=mode == "eager"
        )
        rows = []
        for start in (0, 20, 40):
            rows.append(model.train_on_batch(XC[start : start + 20], YC[start : start + 20]))
        rows.append(model.train_on_batch(XC[:20], YC[:20], class_weight={0: 1.0, 1: 3.0, 2: 0.1}))
        rows.append(model.train_on_batch(XC[:20], YC[:20], sample_weight=WEIGHT[:20]))
        model.reset_metrics()
        rows.append(model.test_on_batch(XC, YC))
        rows.append(model.test_on_batch(XC, YC, sample_weight=WEIGHT, return_dict=True))
        results.append(rows)
    close(*results)
    same_weights(ours, theirs)


def test_single_batches_can_continue_the_metrics():
    model = mlp(keras)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    first, second = model.train_on_batch(X[:35], Y[:35]), model.train_on_batch(X[35:], Y[35:])
    mean = pytest.approx((first + second) / 2)
    model.train_on_batch(X[:35], Y[:35])
    assert model.train_on_batch(X[35:], Y[35:], reset_metrics=False) == mean
    model.test_on_batch(X[:35], Y[:35])
    assert model.test_on_batch(X[35:], Y[35:], reset_metrics=False) == mean


def test_predict_needs_no_compile():
    assert mlp(keras).predict(X, verbose=0).shape == (70, 1)


def test_what_predict_returns_can_be_written_to():
    model = mlp(keras)
    for rows in (X[:1], X):
        result = model.predict(rows, verbose=0)
        result[:] = 0


# ---- shuffling


def shuffled_run(seed):
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.3)]
    model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    history = model.fit(X, Y, batch_size=16, epochs=3, verbose=0)
    return history.history["loss"], model.get_weights()


def test_a_seed_makes_training_repeat_bit_for_bit():
    first, second, other = shuffled_run(7), shuffled_run(7), shuffled_run(8)
    assert first[0] == second[0]
    for one, two in zip(first[1], second[1]):
        np.testing.assert_array_equal(one, two)
    assert first[0] != other[0]


def test_a_seed_set_before_jax_is_imported_counts():
    program = """
        import sys
        from tests.keras.test_training import shuffled_run
        assert "jax" not in sys.modules
        assert shuffled_run(7)[0] == shuffled_run(7)[0]
    """
    root = pathlib.Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, cwd=root, timeout=300)


def test_shuffling_changes_the_order_and_nothing_else():
    class Seen(keras.Model):
        def call(self, inputs):
            return inputs

        def train_step(self, data):
            x, y = data
            return {"sum": tf.reduce_sum(x), "first": x[0, 0]}

    x = np.arange(64, dtype="float32").reshape(64, 1)
    model = Seen()
    model.compile("sgd", "mse")
    history = model.fit(x, x, batch_size=64, epochs=5, verbose=0).history
    assert history["sum"] == [x.sum()] * 5
    assert len(set(history["first"])) > 1
    history = model.fit(x, x, batch_size=64, epochs=3, verbose=0, shuffle=False).history
    assert history["first"] == [0.0] * 3


# ---- verbosity


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (2, 4), (1, 4)])
def test_what_fit_prints(verbose, lines, capsys):
    model = mlp(keras)
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, verbose=verbose, validation_data=HELD)
    out = capsys.readouterr().out
    assert len(out.splitlines()) == lines
    if verbose:
        assert "Epoch 2/2" in out
        assert all(name in out for name in ("3/3", " loss: ", " mae: ", "val_loss: ", "val_mae: "))
        assert ("━" in out) == (verbose == 1)


def test_what_evaluate_and_predict_print(capsys):
    model = mlp(keras)
    model.compile("sgd", "mse")
    model.evaluate(X, Y)
    model.predict(X)
    out = capsys.readouterr().out
    assert out.count("3/3 ━") == 2
    assert "loss: " in out
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    assert capsys.readouterr().out == ""


# ---- errors


def test_what_fit_refuses():
    model = mlp(keras)
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(X, Y)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="70.*69|different numbers of samples"):
        model.fit(X, Y[:-1], verbose=0)
    with pytest.raises(ValueError, match="empty"):
        model.fit(X[:0], Y[:0], verbose=0)
    with pytest.raises(ValueError, match="sequential.*shape"):
        model.fit(np.ones((8, 5), "float32"), np.ones((8, 1), "float32"), verbose=0)
    with pytest.raises(ValueError, match="validation_split"):
        model.fit(X, Y, validation_split=1.5, verbose=0)
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(X, Y, batch_size=0, verbose=0)
    with pytest.raises(TypeError, match="callbacks"):
        model.fit(X, Y, callbacks=["nothing"], verbose=0)


def test_training_a_frozen_model_warns():
    model = mlp(keras)
    model.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.warns(UserWarning, match="no trainable weights"):
        model.fit(X, Y, verbose=0)
    close(model.get_weights(), before, rtol=0, atol=0)


def test_what_compile_refuses():
    model = mlp(keras)
    with pytest.raises(ValueError, match="'Adam'"):
        model.compile("adan", "mse")
    with pytest.raises(ValueError, match="mean_squared_error"):
        model.compile("adam", "mean_square_error")
    with pytest.raises(ValueError, match="accuracy"):
        model.compile("adam", "mse", metrics=["acuracy"])
    with pytest.raises(TypeError, match="metrics"):
        model.compile("adam", "mse", metric=["mae"])


def test_any_generator_of_numpy_shuffles():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(1))
        model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=4, verbose=0)
        drawn = np.random.random()
        np.random.set_bit_generator(np.random.PCG64(1))
        assert np.random.random() != drawn
    finally:
        np.random.set_bit_generator(before)
