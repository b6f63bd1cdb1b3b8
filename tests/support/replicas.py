"""Checks of `tf.distribute` and `keras.distribution` on four virtual devices; prints what each found, as JSON.

    python tests/support/replicas.py

Run in a process of its own: the devices are made before the first op.
"""

import contextlib
import copy
import functools
import json
import pickle
import threading
import traceback

import numpy as np

import dovetail as tf
from dovetail import keras
from dovetail.keras import layers

SUM, MEAN = tf.distribute.ReduceOp.SUM, tf.distribute.ReduceOp.MEAN
NONE, ADD, AVERAGE, FIRST = "none", "sum", "mean", "only_first_replica"
ROWS = np.random.RandomState(0)
X, Y = ROWS.randn(22, 6).astype("float32"), ROWS.randint(0, 3, 22)
CASES = {}  # name -> (function, what it gives); an error is given as "Type: part of the message"


def case(expected):
    def register(function):
        CASES[function.__name__] = function, expected
        return function

    return register


def mirrored(devices=2):
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(devices)])


def here():
    return tf.distribute.get_replica_context()


def number():
    """Returns 1 on the first replica, 2 on the second."""
    return tf.cast(here().replica_id_in_sync_group, tf.float32) + 1.0


def both_ways(strategy, step):
    """Runs a step on its own and in a `tf.function`."""
    return [plain(strategy.run(step)), plain(tf.function(lambda: strategy.run(step))())]


def plain(value):
    """Returns a structure as JSON holds it, a list for the values of replicas."""
    if isinstance(value, tf.distribute.DistributedValues) and not isinstance(value, tf.Variable):
        return [plain(each) for each in value.values]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return np.asarray(value).astype("float64").round(4).tolist()


# ---- variables: what replicas assign, and what is read then


def assigned(aggregation, synchronization, method):
    """Returns what replicas see that assign 1 and 2 to a variable that was 10, what is read outside, and the parts."""
    strategy = mirrored()
    with strategy.scope():
        variable = tf.Variable(10.0, aggregation=aggregation, synchronization=synchronization)

    def step():
        getattr(variable, method)(number())
        return variable.read_value() + 0.0

    inside = strategy.run(step)
    return [plain(inside), plain(variable.read_value()), plain(strategy.experimental_local_results(variable))]


def _assignments():
    own = {"assign": [1.0, 2.0], "assign_add": [11.0, 12.0], "assign_sub": [9.0, 8.0]}
    together = {
        (NONE, "auto"): own,
        (ADD, "auto"): {"assign": 3.0, "assign_add": 13.0, "assign_sub": 7.0},
        (AVERAGE, "on_write"): {"assign": 1.5, "assign_add": 11.5, "assign_sub": 8.5},
        (FIRST, "auto"): {"assign": 1.0, "assign_add": 11.0, "assign_sub": 9.0},
        (ADD, "on_read"): own,
        (AVERAGE, "on_read"): own,
        (FIRST, "on_read"): own,
    }
    read = {ADD: sum, AVERAGE: lambda parts: sum(parts) / 2}
    for (how, when), results in together.items():
        for method, found in results.items():
            parts = found if isinstance(found, list) else [found, found]
            outside = read[how](parts) if when == "on_read" and how in read else parts[0]
            yield how, when, method, [parts, outside, parts]


for _how, _when, _method, _expected in _assignments():
    CASES[f"{_method}_{_how}_{_when}"] = (
        lambda how=_how, when=_when, method=_method: assigned(how, when, method),
        _expected,
    )


@case("ValueError: synchronization=NONE")
def no_synchronization():
    with mirrored().scope():
        tf.Variable(1.0, synchronization=tf.VariableSynchronization.NONE)


@case([3, [3, 3]])
def a_counter_without_aggregation():
    strategy = mirrored()
    with strategy.scope():
        counter = tf.Variable(0, dtype=tf.int64)

    def step():
        counter.assign_add(1)

    compiled = tf.function(lambda: strategy.run(step))
    strategy.run(step), compiled(), compiled()
    return [int(counter), plain(strategy.experimental_local_results(counter))]


@case([[[2.0, 4.0], [2.0, 4.0]], [7.0, 7.0]])
def gradients_of_values_apart():
    strategy = mirrored()
    with strategy.scope():
        variable = tf.Variable(3.0)

    def step():
        variable.assign(number())
        with tf.GradientTape() as tape:
            loss = variable * variable
        return tape.gradient(loss, variable)

    found = both_ways(strategy, step)
    variable.assign(7.0)
    return [found, plain(strategy.experimental_local_results(variable))]


