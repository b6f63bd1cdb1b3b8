"""Python's control flow on tensors: each function gives, eager and compiled, what plain Python gives."""

import functools
import gc
import threading
import types
import warnings

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras
from dovetail.base.errors import InaccessibleTensorError
from dovetail.function.autograph.convert import Converter
from dovetail.function.autograph.gate import ConversionWarning, converted


def absolute(x):
    if x < 0:
        return -x
    return x


def collatz(n):
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


def elif_chain(x):
    if x > 10:
        y = 1
    elif x > 5:
        y = 2
    elif x > 0 and x != 3:
        y = 3
    else:
        y = 4
    return y


def break_and_continue(n):
    total = i = 0
    while i < n:
        i += 1
        if i % 2 == 0:
            continue
        if i > 7:
            break
        total += i
    return total, i


def break_in_endless_loop(n):
    i = 0
    while True:
        if i * i > n:
            break
        i += 1
    return i


def break_in_python_loop(n):
    total = 0
    for i in range(6):
        if total > n:
            break
        total += i
    return total


def return_in_loop(n):
    i = 0
    while i < 20:
        if i * i >= n:
            return i
        i += 1
    return -1


def return_in_python_loop(n):
    for i in range(5):
        if i * i >= n:
            return i
    return -1


def nested_loops(n):
    pairs = 0
    a = 0
    while a < n:
        a += 1
        b = 0
        while b < a:
            b += 1
            if (a + b) % 3 == 0:
                continue
            if a * b > 12:
                break
            pairs += a * b
    return pairs


def range_of_argument(n):
    total = 0
    for i in range(n):
        total += i
    return total


def range_with_step(n):
    total = 0
    for i in range(n, 0, -2):
        total = total * 2 + i
    return total


def assigned_in_a_test(n):
    total = 0
    while (square := n * n) > total:
        total += 3
        if (rest := square - total) < 2 and rest != 1:
            total += rest
    return total, square


def none_before_a_loop(n):
    best = None
    for i in tf.range(0, 3 * n, 2):
        value = -((int(i) if isinstance(n, int) else i) - n) - 100
        if best is None or value > best:
            best = value
    return best


def none_before_a_while(n):
    last = None
    while n > 0:
        last = n * 2
        n -= 3
    return last


def steps_of_a_known_range(n):
    total = 0
    for i in tf.range(5, 0, -1):
        total = total * 2 + (int(i) if isinstance(n, int) else i) + n
    for i in tf.range(n - 1, -1, -1):
        total = total - (int(i) if isinstance(n, int) else i) * total
    return total


def chained(x):
    inside = 0
    if 2 <= x < 6 or not x < 9:
        inside = 1
    return inside


def conditional_expression(x):
    return (x * 2 if x > 3 else -x) + (1 if x == 3 else 0)


def unpacking(n):
    a, b = n * 0, n * 0 + 1
    while b < n:
        a, b = b, a + b
    return a, b


def local_function(n):
    def bump(x, by=2):
        if x > 4:
            return x - by
        return x + by

    total = n
    for _ in range(3):
        total = bump(total)
    return bump(total, by=1)


def changes_a_nonlocal(n):
    seen = 0

    def see(x):
        nonlocal seen
        if x > 2:
            seen += x

    see(n)
    see(n + 1)
    return seen


def dictionary(n):
    counts = {"odd": 0, "even": 0}
    while n > 0:
        if n % 2 == 0:
            counts["even"] += 1
        else:
            counts["odd"] += n
        n -= 1
    return counts["odd"] * 100 + counts["even"]


def recursion(n, depth=4):
    if depth == 0:
        return n
    if n % 2 == 0:
        n = n // 2
    return recursion(n + 1, depth - 1)


def with_try(n):
    try:
        if n > 3:
            n = n - 3
    finally:
        n = n * 2
    return n


def unused_in_one_branch(n):
    if n > 2:
        scratch = n * n
        n = scratch - 1
    return n


def keyword_calls(n):
    return elif_chain(x=n) + functools.partial(absolute)(x=-n) + max(n, 3) + min(n, 4) + abs(-n) + int(n > 2)


