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


def _variables(tf):
    return tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0]), tf.Variable([1.0, 2.0, 3.0])


def _assigned(tf):
    v, w, longer = _variables(tf)
    fixed, runs = tf.Variable([1.0, 2.0], trainable=False), [0]

    @tf.function
    def function(x):
        runs[0] += 1
        return x.assign_add(x * 2.0) * 2.0

    results = [(function(x).numpy().tolist(), runs[0]) for x in (v, w, v, longer, w, fixed)]
    return results, [x.numpy().tolist() for x in (v, w, longer, fixed)]


def _passed_twice(tf):
    v, w, _ = _variables(tf)
    runs = [0]

    @tf.function
    def function(a, b):
        runs[0] += 1
        a.assign_add([1.0, 1.0])
        return a + b

    pairs = ((v, w), (w, v), (v, v), (w, w), (v, w))
    return [(function(*pair).numpy().tolist(), runs[0]) for pair in pairs]


def _differentiated(tf):
    v, w, _ = _variables(tf)
    square = tf.function(lambda x: x * x)
    results = []
    for variable in (v, w, v):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(square(variable))
        results.append(tape.gradient(loss, variable).numpy().tolist())
    inner = tf.function(lambda a, b: _slopes(tf, a, b))
    return results, [[g.numpy().tolist() for g in inner(*pair)] for pair in ((v, w), (w, v))]


def _slopes(tf, a, b):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(a * a * b)
    return tape.gradient(loss, [a, b])


def _also_a_closure(tf, compiled):
    v, w, _ = _variables(tf)

    @compiled
    def function(x):
        v.assign_add([1.0, 1.0])
        return x + v

    return [function(x).numpy().tolist() for x in (v, w, v, w)], v.numpy().tolist()


def _in_an_object(tf, compiled):
    class Holder:
        def __init__(self, variable):
            self.variable = variable

    v, w, _ = _variables(tf)
    holder = Holder(v)

    @compiled
    def function(one, x):
        one.variable.assign_add([1.0, 1.0])
        return x + one.variable

    return [function(holder, x).numpy().tolist() for x in (v, w, tf.Variable([7.0, 7.0]), w)]


def _specs(tf):
    v, w, longer = _variables(tf)
    spec = tf.type_spec_from_value(v)
    again = type(spec)
    return (
        [repr(spec), repr(again([None], tf.float64, trainable=False))],
        [spec == again([2]), spec.is_compatible_with(w), spec.is_compatible_with(longer)],
        [again([None]).is_compatible_with(longer), spec.is_subtype_of(again([None]))],
        repr(spec.most_specific_common_supertype([again([3])])),
        [tuple(spec.shape), spec.dtype.name, spec.trainable, spec.alias_id],
    )


def _declared_variable(tf):
    spec = tf.type_spec_from_value(tf.Variable(1.0))
    try:
        tf.function(lambda x: x, input_signature=[spec])
    except TypeError as error:
        return type(error)


PROGRAMS = {
    "variables, assigned": _assigned,
    "variables, passed twice": _passed_twice,
    "variables, differentiated": _differentiated,
    "variables, their specs": _specs,
    "variables, declared": _declared_variable,
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


@pytest.mark.parametrize("program", [_also_a_closure, _in_an_object])
def test_variables_that_a_function_has_in_two_ways_are_what_they_are_in_eager_code(program):
    """Differs from TensorFlow, which takes the second call's argument for the closure's variable."""
    assert program(dovetail, dovetail.function) == program(dovetail, lambda function: function)


def test_a_trace_that_knows_its_variables_serves_no_others():
    """State that belongs to a variable, as an optimizer's does, is not that of another one."""
    tf, runs = dovetail, [0]
    v, w, _ = _variables(tf)
    slots = {id(v): tf.Variable([10.0, 10.0]), id(w): tf.Variable([20.0, 20.0])}

    @tf.function
    def function(x):
        runs[0] += 1
        return slots[id(x)].assign_add(x) + 0.0

    found = [function(x).numpy().tolist() for x in (v, w, v, w)]
    assert found == [[11.0, 12.0], [23.0, 24.0], [12.0, 14.0], [26.0, 28.0]] and runs == [2]


def test_a_trace_with_variables_of_its_own_is_shared_from_the_second_on():
    tf, runs = dovetail, [0]
    own = tf.Variable([0.0, 0.0])

    @tf.function
    def function(x):
        runs[0] += 1
        return own.assign_add(x) + 0.0

    found = [function(tf.Variable([n, n])).numpy().tolist() for n in (1.0, 2.0, 3.0, 4.0)]
    assert found == [[1.0, 1.0], [3.0, 3.0], [6.0, 6.0], [10.0, 10.0]] and runs == [2]
    assert function(own).numpy().tolist() == [20.0, 20.0] and runs == [3]