@case([[18.0, 36.0], [2.0, 4.0], [0.4, -0.4]])
def weights_clipped_after_each_step():
    strategy = mirrored()
    with strategy.scope():
        weights, optimizer = tf.Variable([3.0, -3.0]), keras.optimizers.SGD(0.1)

    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(weights * weights) * number()
        optimizer.apply_gradients([(tape.gradient(loss, weights), weights)])
        weights.assign(tf.clip_by_value(weights, -1.0, 1.0))
        return loss

    compiled = tf.function(lambda: strategy.run(step))
    return [plain(compiled()), plain(compiled()), plain(weights)]


@case([1.0, 2.0, 4.0])
def copies_are_apart():
    strategy = mirrored()
    with strategy.scope():
        counted = tf.Variable(1.0, synchronization="on_read", aggregation="sum")
        held = tf.Variable(1.0)
    clone, other = copy.deepcopy(counted), copy.deepcopy(held)
    strategy.run(lambda: clone.assign_add(1.0))
    other.assign(5.0)
    return [plain(held), plain(counted.read_value()), plain(clone.read_value())]


@case([False, "NONE", "AUTO", "ON_READ"])
def facts_of_variables():
    counted, other = tf.Variable(1.0, synchronization="on_read"), tf.Variable(1.0)
    return [
        counted.trainable,
        other.aggregation.name,
        other.synchronization.name,
        counted.synchronization.name,
    ]


@case([[5.0, 12.0], 3.4, 34.0, [10.0, 24.0]])
def writes_in_a_function_that_is_not_compiled():
    strategy = mirrored()
    with strategy.scope():
        mean = keras.metrics.Mean()
        total = tf.Variable(0.0, aggregation="sum")
        apart = tf.Variable(0.0)

    @tf.function
    def step(values):
        def inside(x):
            large = tf.boolean_mask(x, x > 1.0)
            mean.update_state(large)
            total.assign_add(tf.reduce_sum(large))
            apart.assign_add(tf.reduce_sum(large))
            return tf.reduce_sum(large)

        return strategy.run(inside, args=(values,))

    values = strategy.experimental_distribute_values_from_function(
        lambda c: tf.constant([1.0, 2.0, 3.0]) * (c.replica_id_in_sync_group + 1)
    )
    step(values)
    found = step(values)
    return [
        plain(found),
        plain(mean.result()),
        plain(total),
        plain(strategy.experimental_local_results(apart)),
    ]


# ---- collectives


@case([[11.0, 17.0], [11.0, 17.0]])
def gradient_of_all_reduce():
    def step():
        x = number()
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = here().all_reduce(SUM, x * x) * x
        return tape.gradient(y, x)

    return both_ways(mirrored(), step)


@case([[24.0, 60.0], [24.0, 60.0]])
def second_gradient_of_all_reduce():
    def step():
        x = number()
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = here().all_reduce(SUM, x * x * x) * x
            slope = tape.gradient(y, x)
        return outer.gradient(slope, x)

    return both_ways(mirrored(), step)


@case([[[0.0, 4.0], [16.0, 24.0]], [[0.0, 4.0], [16.0, 24.0]]])
def gradient_of_all_gather():
    def step():
        x = tf.fill([2], number())
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(here().all_gather(x * x, axis=0) * tf.range(4.0))
        return tape.gradient(y, x)

    return both_ways(mirrored(), step)


@case([[1.0, 2.0, 2.0], [1.0, 2.0, 2.0]])
def gather_of_unequal_shares():
    strategy = mirrored()
    shares = strategy.run(lambda: tf.fill([here().replica_id_in_sync_group + 1], number()))
    return [
        plain(strategy.gather(shares, axis=0)),
        plain(
            strategy.run(lambda: here().all_gather(tf.fill([int(here()._id) + 1], number()), axis=0)).values[
                1
            ]
        ),
    ]


@case({"a": 3.0, "b": [6.0, [2.0, 2.0]]})
def reduce_of_a_structure():
    strategy = mirrored()
    return plain(
        strategy.reduce(SUM, strategy.run(lambda: {"a": number(), "b": (number() * 2, tf.ones([2]))}))
    )


@case([[5.0, 5.0], [1.6667, 1.6667], 1.6667])
def reduce_along_axes():
    strategy = mirrored()
    x = strategy.run(lambda: tf.fill([here().replica_id_in_sync_group + 1, 2], number()))
    return [plain(strategy.reduce(op, x, axis)) for op, axis in ((SUM, 0), (MEAN, 0), ("mean", [0, 1]))]