class Machine:
    limit = 5

    def __init__(self):
        self.__hidden = 2

    def step(self, n):
        while n < self.limit:
            n = n + self.__hidden
        return n

    def __call__(self, n):
        return self.step(n) if n < 4 else n


class Faster(Machine):
    def step(self, n):
        if n < 2:
            n = n * 3
        return super().step(n) + 1


def methods(n):
    machine = Faster()
    return machine.step(n) + machine(n) + Machine().step(n)


two_on_a_line = (lambda x: x + 1 if x > 3 else x, lambda x: x - 1 if x > 3 else x * 2)


def lambdas(n):
    first, second = two_on_a_line
    return first(n) * 10 + second(n)


CASES = [
    absolute,
    collatz,
    elif_chain,
    break_and_continue,
    break_in_endless_loop,
    break_in_python_loop,
    return_in_loop,
    return_in_python_loop,
    nested_loops,
    range_of_argument,
    range_with_step,
    assigned_in_a_test,
    none_before_a_loop,
    none_before_a_while,
    steps_of_a_known_range,
    chained,
    conditional_expression,
    unpacking,
    local_function,
    changes_a_nonlocal,
    dictionary,
    recursion,
    with_try,
    unused_in_one_branch,
    keyword_calls,
    methods,
    lambdas,
]


def values(result):
    return [int(x) for x in tf.nest.flatten(result)]


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_functions_give_what_python_gives(function):
    compiled = tf.function(function)
    for n in (1, 2, 3, 4, 5, 6, 9, 12):
        expected = values(function(n))
        assert values(function(tf.constant(n))) == expected, "eager"
        assert values(compiled(tf.constant(n))) == expected, f"compiled, for {n}"
    assert compiled.experimental_get_tracing_count() == 1
    assert not compiled._op_by_op


def random_program(rng, depth=0):
    """Returns lines of a program over the integers a, b, c, all of them kept small."""
    lines = []
    for _ in range(rng.integers(1, 4)):
        names = list(rng.permutation(["a", "b", "c"]))
        kind = rng.integers(0, 6 if depth < 2 else 2)
        test = f"{names[0]} % {rng.integers(2, 5)} {rng.choice(['==', '<', '>'])} {names[1]} % 3"
        body = ["    " + line for line in random_program(rng, depth + 1)] if kind > 1 else []
        if kind <= 1:
            lines.append(
                f"{names[0]} = ({names[1]} * {rng.integers(1, 4)} + {names[2]} - {rng.integers(0, 5)}) % 97"
            )
        elif kind <= 3:
            other = ["    " + line for line in random_program(rng, depth + 1)]
            lines += [f"if {test}:", *body, "else:", *other]
        else:
            name = f"i{depth}_{len(lines)}"
            end = rng.choice([f"if {test}:\n        break", f"if {test}:\n        continue", "pass"])
            lines += [
                f"{name} = 0",
                f"while {name} < c % 4:",
                f"    {name} += 1",
                *f"    {end}".split("\n"),
                *body,
            ]
    return lines


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_give_what_python_gives(seed, tmp_path):
    lines = random_program(np.random.default_rng(seed))
    path = tmp_path / "program.py"
    path.write_text(
        "def program(a, b, c):\n" + "".join(f"    {line}\n" for line in lines) + "    return a, b, c\n"
    )
    names = {}
    exec(compile(path.read_text(), str(path), "exec"), names)  # noqa: S102  a program of our own
    program = names["program"]
    compiled = tf.function(program)
    for given in ((1, 2, 3), (7, 5, 2), (0, 0, 0), (13, 44, 6)):
        assert values(compiled(*map(tf.constant, given))) == values(program(*given)), path.read_text()


