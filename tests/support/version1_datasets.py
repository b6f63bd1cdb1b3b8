"""Programs of TensorFlow 1 with iterators over datasets; each takes the module, ours or TensorFlow."""

import numpy as np


def _failure(function):
    try:
        return function()
    except Exception as error:  # noqa: BLE001  the class is what is compared
        return type(error).__name__


def _all_of(tf, session, element):
    found = []
    while True:
        try:
            found.append(session.run(element))
        except tf.errors.OutOfRangeError:
            return found


def _handles(tf):
    v1 = tf.compat.v1
    handle = v1.placeholder(tf.string, [])
    element = v1.data.Iterator.from_string_handle(handle, tf.int64, []).get_next()
    once = v1.data.make_one_shot_iterator(tf.data.Dataset.range(3))
    begun = v1.data.make_initializable_iterator(tf.data.Dataset.range(10, 13))
    return handle, element, once.string_handle(), begun.string_handle(), begun.initializer


def sessions(tf):
    """Each session goes through the elements by itself."""
    v1 = tf.compat.v1
    once = v1.data.make_one_shot_iterator(tf.data.Dataset.range(3)).get_next()
    iterator = v1.data.make_initializable_iterator(tf.data.Dataset.range(3))
    element, found = iterator.get_next(), []
    same = iterator.initializer is iterator.initializer
    with v1.Session() as one, v1.Session() as two:
        found += [one.run(once), one.run(once), two.run(once), one.run(once)]
        one.run(iterator.initializer)
        found += [one.run(element), one.run(element), _failure(lambda: two.run(element))]
        two.run(iterator.initializer)
        one.run(iterator.initializer)
        found += [two.run(element), one.run(element), two.run(element)]
    with v1.Session() as third:
        found += [third.run(once), _failure(lambda: third.run(element))]
    return {"found": found, "same": same}


def handles(tf):
    """A handle is one of its session."""
    v1 = tf.compat.v1
    handle, element, once, begun, initializer = _handles(tf)
    found = []
    with v1.Session() as session:
        a, b = session.run([once, begun])
        found += [session.run(element, {handle: a}), _failure(lambda: session.run(element, {handle: b}))]
        session.run(initializer)
        found += [session.run(element, {handle: key}) for key in (b, a, session.run(once), b)]
        found.append(_failure(lambda: session.run(element, {handle: "nothing"})))
    with v1.Session() as session:
        found += [_failure(lambda key=key: session.run(element, {handle: key})) for key in (a, b)]
        found.append(session.run(element, {handle: session.run(once)}))
    return {"found": found}


def structures(tf):
    """An iterator of a structure takes datasets of that structure."""
    v1, data = tf.compat.v1, tf.data.Dataset
    iterator = v1.data.Iterator.from_structure(tf.int64, [])
    element = iterator.get_next(name="element")
    first, second = (iterator.make_initializer(data.range(*ends), name="begin") for ends in ((3,), (7, 9)))
    found = [element.name, first.name, second.name, _failure(lambda: iterator.initializer)]
    for wrong in (data.from_tensors(1.0), data.from_tensors(np.int64([1])), data.zip((data.range(2),))):
        found.append(_failure(lambda wrong=wrong: iterator.make_initializer(wrong)))
    with v1.Session() as one, v1.Session() as two:
        found.append(_failure(lambda: one.run(element)))
        one.run(first)
        two.run(second)
        found += [one.run(element), two.run(element)]
    return {"found": found}