@case("ValueError: different shapes")
def reduce_of_different_shapes():
    mirrored().run(lambda: here().all_reduce(SUM, tf.ones([int(here()._id) + 1, 2])))


@case("ValueError: a scalar has no axis 0")
def reduce_a_scalar_along_an_axis():
    strategy = mirrored()
    strategy.reduce(MEAN, strategy.run(number), axis=0)


@case("RuntimeError: replica 0 to the end, replica 1 to all_reduce")
def replicas_that_part():
    def step():
        if here().replica_id_in_sync_group == 1:
            here().all_reduce(SUM, number())

    mirrored().run(step)


@case("RuntimeError: cannot meet inside of a loop")
def meeting_in_a_loop():
    strategy = mirrored()

    @tf.function
    def call():
        def step():
            x = number()
            for _ in tf.range(2):
                x = here().all_reduce(SUM, x)
            return x

        return strategy.run(step)

    call()


@case("RuntimeError: outside of the function that Strategy.run calls")
def a_context_that_is_over():
    kept = []
    mirrored().run(lambda: kept.append(here()))
    kept[0].all_reduce(SUM, 1.0)


# ---- contexts, errors


@case("RuntimeError: inside of a replica")
def run_in_a_replica():
    strategy = mirrored()
    strategy.run(lambda: strategy.run(number))


@case("RuntimeError: reduce() is called inside of a replica")
def reduce_in_a_replica():
    strategy = mirrored()
    strategy.run(lambda: strategy.reduce(SUM, number(), axis=None))


@case("RuntimeError: Mixing different tf.distribute.Strategy objects")
def another_strategy():
    with mirrored().scope():
        mirrored().run(number)


@case(["second", ["step", "deep"], True])
def an_error_of_one_replica_after_a_meeting():
    strategy, cleaned = mirrored(), []

    def deep():
        raise LookupError("second")

    def step():
        try:
            here().all_reduce(SUM, number())
            if here().replica_id_in_sync_group == 1:
                deep()
            here().all_reduce(SUM, number())
        finally:
            cleaned.append(1)

    try:
        strategy.run(step)
    except LookupError as error:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        return [error.args[0], frames[-2:], len(cleaned) == 2 and threading.active_count() < 4]


@case(["objects", "objects"])
def what_is_no_tensor_stays():
    class Objects:
        pass

    found = mirrored().run(Objects).values
    return [type(each).__name__.lower() for each in found]


@case([4, 4, 1])
def devices_by_default():
    return [
        tf.distribute.MirroredStrategy().num_replicas_in_sync,
        tf.distribute.MirroredStrategy([]).num_replicas_in_sync,
        tf.distribute.experimental.CentralStorageStrategy().num_replicas_in_sync,
    ]


@case([15.0, 16.0, 17.0])
def strategies_in_threads():
    found = {}

    def work(index):
        strategy = mirrored()
        with strategy.scope():
            total = tf.Variable(float(index), aggregation="sum")
        for _ in range(5):
            strategy.run(lambda: total.assign_add(number()))
        found[index] = float(total)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[index] for index in range(3)]


# ---- data


@case([[[0, 1], [2, 3], [4, 5], [6]], [[7], [8], [9], []]])
def shares_of_batches():
    strategy = mirrored(4)
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.range(10).batch(7))
    return [[np.asarray(x).tolist() for x in strategy.experimental_local_results(e)] for e in data]


@case([[1.0, 2.0, 3.0, 4.0], [3.0, 5.0]])
def shares_of_sparse_batches():
    strategy = mirrored()
    rows = tf.data.Dataset.from_tensor_slices(tf.sparse.from_dense(np.diag([1.0, 2.0, 3.0, 4.0, 5.0]))).batch(
        4
    )
    sums = [
        strategy.run(tf.sparse.reduce_sum, args=(batch, 1))
        for batch in strategy.experimental_distribute_dataset(rows)
    ]
    totals = [strategy.run(tf.reduce_sum, args=(each,)) for each in sums]
    return [plain(strategy.gather(sums[0], axis=0)), [plain(totals[0])[0], plain(totals[1])[0]]]


