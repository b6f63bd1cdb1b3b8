"""Iterators that are kept and go on, elements that come in any order, and errors that name their element."""

import json
import time

import numpy as np
import pytest

import dovetail as tf
from tests.cases_data import CASES

Dataset = tf.data.Dataset
RESUMED = [
    case
    for case in CASES
    if case.name not in ("snapshot", "cache-in-a-file", "map-in-any-order", "from_list", "shuffle-cache")
]


def values(elements):
    return [[np.asarray(leaf).tolist() for leaf in tf.nest.flatten(element)] for element in elements]


@pytest.mark.parametrize("case", RESUMED, ids=lambda case: case.name)
def test_an_iterator_goes_on_where_it_was(case):
    """In the same dataset, and in one that is made anew, as another program would."""
    tf.random.set_seed(3)
    dataset = case.build(tf)
    list(dataset)  # orders of later passes are kept as well
    iterator = iter(dataset)
    head = [next(iterator), next(iterator)]
    state = json.loads(json.dumps(iterator.state()))
    rest = values(iterator)
    tf.random.set_seed(4)
    other = iter(case.build(tf))
    other.restore(state)
    assert values(other) == rest
    iterator.restore(state)
    assert values(iterator) == rest
    iterator.restore({**state, "num_taken": 0})
    assert values(iterator) == values(head) + rest


def test_a_state_of_another_dataset_is_refused():
    state = iter(Dataset.range(9).shuffle(9)).state()
    with pytest.raises(ValueError, match="another dataset"):
        iter(Dataset.range(9)).restore(state)


def test_what_is_taken_is_not_computed_again():
    calls = []

    def noted(i):
        calls.append(int(i))
        return i

    def made():
        noting = Dataset.range(40).map(lambda i: tf.py_function(noted, [i], tf.int64))
        return noting.batch(4).enumerate().prefetch(2)

    iterator = iter(made())
    head = [next(iterator) for _ in range(5)]
    assert [int(i) for i, _ in head] == [0, 1, 2, 3, 4]
    calls.clear()
    other = iter(made())
    other.restore({**iterator.state(), "num_taken": 5})
    number, batch = next(other)
    assert int(number) == 5 and batch.numpy().tolist() == [20, 21, 22, 23] and min(calls) >= 20


def slow_first(i):
    time.sleep(0.2 if int(i) == 0 else 0)
    return i


def test_elements_come_in_order_when_asked_and_as_they_are_ready_when_not():
    def numbers(**named):
        mapped = Dataset.range(8).map(
            lambda i: tf.py_function(slow_first, [i], tf.int64), num_parallel_calls=3, **named
        )
        return list(mapped.as_numpy_iterator())

    assert numbers() == numbers(deterministic=True) == list(range(8))
    assert sorted(numbers(deterministic=False)) == list(range(8)) and numbers(deterministic=False)[0] != 0
    options = tf.data.Options()
    options.deterministic = False
    free = Dataset.range(8).map(lambda i: tf.py_function(slow_first, [i], tf.int64), num_parallel_calls=3)
    assert list(free.with_options(options).prefetch(2).as_numpy_iterator())[0] != 0
    assert list(free.as_numpy_iterator()) == list(range(8))


@pytest.mark.parametrize("deterministic", [True, False, None])
def test_datasets_are_read_side_by_side(deterministic):
    def rows(n):
        return Dataset.range(3).map(lambda i: tf.py_function(slow_first, [n + i], tf.int64) + 0 * i)

    made = Dataset.range(0, 40, 10).interleave(rows, 2, 1, num_parallel_calls=2, deterministic=deterministic)
    found = list(made.as_numpy_iterator())
    in_turn = [0, 10, 1, 11, 2, 12, 20, 30, 21, 31, 22, 32]
    assert sorted(found) == sorted(in_turn)
    assert (found == in_turn) == (deterministic is not False)


STEPS = {
    "map": lambda ds, f: ds.map(f),
    "map in threads": lambda ds, f: ds.map(f, num_parallel_calls=2),
    "filter": lambda ds, f: ds.filter(lambda i: f(i) > -1),
    "take_while": lambda ds, f: ds.take_while(lambda i: f(i) > -1),
    "flat_map": lambda ds, f: ds.flat_map(lambda i: Dataset.from_tensors(f(i))),
    "interleave": lambda ds, f: ds.interleave(lambda i: Dataset.from_tensors(f(i)), 1),
}


@pytest.mark.parametrize("name", STEPS)
def test_errors_name_their_element(name):
    def checked(i):
        return tf.py_function(failing, [i], tf.int64)

    def failing(i):
        if int(i) == 5:
            raise ValueError("no five")
        return i

    with pytest.raises(Exception, match="no five") as caught:
        list(STEPS[name](Dataset.range(9), checked))
    assert any("element 5" in note for note in caught.value.__notes__)


# ---- processes, times, options


def doubled(n, text):
    if int(n) == 90:
        raise ValueError("no ninety")
    return 2 * n, tf.strings.upper(text)


def test_maps_in_processes_give_what_maps_give():
    rows = Dataset.from_tensor_slices((np.arange(40), ["é"] * 20 + ["b"] * 20))
    offset = tf.constant(3, tf.int64)
    mapped = rows.apply(tf.data.experimental.map_in_processes(doubled, 2))
    assert mapped.element_spec == rows.map(doubled).element_spec and len(mapped) == 40
    assert values(mapped.batch(7)) == values(rows.map(doubled).batch(7))
    inner = Dataset.range(85, 95).apply(
        tf.data.experimental.map_in_processes(lambda n: doubled(n + 0 * offset, tf.constant("x"))[0], 1)
    )
    iterator = iter(inner)
    assert [int(next(iterator)) for _ in range(5)] == [170, 172, 174, 176, 178]
    with pytest.raises(ValueError, match="element 5: .*no ninety"):
        next(iterator)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 1"):
        tf.data.experimental.map_in_processes(doubled, 0)


def test_a_report_tells_which_step_takes_long():
    def slow(i):
        time.sleep(0.01)
        return i

    made = (
        Dataset.range(10).filter(lambda i: i > 0).map(lambda i: tf.py_function(slow, [i], tf.int64)).batch(3)
    )
    report = tf.data.experimental.where_time_goes(made)
    times = {row.step.partition("(")[0]: row for row in report}
    assert times["Batch"].num_elements == 3 and times["Map"].num_elements == 9
    assert max(report, key=lambda row: row.own_s).step.startswith("Map")
    assert "share" in str(report) and "Batch" in str(report)
    assert values(made) == values(made)
    assert tf.data.experimental.where_time_goes(made.repeat(), 5)[0].num_elements == 5


WRONG = [
    ("", "deterministic", 3),
    ("", "autotune", 1),
    ("", "dataset_name", 4),
    ("", "framework_type", "x"),
    ("", "threading", None),
    ("", "experimental_external_state_policy", 1),
    ("threading", "private_threadpool_size", "a"),
    ("autotune", "enabled", 3),
    ("autotune", "cpu_budget", 1.5),
    ("experimental_optimization", "map_fusion", 1),
    ("experimental_distribute", "auto_shard_policy", 2),
]


@pytest.mark.parametrize(("group", "name", "value"), WRONG)
def test_options_of_another_type_are_refused(group, name, value):
    options = tf.data.Options()
    with pytest.raises(TypeError, match=f'"{name}" must be of type'):
        setattr(getattr(options, group) if group else options, name, value)