def test_loops_over_rows_and_their_gradient():
    w = tf.Variable(0.5)

    @tf.function
    def fold(rows):
        state = tf.zeros([2])
        for row in rows:
            if tf.reduce_sum(row) > 0.0:
                state = tf.tanh(w * state + row)
            else:
                state = state - w * row
        return tf.reduce_sum(state)

    data = np.float32([[0.1, 0.3], [-0.5, 0.1], [0.7, -0.2]])
    with tf.GradientTape() as tape:
        y = fold(tf.constant(data))
    gradient = tape.gradient(y, w)

    def plain(weight):
        state = np.zeros(2)
        for row in data.astype(np.float64):
            state = np.tanh(weight * state + row) if row.sum() > 0 else state - weight * row
        return state.sum()

    np.testing.assert_allclose(y, plain(0.5), rtol=1e-5)
    np.testing.assert_allclose(gradient, (plain(0.5 + 1e-4) - plain(0.5 - 1e-4)) / 2e-4, rtol=1e-3)


def test_a_loop_that_gives_a_variable_its_first_value_must_run():
    @tf.function
    def last(n):
        for i in tf.range(n):
            square = i * i
        return square

    assert int(last(tf.constant(4))) == 9
    with pytest.raises(tf.errors.InvalidArgumentError, match="square"):
        last(tf.constant(0))
    assert int(last(tf.constant(2))) == 1


def test_what_is_collected_in_a_loop_of_the_program_cannot_be_used_after_it():
    @tf.function
    def doubled(x):
        items = []
        for row in x:
            items.append(row * 2)
        return tf.stack(items)

    with pytest.raises(InaccessibleTensorError, match=r"tf\.TensorArray"):
        doubled(tf.ones([3, 2]))


def only_in_one_branch(x):
    if x > 0:
        extra = x * 2
    return extra


def returns_in_one_branch(x):  # noqa: RET503
    if x > 0:
        return x


def dtype_by_branch(x):
    return tf.constant(1) if x > 0 else tf.constant(1.5)


def structure_by_branch(x):
    if x > 0:
        y = (x, x)
    else:
        y = x
    return y


def none_in_one_branch(x):
    y = None
    if x > 0:
        y = x
    return y


def dtype_in_loop(x):
    y = 1
    while x > 0:
        y = y / 2
        x -= 1
    return y


def grows_in_loop(x):
    items = []
    while x > 0:
        items.append(x)
        items = [*items, x]
        x -= 1
    return items


MISTAKES = [
    (only_in_one_branch, "'extra' must also be given a value in the else branch"),
    (returns_in_one_branch, "a value must be returned from all branches"),
    (dtype_by_branch, "int32 in the main branch and float32 in the else"),
    (structure_by_branch, "'y' has another structure in each branch"),
    (none_in_one_branch, "'y' has another structure in each branch"),
    (dtype_in_loop, "'y' has dtype int32 before the loop"),
    (grows_in_loop, "'items' changes its structure in the loop"),
]


@pytest.mark.parametrize(("function", "said"), MISTAKES, ids=lambda x: getattr(x, "__name__", ""))
def test_errors_name_the_variable_and_the_line(function, said):
    with pytest.raises((TypeError, ValueError)) as raised:
        tf.function(function)(tf.constant(1))
    first = function.__code__.co_firstlineno
    places = [f"{__file__}:{line}" for line in range(first, first + 9)]
    assert said in str(raised.value)
    assert any(place in str(raised.value) for place in places), str(raised.value)


def fails(x):
    if x > 0:
        y = x
    else:
        y = tf.matmul(x, x)
    return y


def test_tracebacks_show_the_users_lines():
    with pytest.raises(Exception, match="matmul") as raised:
        tf.function(fails)(tf.constant(1))
    found = [entry for entry in raised.traceback if str(entry.path) == __file__]
    assert found[-1].lineno + 1 == fails.__code__.co_firstlineno + 4
    assert f"{__file__}:{fails.__code__.co_firstlineno + 4}" in str(raised.value)


def test_what_has_no_source_runs_as_it_is_and_says_so_once():
    names = {}
    exec("def choose(x, flag):\n    if flag:\n        return x * 2\n    return x", names)  # noqa: S102
    choose = names["choose"]
    with pytest.warns(ConversionWarning, match="choose"):
        assert int(tf.function(lambda x: choose(x, True))(tf.constant(3))) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert int(tf.function(lambda x: choose(x, False))(tf.constant(3))) == 3