@case([[2, None], [2, 3], [3.0, 5.0]])
def specs_of_shares():
    strategy = mirrored()
    ragged = tf.ragged.constant([[1.0], [2.0], [3.0], [2.0]])
    rows = tf.data.Dataset.from_tensor_slices((ragged, tf.zeros([4, 3]))).batch(4, drop_remainder=True)
    data = strategy.experimental_distribute_dataset(rows)

    @tf.function(input_signature=[data.element_spec])
    def totals(batch):
        return strategy.run(lambda x, _: tf.reduce_sum(x, axis=[0, 1]), args=batch)

    first, second = (spec._value_specs[0] for spec in data.element_spec)
    return [first.shape.as_list(), second.shape.as_list(), *(plain(totals(batch)) for batch in data)]


@case("ValueError: the strategy has 2 replicas, and a value of 4 replicas was given")
def values_of_another_strategy():
    mirrored().run(tf.square, args=(mirrored(4).run(number),))


@case([[16.0, 32.0], [[0.0, 1.0], [2.0, 3.0]]])
def iterators_in_functions():
    strategy = mirrored()
    data = tf.data.Dataset.range(10).batch(4, drop_remainder=True).repeat().prefetch(2)
    iterator = iter(strategy.experimental_distribute_dataset(data))

    @tf.function
    def several(iterator, n):
        total = tf.constant(0, tf.int64)
        for _ in tf.range(n):
            total += strategy.reduce(SUM, strategy.run(tf.reduce_max, args=(next(iterator),)), axis=None)
        return total

    found = [plain(several(iterator, tf.constant(n))) for n in (2, 4)]
    return [found, plain(next(iterator))]


# ---- training: as on one device


def classifier():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, activation="relu", name="up"),
            layers.Dense(4, activation="softmax", name="down"),
        ]
    )
    draw = np.random.RandomState(3)
    model.set_weights([draw.randn(*w.shape).astype("float32") * 0.3 for w in model.get_weights()])
    return model


def custom_loop(strategy, optimizer, size=8):
    """Trains as TensorFlow's tutorial does; returns losses, metrics and weights."""
    with strategy.scope():
        model, optimizer = classifier(), optimizer()
        per_row = keras.losses.SparseCategoricalCrossentropy(reduction="none")
        accuracy = keras.metrics.SparseCategoricalAccuracy()
        seen = keras.metrics.Mean()
    data = tf.data.Dataset.from_tensor_slices({"x": X, "y": Y}).batch(size).prefetch(1)
    data = strategy.experimental_distribute_dataset(data)

    def train(batch):
        with tf.GradientTape() as tape:
            guesses = model(batch["x"], training=True)
            loss = tf.nn.compute_average_loss(per_row(batch["y"], guesses), global_batch_size=size)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        accuracy.update_state(batch["y"], guesses)
        return loss

    def test(batch):
        seen.update_state(per_row(batch["y"], model(batch["x"])))
        return seen.result()

    train_all = tf.function(
        lambda batch: (
            strategy.reduce(SUM, strategy.run(train, args=(batch,)), axis=None)
            if strategy.num_replicas_in_sync > 1
            else strategy.run(train, args=(batch,))
        )
    )
    test_all = tf.function(lambda batch: strategy.run(test, args=(batch,)))
    losses = [float(train_all(batch)) for _ in range(2) for batch in data]
    inside = [strategy.experimental_local_results(test_all(batch)) for batch in data]
    assert len({float(each) for each in inside[-1]}) == 1, "a result differs between replicas"
    return [losses, float(accuracy.result()), float(seen.result()), float(inside[-1][0]), model.get_weights()]


LOOPS = {
    "clipped": lambda: keras.optimizers.Adam(0.1, global_clipnorm=0.1),
    "averaged": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2),
}
for _name, _optimizer in LOOPS.items():
    CASES[f"custom_loop_{_name}"] = (
        lambda optimizer=_optimizer: alike(
            custom_loop(tf.distribute.get_strategy(), optimizer), custom_loop(mirrored(), optimizer)
        ),
        True,
    )


def alike(one, many):
    """Returns True where two structures of numbers agree to 1e-4, else where they do not."""
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(many), strict=True)
    worst = max(float(np.max(np.abs(np.asarray(a) - np.asarray(b)))) for a, b in pairs)
    return worst < 1e-4 or worst


def fitted(around, compile_options=None, **options):
    """Returns history, evaluation, predictions of an odd number of rows, and weights."""
    with around():
        model = classifier()
        model.compile("adam", "sparse_categorical_crossentropy", **(compile_options or {}))
        history = model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0, **options).history
        evaluated = model.evaluate(X, Y, batch_size=8, verbose=0)
        guesses = model.predict(X[:5], batch_size=3, verbose=0)
    return [list(history.values()), evaluated, guesses, model.get_weights()]