def finalized(tf):
    """Initializing again adds nothing to the graph; monitored sessions run the initializers of tables."""
    v1 = tf.compat.v1
    iterator = v1.data.make_initializable_iterator(tf.data.Dataset.range(2))
    element = iterator.get_next()
    v1.add_to_collection(v1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    found = []
    for _ in range(2):
        with v1.train.MonitoredSession() as session:
            found.append(_all_of(tf, session, element))
    with v1.Session() as session:
        for _ in range(2):
            session.run(iterator.initializer)
            found.append(_all_of(tf, session, element))
    return {"found": found}


def in_branches_and_loops(tf):
    v1 = tf.compat.v1
    iterator = v1.data.make_one_shot_iterator(tf.data.Dataset.range(9))
    flag = v1.placeholder(tf.bool, [])
    either = tf.cond(flag, iterator.get_next, lambda: tf.constant(np.int64(-1)))
    summed = v1.while_loop(lambda a: a < 8, lambda a: a + iterator.get_next(), [np.int64(0)])
    with v1.Session() as session:
        return {
            "either": [session.run(either, {flag: f}) for f in (True, False, True)],
            "sum": session.run(summed),
        }


def captured(tf):
    """Functions of datasets use placeholders, constants and variables of the graph."""
    v1, data = tf.compat.v1, tf.data.Dataset
    p, rows = v1.placeholder(tf.int64, []), v1.placeholder(tf.float32, [None, 2])
    two, v = tf.constant(np.int64(2)), v1.get_variable("v", initializer=np.int64(3))
    drawn = v1.random_uniform([])

    class Shift:
        by = p

        def __call__(self, x):
            return x + self.by

    def doubled(x):
        if x > p:
            x = x * 2
        return x

    datasets = {
        "map": data.range(3).map(lambda x: x + p),
        "object": data.range(3).map(Shift()),
        "branch": data.range(9).map(doubled),
        "constant": data.range(3).map(lambda x: x + two),
        "filter": data.range(6).filter(lambda x: x > p),
        "flat_map": data.range(3).flat_map(lambda x: data.range(p)),
        "of_element": data.range(3).flat_map(lambda x: data.from_tensors(x * p)),
        "interleave": data.range(4).interleave(lambda x: data.range(x).map(lambda y: y + p), cycle_length=2),
        "batches": data.range(4).batch(2).map(lambda x: x * p),
        "variable": data.range(3).map(lambda x: x + v),
        "gather": data.range(2).map(lambda i: tf.gather(rows, i)),
        "take_while": data.range(4).take_while(lambda i: i < p),
        "scan": data.range(4).scan(np.int64(0), lambda state, i: (state + p, state + i)),
        "slices": data.from_tensor_slices(rows).map(lambda row: row * tf.cast(p, tf.float32)),
        "several": data.zip((data.range(3).map(lambda x: x + p), data.range(3))).map(lambda a, b: a * b),
        "parts": data.range(3).map(lambda x: {"a": x + p}).map(lambda part: part["a"]),
        "cached": data.range(3).map(lambda x: x + p, num_parallel_calls=2).cache().prefetch(1),
        "none": data.range(3).map(lambda x: x + 1).repeat(2),
    }
    reduced = data.range(4).reduce(np.int64(0), lambda a, b: a + b * p)
    draws = v1.data.make_initializable_iterator(data.range(3).map(lambda x: drawn))
    draw = draws.get_next()
    refused = _failure(lambda: v1.data.make_one_shot_iterator(data.range(3).map(lambda x: x + p)))
    found = {"refused": refused}
    with v1.Session() as session:
        for name, dataset in datasets.items():
            iterator = v1.data.make_initializable_iterator(dataset)
            element = iterator.get_next()
            session.run(v.initializer)
            session.run(iterator.initializer, {p: 2, rows: np.arange(4.0).reshape(2, 2)})
            found[name] = [_all_of(tf, session, element), str(v1.data.get_output_shapes(dataset))]
        session.run(draws.initializer)
        found["draws"] = len({float(x) for x in _all_of(tf, session, draw)})
        found["reduced"] = [session.run(reduced, {p: n}) for n in (1, 2)]
    return found


def of_variables(tf):
    """A function of a dataset reads a variable as its session has it."""
    v1 = tf.compat.v1
    v = v1.get_variable("v", initializer=np.int64(3))
    iterator = v1.data.make_initializable_iterator(tf.data.Dataset.range(5).map(lambda x: x + v))
    element, change, found = iterator.get_next(), v.assign_add(10), []
    with v1.Session() as one, v1.Session() as two:
        for session in (one, two):
            session.run(v.initializer)
        one.run(change)
        for session in (one, two):
            session.run(iterator.initializer)
        found += [session.run(element) for session in (one, two, two, one)]
    return {"found": found}


PROGRAMS = (*(sessions, handles, structures, finalized, in_branches_and_loops, captured, of_variables),)