def test_generators_run_as_they_are():
    def items(n):
        yield from (range(n) if n else ())

    with pytest.warns(ConversionWarning, match="generators"):
        assert int(tf.function(lambda x: sum([x * i for i in items(4)]))(tf.constant(2))) == 12


def test_do_not_convert():
    plain = tf.autograph.experimental.do_not_convert(absolute)
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError, match="bool"):
        tf.function(lambda x: plain(x))(tf.constant(1))
    with pytest.raises(tf.errors.OperatorNotAllowedInGraphError, match="bool"):
        tf.function(absolute, autograph=False)(tf.constant(1))
    assert int(plain(tf.constant(-2))) == 2
    assert int(tf.function(absolute)(tf.constant(-2))) == 2


def test_functions_without_control_flow_are_returned_as_they_are():
    def straight(x):
        y = tf.nn.relu(tf.matmul(x, x)) + 1.0
        if y is None:
            return x
        with tf.GradientTape():
            return tf.reduce_sum(y)

    assert converted(straight) is straight
    assert converted(np.sum) is np.sum
    assert converted(tf.reduce_sum) is tf.reduce_sum
    layer = keras.layers.Dense(2)
    assert converted(layer) is layer
    assert converted(layer.call) == layer.call
    assert converted(absolute) is not absolute


def test_code_is_converted_once_and_forgotten_with_its_function():
    converter = Converter(types.SimpleNamespace(), frozenset(), lambda value: False)

    def make():
        names = {}
        exec("def made(x):\n    return x", names)  # noqa: S102
        return names["made"]

    kept = make()
    converter.known(kept)
    for _ in range(50):
        converter.known(make())
    gc.collect()
    assert len(converter._known) == 1


def test_threads_convert_at_once():
    found = []
    compiled = tf.function(collatz)

    def run(n):
        found.append((n, int(compiled(tf.constant(n)))))

    threads = [threading.Thread(target=run, args=(n,)) for n in (6, 7, 9, 27)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(n, collatz(n)) for n in (6, 7, 9, 27)]


def test_layers_train_steps_and_datasets_are_converted():
    class Fold(keras.layers.Layer):
        def call(self, x):
            while tf.reduce_max(x) > 1.0:
                x = x / 2.0
            return x

    layer = Fold()
    batch = np.float32([[4.0, 2.0]])
    model = keras.Model(inputs := keras.Input((2,)), layer(inputs))
    np.testing.assert_allclose(model.predict(batch, verbose=0), batch / 4)
    np.testing.assert_allclose(tf.function(layer)(tf.constant(batch)), batch / 4)
    steps = tf.data.Dataset.range(1, 8).map(collatz)
    assert [int(x) for x in steps] == [collatz(n) for n in range(1, 8)]


def test_bodies_of_control_flow_are_converted():
    @tf.function
    def run(n):
        steps = tf.while_loop(lambda i, m: m != 1, collatz_step, [0, n])[0]
        return steps, tf.cond(n > 3, lambda: elif_chain(n), lambda: absolute(-n))

    for n in (2, 3, 7):
        assert values(run(tf.constant(n))) == [collatz(n), elif_chain(n) if n > 3 else n]


def test_the_default_of_a_switch_and_of_a_case_is_converted():
    chosen = tf.function(
        lambda i, n: tf.switch_case(i, {0: lambda: n}, default=functools.partial(absolute, n))
    )
    first = tf.function(lambda n: tf.case([(n > 3, lambda: n * 10)], default=functools.partial(absolute, n)))
    for n in (-2, 2, 5):
        assert int(chosen(tf.constant(7), tf.constant(n))) == abs(n)
        assert int(first(tf.constant(n))) == (n * 10 if n > 3 else abs(n))