@functools.cache
def on_one_device(name):
    return fitted(contextlib.nullcontext, **FITS[name])


def layouts():
    mesh = keras.distribution.DeviceMesh((2, 2), ["batch", "model"], [f"cpu:{i}" for i in range(4)])
    found = keras.distribution.LayoutMap(mesh)
    found["up/kernel"], found["up/bias"], found["down/kernel"] = (None, "model"), ("model",), ("model", None)
    return keras.distribution.ModelParallel(layout_map=found, batch_dim_name="batch")


FITS = {
    "plain": {"compile_options": {"metrics": ["accuracy"]}},
    "class_weight": {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}},
    "sample_weight": {"sample_weight": np.linspace(0, 1, 22)},
    "validation": {"validation_split": 0.3},
    "eager": {"compile_options": {"run_eagerly": True}},
    "steps": {"compile_options": {"steps_per_execution": 2}},
}
PLACES = {
    "mirrored": lambda: mirrored().scope(),
    "data_parallel": lambda: keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]).scope(),
    "model_parallel": lambda: layouts().scope(),
}
for _fit in FITS:
    for _place, _scope in PLACES.items():
        if _fit == "plain" or _place == "mirrored" or (_fit, _place) == ("eager", "model_parallel"):
            CASES[f"fit_{_fit}_{_place}"] = (
                lambda scope=_scope, fit=_fit: alike(on_one_device(fit), fitted(scope, **FITS[fit])),
                True,
            )


def fitted_on_datasets(strategy):
    """Returns weights after `fit` on datasets that are divided, and on ones that a function makes."""
    rows = tf.data.Dataset.from_tensor_slices((X, Y))
    with strategy.scope():
        model = classifier()
        model.compile("adam", "sparse_categorical_crossentropy")
    whole = strategy.experimental_distribute_dataset(rows.batch(7))
    made = strategy.distribute_datasets_from_function(
        lambda c: rows.batch(c.get_per_replica_batch_size(8)).repeat()
    )
    model.fit(whole, verbose=0)
    history = model.fit(made, steps_per_epoch=2, validation_data=whole, verbose=0).history
    return [list(history.values()), model.get_weights()]


@case(True)
def fit_on_distributed_datasets():
    return alike(fitted_on_datasets(tf.distribute.get_strategy()), fitted_on_datasets(mirrored()))


@case([["MirroredVariable", True], ["Variable", True], ["Variable", True]])
def copies_of_models():
    found = []
    for scope, remake in (
        (mirrored().scope, copy.deepcopy),
        (mirrored().scope, lambda model: pickle.loads(pickle.dumps(model))),
        (layouts().scope, lambda model: pickle.loads(pickle.dumps(model))),
    ):
        with scope():
            model = classifier()
            model.compile("adam", "sparse_categorical_crossentropy")
            other = remake(model)
            same = np.allclose(model.predict(X[:4], verbose=0), other.predict(X[:4], verbose=0), atol=1e-6)
            other.fit(X[:8], Y[:8], batch_size=8, verbose=0)
            kept = np.array_equal(model.get_weights()[0], classifier().get_weights()[0])
            found.append([type(other.weights[0]).__name__, same and kept])
    return found


@case([["up/kernel", [None, "model"]], ["up/bias", ["model"]], ["down/kernel", ["model", None]]])
def slots_lie_like_their_weights():
    with layouts().scope():
        model = classifier()
        model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
        model.fit(X[:8], Y[:8], batch_size=8, verbose=0)
        model.set_weights(model.get_weights())
    found = []
    for weight in model.weights[:3]:
        layout = weight._layout.axes
        slots = [v for v in model.optimizer.variables if weight.path.replace("/", "_") in v.path]
        assert len(slots) == 2 and all(slot._layout.axes == layout for slot in slots)
        assert weight.value._value.sharding.spec == slots[0].value._value.sharding.spec
        found.append(["/".join(weight.path.split("/")[-2:]), list(layout)])
    return found


@case("ValueError: there is no device 'cpu:77'")
def a_mesh_of_devices_that_are_not_there():
    with keras.distribution.DataParallel(devices=["cpu:77", "cpu:0"]).scope():
        classifier()


@case("ValueError: cannot be divided equally")
def a_weight_that_cannot_be_divided():
    with layouts().scope():
        layers.Dense(5, name="up").build((None, 3))


def found(function):
    try:
        return function()
    except Exception as error:  # noqa: BLE001  what was raised is what is looked at
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    print(json.dumps({name: found(function) for name, (function, _) in CASES.items()}))
