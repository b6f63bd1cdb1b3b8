"""`tf.queue`: what comes out beside TensorFlow; threads that wait; functions; errors."""

import threading

import numpy as np
import pytest

import dovetail as dv
from tests.support.parity import assert_same, outcome, plain, reference

PAIR = {"dtypes": ("int32", "float32"), "shapes": [[], [2]]}


def _queue(tf, kind, *args, **kwargs):
    for key in ("dtypes", "types"):
        if key in kwargs:
            kwargs[key] = [getattr(tf, name) for name in kwargs[key]]
    return getattr(tf.queue, kind)(*args, **kwargs)


def _in_order(tf):
    q = _queue(tf, "FIFOQueue", 5, **PAIR)
    q.enqueue([1, [1.0, 2.0]])
    q.enqueue((2, [3.0, 4.0]))
    q.enqueue_many([[5, 6], [[1.0, 2.0], [3.0, 4.0]]])
    found = [q.size(), q.dequeue(), q.dequeue_many(2), q.dequeue_up_to(1), q.dequeue_many(0)]
    return [*found, [kind.name for kind in q.dtypes], [shape.as_list() for shape in q.shapes]]


def _any_shape(tf):
    q = tf.queue.FIFOQueue(-1, tf.int32)
    for value in (5, [5], tf.constant([5, 6])):
        q.enqueue(value)
    return [q.dequeue() for _ in range(3)]


def _closed(tf):
    q = tf.queue.FIFOQueue(5, tf.int32, shapes=[[]])
    q.enqueue_many([[1, 2]])
    q.close()
    return [q.is_closed(), q.size(), q.dequeue_up_to(5)]


def _named(tf):
    q = _queue(tf, "FIFOQueue", 5, dtypes=("int32", "string"), names=["a", "b"], shapes=[[], []])
    q.enqueue({"a": 1, "b": "x"})
    q.enqueue_many({"a": [1, 2], "b": ["x", "y"]})
    first, rest = q.dequeue(), q.dequeue_many(2)
    return [first["a"], first["b"], rest["a"], rest["b"], q.names]


def _padded(tf):
    q = _queue(tf, "PaddingFIFOQueue", 9, dtypes=("int32", "string"), shapes=[[None], [None, 1]])
    q.enqueue([[1, 2], [["a"]]])
    q.enqueue([[], [["b"], ["c"]]])
    q.enqueue_many([[[1, 2]], [[["d"]]]])
    return [q.dequeue_many(2), q.dequeue()]


def _by_priority(tf):
    q = _queue(tf, "PriorityQueue", 10, types=("string",), shapes=[[]])
    q.enqueue([3, "c"])
    q.enqueue([1, "a"])
    q.enqueue_many([[2, 1], ["b", "aa"]])
    return [q.dequeue(), q.dequeue(), q.dequeue_many(2), [kind.name for kind in q.dtypes]]


def _shuffled(tf):
    q = _queue(tf, "RandomShuffleQueue", 10, 2, dtypes=("int32",), shapes=[[]], seed=1)
    q.enqueue_many([list(range(6))])
    first = [int(q.dequeue()) for _ in range(4)]
    q.close()
    return sorted([*first, *(int(q.dequeue()) for _ in range(2))])


@pytest.mark.parametrize(
    "program",
    [_in_order, _any_shape, _closed, _named, _padded, _by_priority, _shuffled],
)
def test_what_comes_out(program):
    assert_same(plain(program(dv)), plain(program(reference())))


def _one(tf, **kwargs):
    return tf.queue.FIFOQueue(3, tf.int32, **kwargs)


def _after_close(tf, use):
    q = _one(tf, shapes=[[]])
    q.enqueue(1)
    q.close()
    return use(q)