def test_a_step_of_a_loop_keeps_dtypes_and_counts_its_values():
    def halve(i, x):
        return i + 1, 0.5

    start = (tf.constant(0), tf.constant(1.0, tf.float64))

    def run():
        return tf.while_loop(lambda i, x: i < 2, halve, start)[1].dtype

    assert run() == tf.float64 and tf.function(run)() == tf.float64
    for way in (lambda f: f, tf.function):
        with pytest.raises(ValueError, match="body returned 1 tensors for 2 loop variables"):
            way(lambda: tf.while_loop(lambda i, x: i < 2, lambda i, x: i + 1, start))()


def collatz_step(i, n):
    if n % 2 == 0:
        n = n // 2
    else:
        n = 3 * n + 1
    return i + 1, n


def test_loops_over_datasets_in_functions():
    @tf.function
    def total(dataset):
        result = tf.constant(0, tf.int64)
        for i, item in enumerate(dataset):
            if item > 3:
                break
            result += item * i
        return result

    with pytest.warns(UserWarning, match="dataset"):
        assert int(total(tf.data.Dataset.range(10))) == 0 + 1 + 4 + 9
    assert int(total(tf.data.Dataset.range(3))) == 0 + 1 + 4


def test_asserts_and_prints(capfd):
    @tf.function
    def checked(x):
        assert x > 0, "must be positive"
        print("value", x)
        return x * 2

    assert int(checked(tf.constant(2))) == 4
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive"):
        checked(tf.constant(-2))
    assert int(checked(tf.constant(5))) == 10
    said = "".join(capfd.readouterr())
    assert "value 2" in said
    assert "value 5" in said


def test_loop_options():
    @tf.function
    def bounded(n):
        i = 0
        while i < n:
            tf.autograph.experimental.set_loop_options(maximum_iterations=5)
            i += 1
        return i

    assert [int(bounded(tf.constant(n))) for n in (2, 5, 50)] == [2, 5, 5]


def test_to_graph_and_to_code():
    graph = tf.autograph.to_graph(collatz)
    assert graph(27) == collatz(27)
    assert int(tf.function(graph, autograph=False)(tf.constant(27))) == collatz(27)
    assert "while_stmt" in tf.autograph.to_code(collatz)
    assert (
        int(tf.function(tf.autograph.to_graph(Machine.step), autograph=False)(Machine(), tf.constant(0))) == 6
    )


def test_an_assert_is_kept_by_functions_of_unknown_sizes():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def inverse(x):
        assert tf.reduce_min(x) > 0.0, "x must be positive"
        return 1.0 / x

    np.testing.assert_allclose(inverse(tf.constant([4.0])), [0.25])
    for bad in ([-1.0], [-1.0, 2.0]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="x must be positive"):
            inverse(tf.constant(bad))
    np.testing.assert_allclose(inverse(tf.constant([2.0, 4.0])), [0.5, 0.25])


def _signed(x):
    if tf.reduce_sum(x) > 0.0:
        return x * 2.0
    return -x


def _added(total, x):
    if x > 0.0:
        return total + x
    return total - x


# Functions that take users' functions, called where those are plain Python functions of a module.
TAKING_FUNCTIONS = {
    "map_fn": lambda x: tf.map_fn(_signed, x),
    "map_fn, partial": lambda x: tf.map_fn(functools.partial(_signed), x),
    "vectorized_map": lambda x: tf.vectorized_map(_signed, x),
    "scan": lambda x: tf.scan(_added, x, 0.0),
    "foldl": lambda x: tf.foldl(_added, x, 0.0),
    "foldr": lambda x: tf.foldr(_added, x),
    "while_loop": lambda x: tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, _signed(a)), [0, x])[1],
    "cond": lambda x: tf.cond(x[0] > 0.0, lambda: _signed(x), lambda: -x),
    "switch_case": lambda x: tf.switch_case(1, [lambda: x, lambda: _signed(x)]),
    "case": lambda x: tf.case([(x[0] > 9.0, lambda: x)], default=lambda: _signed(x)),
    "custom_gradient": lambda x: tf.custom_gradient(lambda v: (_signed(v), _signed))(x),
    "Dataset.map": lambda x: tf.data.Dataset.from_tensor_slices(x).map(_signed).reduce(0.0, _added),
}


