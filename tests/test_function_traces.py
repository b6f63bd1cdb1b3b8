"""How often the Python code of a `tf.function` runs: programs that count, run on Dovetail and on TensorFlow."""

import numpy as np
import pytest

import dovetail


class Counted:
    """A `tf.function` that counts the runs of its Python code."""

    def __init__(self, tf, function, **options):
        self.runs, self._python = 0, function
        self._function = tf.function(self._counting, **options)

    def _counting(self, *args):
        self.runs += 1
        return self._python(*args)

    def __call__(self, *args):
        """Returns the result, and how often the Python code has run so far; of an error its class."""
        try:
            result = self._function(*args)
        except (ValueError, TypeError) as error:
            return [type(error) if type(error) in (ValueError, TypeError) else ValueError]
        return [np.asarray(result).tolist(), self.runs]


def _reduced(function, *calls):
    def program(tf):
        counted = Counted(tf, lambda *args: function(tf, *args), reduce_retracing=True)
        return [counted(*args) for args in (call(tf) for call in calls)]

    return program


def _slices(tf, count, whole=(5, 2)):
    shape = None if whole is None else tf.constant(whole)
    return tf.IndexedSlices(tf.ones([count, 2]), tf.range(count), shape)


def _by_number_of_rows(tf):
    counted = Counted(tf, lambda s: tf.reduce_sum(s.values))
    return [counted(_slices(tf, n, whole)) for n, whole in ((1, (5, 2)), (2, (5, 2)), (2, (6, 2)), (2, None))]


def _declared_rows(tf):
    spec = tf.IndexedSlicesSpec([None, 2], indices_dtype="int32", dense_shape_dtype="int32")
    counted = Counted(tf, lambda s: tf.reduce_sum(s.values), input_signature=[spec])
    return [counted(_slices(tf, n, whole)) for n, whole in ((1, (5, 2)), (2, (6, 2)), (2, None))]


def _guarded(tf, function, **options):
    """Returns a counted function of a variable that its first call makes."""
    kept = {}

    def guarded(x, *rest):
        if "v" not in kept:
            kept["v"] = tf.Variable(tf.ones([2]) * 3.0)
        return function(kept["v"], x, *rest)

    return Counted(tf, guarded, **options)


def _created(tf):
    counted = _guarded(tf, lambda v, x: x * v)
    return [counted(tf.ones([2])), counted(tf.ones([2])), counted(tf.ones([1, 2]))]


def _created_and_assigned(tf):
    counted = _guarded(tf, lambda v, x: v.assign_add(x) + 0.0)
    return [counted(tf.ones([2])), counted(tf.ones([2]))]


def _created_with_a_signature(tf):
    counted = _guarded(tf, lambda v, x: x * v[0], input_signature=[tf.TensorSpec([None])])
    return [counted(tf.ones([2])), counted(tf.ones([3]))]


def _created_in_a_call_inside(tf):
    inner = _guarded(tf, lambda v, x: x * v)
    outer = Counted(tf, lambda x: inner._function(x) + inner._function(x))
    return [outer(tf.ones([2])), outer(tf.ones([2])), inner.runs]


def _created_from_an_argument(tf):
    kept = {}

    def function(x):
        if "v" not in kept:
            kept["v"] = tf.Variable(x * 2.0)
        return kept["v"].assign_add(x) + 0.0

    counted = Counted(tf, function)
    return [counted(tf.constant(1.0)), counted(tf.constant(1.0))[:1]]


def _created_each_time(tf):
    kept = []

    def function(x):
        kept.append(tf.Variable(1.0))
        return x + kept[-1]

    return Counted(tf, function)(tf.constant(1.0))


def _created_and_dropped(tf):
    return Counted(tf, lambda x: x + tf.Variable(1.0))(tf.constant(1.0))


def _created_later(tf):
    kept = {}

    def function(x, late):
        if late and "v" not in kept:
            kept["v"] = tf.Variable(1.0)
        return x * kept["v"] if late else x

    counted = Counted(tf, function)
    return [counted(tf.constant(2.0), False), counted(tf.constant(2.0), True)]


PROGRAMS = {
    "IndexedSlices, rows": _by_number_of_rows,
    "IndexedSlices, declared": _declared_rows,
    "IndexedSlices, reduced": _reduced(
        lambda tf, x, s: tf.reduce_sum(x) + tf.reduce_sum(s.values),
        *(lambda tf, n=n: (tf.ones([2]), _slices(tf, n)) for n in (1, 2, 3, 4)),
    ),
    "ragged, reduced": _reduced(
        lambda tf, x: tf.reduce_sum(x),
        *(lambda tf, n=n: (tf.ragged.constant([[1.0], *[[2.0, 3.0]] * n]),) for n in (1, 2, 3)),
    ),
    "sparse, reduced": _reduced(
        lambda tf, x: tf.sparse.reduce_sum(x), *(lambda tf, n=n: (tf.sparse.eye(n),) for n in (2, 3, 4))
    ),
    "Python values, reduced": _reduced(
        lambda tf, x, k: tf.reduce_sum(x) * k,
        *(lambda tf, n=n, k=k: (tf.ones([n]), k) for n, k in ((2, 1), (3, 2), (3, 1), (4, 1), (4, 2))),
    ),
    "created": _created,
    "created and assigned": _created_and_assigned,
    "created, with a signature": _created_with_a_signature,
    "created in a call inside": _created_in_a_call_inside,
    "created from an argument": _created_from_an_argument,
    "created each time": _created_each_time,
    "created and dropped": _created_and_dropped,
    "created later": _created_later,
}


@pytest.mark.filterwarnings("ignore:tf.function")
@pytest.mark.parametrize("name", PROGRAMS)
def test_as_tensorflow(name):
    reference = pytest.importorskip("tensorflow")
    assert PROGRAMS[name](dovetail) == PROGRAMS[name](reference)