ERRORS = {
    "closed": lambda tf: _after_close(tf, lambda q: q.enqueue(1)),
    "too few": lambda tf: _after_close(tf, lambda q: q.dequeue_many(2)),
    "empty": lambda tf: _after_close(tf, lambda q: (q.dequeue(), q.dequeue())),
    "nothing up to": lambda tf: _after_close(tf, lambda q: (q.dequeue(), q.dequeue_up_to(2))),
    "several without shapes": lambda tf: (_one(tf).enqueue(1), _one(tf).dequeue_many(1)),
    "shape": lambda tf: _one(tf, shapes=[[2]]).enqueue([[1, 2, 3]]),
    "dtype": lambda tf: _one(tf).enqueue("a"),
    "count": lambda tf: _queue(tf, "FIFOQueue", 3, **PAIR).enqueue([1]),
    "list for names": lambda tf: _one(tf, names=["a"]).enqueue([1]),
    "keys": lambda tf: _one(tf, names=["a"]).enqueue({"b": 1}),
    "sizes": lambda tf: _queue(tf, "FIFOQueue", 3, dtypes=("int32", "int32"), shapes=[[], []]).enqueue_many(
        [[1, 2], [3]]
    ),
    "number of shapes": lambda tf: _one(tf, shapes=[[], []]),
    "unknown sizes": lambda tf: _one(tf, shapes=[[None]]),
    "number of names": lambda tf: _one(tf, names=["a", "b"]),
    "padding without shapes": lambda tf: tf.queue.PaddingFIFOQueue(3, [tf.int32], None),
    "no dtypes": lambda tf: tf.queue.FIFOQueue(3, []),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    kind, theirs = outcome(reference(), ERRORS[name])
    have, ours = outcome(dv, ERRORS[name])
    assert kind == have == "error"
    assert isinstance(ours, ValueError | TypeError | dv.errors.OpError)
    if type(theirs).__name__ in ("CancelledError", "OutOfRangeError"):
        assert type(ours).__name__ == type(theirs).__name__


def test_one_of_several_is_chosen():
    queues = [_one(dv), _one(dv)]
    assert dv.queue.QueueBase.from_list(1, queues) is queues[1]
    with pytest.raises(TypeError, match="dtypes"):
        dv.queue.QueueBase.from_list(0, [_one(dv), dv.queue.FIFOQueue(3, dv.float32)])
    with pytest.raises(TypeError, match="list of queues"):
        dv.queue.QueueBase.from_list(0, [1])


def test_threads_wait_for_each_other():
    """Three threads put in what two take out, through a queue with room for two."""
    queue = dv.queue.FIFOQueue(2, dv.int32, shapes=[[]])
    found: list[int] = []

    def put(start):
        for value in range(start, start + 20):
            queue.enqueue(value)

    def take():
        for _ in range(30):
            found.append(int(queue.dequeue()))

    threads = [threading.Thread(target=put, args=(100 * i,)) for i in range(3)]
    threads += [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == sorted(value for i in range(3) for value in range(100 * i, 100 * i + 20))


def test_closing_ends_waiting():
    queue = dv.queue.FIFOQueue(1, dv.int32)
    ended = []

    def wait(call):
        try:
            call()
        except dv.errors.OpError as error:
            ended.append(type(error).__name__)

    thread = threading.Thread(target=wait, args=(queue.dequeue,))
    thread.start()
    queue.close()
    thread.join(30)
    full = dv.queue.FIFOQueue(1, dv.int32)
    full.enqueue(1)
    other = threading.Thread(target=wait, args=(lambda: full.enqueue(2),))
    other.start()
    while not full._changed._waiters:
        pass
    full.close(cancel_pending_enqueues=True)
    other.join(30)
    assert ended == ["OutOfRangeError", "CancelledError"]


@pytest.mark.filterwarnings("ignore:tf.function")
def test_in_functions():
    queue = dv.queue.FIFOQueue(5, dv.int32, shapes=[[]])

    @dv.function
    def step(x):
        queue.enqueue(x)
        queue.enqueue(x + 1)
        return queue.dequeue() * 2, queue.size()

    np.testing.assert_array_equal(step(dv.constant(3)), [6, 1])
    np.testing.assert_array_equal(step(dv.constant(5)), [8, 2])