@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
@pytest.mark.parametrize("name", TAKING_FUNCTIONS)
def test_functions_given_to_functions_pass_the_gate(name):
    function = TAKING_FUNCTIONS[name]
    x = tf.constant([1.0, -2.0, 3.0] * 4)
    expected = function(x).numpy()
    np.testing.assert_allclose(tf.function(function)(x), expected)
    np.testing.assert_allclose(tf.function(function, reduce_retracing=True)(x), expected)
    wide = tf.function(function, input_signature=[tf.TensorSpec([None])])
    np.testing.assert_allclose(wide(x), expected)
    if not name.startswith("Dataset"):
        with pytest.raises(tf.errors.OperatorNotAllowedInGraphError):
            tf.function(function, autograph=False)(x)


def _dataset(n=45, batch=2):
    return tf.data.Dataset.from_tensor_slices(np.arange(float(n), dtype="float32")).batch(batch)


def _summed(ds):
    total, count = tf.constant(0.0), 0
    for x in ds:
        total += tf.reduce_sum(x)
        count += 1
    return total, count


def _until(ds):
    total = tf.constant(0.0)
    for x in ds:
        if tf.reduce_max(x) > 42.0:
            break
        if tf.reduce_sum(x) < 30.0:
            continue
        total += tf.reduce_sum(x)
    return total


def _collected(ds):
    rows = []
    for x in ds:
        rows.append(x[0])
    return tf.stack(rows)


def _first_values(ds):
    for x in ds:
        last = x * 2.0
    return last


def _by_value(ds):
    total = tf.constant(0.0)
    for x in ds:
        total += float(x.numpy()[0]) if tf.executing_eagerly() else float(x[0])
    return total


@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
@pytest.mark.parametrize("function", [_summed, _until, _collected, _first_values, _by_value])
def test_loops_over_datasets_give_what_python_gives(function):
    expected = [np.asarray(part) for part in tf.nest.flatten(function(_dataset()))]
    traced = tf.function(function)
    for _ in range(2):
        found = tf.nest.flatten(traced(_dataset()))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.filterwarnings("ignore::dovetail.function.function.RetracingWarning")
def test_bodies_of_loops_over_datasets_are_compiled():
    weight, runs = tf.Variable(1.0), []

    def trained(x):
        runs.append(0)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x * weight - 2.0 * x) ** 2)
        weight.assign_sub(1e-4 * tape.gradient(loss, weight))
        return loss

    @tf.function
    def epoch(ds, step):
        total = tf.constant(0.0)
        for x in ds:
            total += step(x)
        return total

    expected = []
    for _ in range(2):
        expected.append(sum(float(trained(x)) for x in _dataset(101)))
    value = float(weight)
    weight.assign(1.0)
    runs.clear()
    found = [float(epoch(_dataset(101), trained)) for _ in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(float(weight), value, rtol=1e-5)
    assert len(runs) < 30  # of 102: the first elements of a kind, and one trace


# ---- what needs no conversion


class Dampened:
    """Holds what its methods call."""

    def __init__(self, layer):
        self.layer, self.bound = layer, 3.0

    def scaled(self, x):
        return tf.nn.relu(self.layer(x)) * self.bound

    def clipped(self, x):
        if tf.reduce_sum(x) > self.bound:
            return x * 0.5
        return x

    def both(self, x):
        return self.clipped(self.scaled(x))

    @staticmethod
    def doubled(x):
        return tf.add(x, x)


def _identity_layer():
    return keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)


dampened = Dampened(_identity_layer())
weight = tf.Variable(2.0)
optimizer = keras.optimizers.SGD(0.5)


def plain_helper(x):
    return tf.square(x) * weight


def branching_helper(x):
    return x * 2.0 if tf.reduce_sum(x) > 0 else x


def recursive_helper(x, n=2):
    return tf.cond(tf.constant(n > 0), lambda: recursive_helper(x, n - 1) if n else x, lambda: x)


def mutual_one(x):
    return mutual_other(x) if x is None else plain_helper(x)


def mutual_other(x):
    return mutual_one(x)


def calls_plain(x):
    return plain_helper(plain_helper(x))


def calls_method(x):
    return dampened.scaled(x)


def calls_static(x):
    return dampened.doubled(x) + Dampened.doubled(x)


def tapes(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(plain_helper(x))
    gradient = tape.gradient(loss, weight)
    optimizer.apply_gradients([(gradient, weight)])
    parts = []
    parts.append("loss {}".format(weight.name))  # noqa: UP032
    return loss


def nested_plain(x):
    def inner(y):
        return plain_helper(y)

    return inner(x) + tf.map_fn(lambda y: tf.abs(y), x)


NEEDLESS = (calls_plain, calls_method, calls_static, tapes, nested_plain, mutual_one, dampened.scaled)


@pytest.mark.parametrize("function", NEEDLESS, ids=lambda f: f.__name__)
def test_what_calls_only_what_needs_nothing_runs_as_it_is(function):
    assert converted(function) == function
    assert converted(functools.partial(function)).func == function


def calls_branching(x):
    return branching_helper(x)


def calls_branching_in_helpers(x):
    return plain_helper(calls_branching(x))


def calls_branching_method(x):
    return dampened.clipped(x)


def calls_method_that_calls(x):
    return dampened.both(x)


def calls_argument(f, x):
    return f(x)


def calls_attribute_of_result(x):
    return tf.identity(x).numpy()


def calls_after_a_choice(x):
    f = plain_helper
    if x is None:
        f = branching_helper
    return f(x)


def calls_new_object(x):
    return Dampened(_identity_layer()).clipped(x)


def calls_builtin_for_tensors(x):
    return abs(x) + plain_helper(len(x))


def spreads(x):
    return branching_helper(*[x])


NEEDY = (
    calls_branching,
    calls_branching_in_helpers,
    calls_branching_method,
    calls_method_that_calls,
    calls_argument,
    calls_attribute_of_result,
    calls_after_a_choice,
    calls_new_object,
    calls_builtin_for_tensors,
    spreads,
    recursive_helper,
    dampened.both,
    dampened.clipped,
)


@pytest.mark.parametrize("function", NEEDY, ids=lambda f: f.__name__)
def test_what_calls_what_needs_conversion_or_is_unknown_is_converted(function):
    assert converted(function) != function


def test_methods_of_global_objects_are_the_users_code():
    assert float(tf.function(calls_branching_method)(tf.constant([4.0]))[0]) == 2.0
    assert float(tf.function(calls_method_that_calls)(tf.constant([[4.0]]))[0, 0]) == 6.0


def _own_code(function):
    """Returns the code of a function as code of which nothing is known."""
    code = function.__code__
    return code.replace(co_consts=(*code.co_consts, object()))


def test_a_finding_is_looked_at_again_when_names_mean_something_else():
    names: dict = {}
    step = types.FunctionType(_own_code(calls_plain), names, "step")
    names["plain_helper"] = plain_helper
    outer = types.FunctionType(_own_code(calls_branching), {"branching_helper": step}, "outer")
    assert converted(step) is step
    assert converted(outer) is outer
    names["plain_helper"] = branching_helper
    assert converted(step) is not step
    assert converted(outer) is not outer
    assert float(tf.function(outer)(tf.constant([3.0]))[0]) == 12.0


def test_closures_of_one_code_are_told_apart():
    def make(helper):
        def step(x):
            return helper(x)

        return step

    first, second = make(plain_helper), make(branching_helper)
    assert converted(first) is first
    assert float(tf.function(second)(tf.constant([3.0]))[0]) == 6.0


def test_methods_are_told_apart_by_what_their_instance_holds():
    class Holder:
        def __init__(self, function):
            self.function = function

        def run(self, x):
            return self.function(x)

    plain, branching = Holder(plain_helper), Holder(branching_helper)
    assert converted(plain.run) == plain.run
    assert float(tf.function(branching.run)(tf.constant([3.0]))[0]) == 6.0
    plain.function = branching_helper
    assert float(tf.function(plain.run)(tf.constant([3.0]))[0]) == 6.0
