"""What `tf.function` and compiled control flow do: each function runs on TensorFlow and on Dovetail."""

import collections
import contextlib

import numpy as np


def traces_per_signature(tf):
    n = []

    @tf.function
    def f(x):
        n.append(1)
        return x + 1

    f(tf.constant(1.0))
    f(tf.constant(2.0))
    f(tf.constant([1.0, 2.0]))
    f(tf.constant([2.0, 2.0]))
    f(tf.constant(1))
    f(np.float32(3))
    return len(n)


def traces_per_python_value(tf):
    n = []

    @tf.function
    def f(x, k):
        n.append(1)
        return x + k

    f(tf.constant(1.0), 1.0)
    f(tf.constant(2.0), 1.0)
    f(tf.constant(1.0), 2.0)
    f(tf.constant(1.0), k=2.0)
    return len(n)


def defaults_and_keywords(tf):
    n = []

    @tf.function
    def f(x, k=3, *, m=True):
        n.append(1)
        return x * k if m else x

    return [
        f(tf.constant(1.0)),
        f(tf.constant(1.0), k=3),
        f(tf.constant(1.0), 3, m=True),
        f(k=3, x=tf.constant(1.0)),
        f(tf.constant(2.0), m=False),
        len(n),
    ]


def returns_none(tf):
    @tf.function
    def f(x):
        return None

    return f(tf.constant(1.0))


def passes(tf):
    @tf.function
    def f(x):
        pass

    return f(1)


def nested_result(tf):
    @tf.function
    def f(x):
        return 5, "a", [x, {"b": x * 2}], (x,), None

    return f(tf.constant(1.0))


def dict_argument(tf):
    @tf.function
    def f(d):
        return {k: v * 2 for k, v in d.items()}

    return f({"a": tf.constant(1.0), "b": tf.constant([2.0])})


def named_tuple(tf):
    P = collections.namedtuple("P", "a b")

    @tf.function
    def f(p):
        return P(p.b, p.a + 1)

    return f(P(tf.constant(1.0), tf.constant(2.0)))


def first_call_variables(tf):
    class M:
        def __init__(s):
            s.v = None

        @tf.function
        def __call__(s, x):
            if s.v is None:
                s.v = tf.Variable(2.0)
            return s.v.assign_add(x)

    m = M()
    m2 = M()
    return [m(tf.constant(1.0)), m(tf.constant(1.0)), m2(tf.constant(5.0)), m.v, m2.v]


def assigns(tf):
    v = tf.Variable(1.0)

    @tf.function
    def f(x):
        v.assign(v + x)
        return v.read_value()

    return [f(1.0), f(2.0), v]


def reads_and_writes(tf):
    v = tf.Variable([1.0, 2.0])

    @tf.function
    def f(x):
        v.assign_sub(x)
        a = v * 2
        v.assign(a)
        return a + v

    return [f(tf.constant([1.0, 1.0])), v]


def signature(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x * 2

    return [f([1.0, 2.0]), f(np.array([1.0], "float32")), f(tf.constant([1.0, 2.0, 3.0]))]


def signature_wrong_rank(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x * 2

    return f(tf.constant([[1.0]]))


def signature_wrong_dtype(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x * 2

    return f(tf.constant([1]))


def signature_too_many(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x * 2

    return f(tf.constant([1.0]), 2)


def signature_keyword(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x * 2

    return f(x=tf.constant([1.0]))


def signature_two(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)])
    def f(x, y):
        return x * tf.cast(y, tf.float32)

    return [f([1.0], 2), f([1.0], y=3)]


def signature_of_a_dict(tf):
    @tf.function(input_signature=[{"a": tf.TensorSpec([None], tf.float32)}])
    def f(d):
        return d["a"] * 2

    return f({"a": tf.constant([1.0])})


def signature_and_default(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x, k=3.0):
        return x * k

    return f([1.0])


def signature_empty(tf):
    @tf.function(input_signature=())
    def f():
        return tf.constant(3)

    return f()


def concrete_unknown_size(tf):
    @tf.function
    def f(x):
        return x * 2

    c = f.get_concrete_function(tf.TensorSpec([None], tf.float32))
    return [c(tf.constant([1.0, 2.0])), c(tf.constant([1.0]))]


def concrete_fixed_value(tf):
    @tf.function
    def f(x, k):
        return x * k

    c = f.get_concrete_function(tf.TensorSpec([2], tf.float32), 3.0)
    return c(tf.constant([1.0, 2.0]))


def concrete_two(tf):
    @tf.function
    def f(x, y):
        return x * y

    c = f.get_concrete_function(tf.TensorSpec([2], tf.float32), tf.TensorSpec([2], tf.float32))
    return [
        c(tf.constant([1.0, 2.0]), tf.constant([1.0, 2.0])),
        c(x=tf.constant([1.0, 2.0]), y=tf.constant([1.0, 2.0])),
    ]


def concrete_from_signature(tf):
    @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
    def f(x):
        return x * 2

    c = f.get_concrete_function()
    return c(tf.constant(2.0))


def raises(tf):
    @tf.function
    def f(x):
        raise ValueError("mine")

    return f(1.0)


def matmul_of_wrong_shapes(tf):
    @tf.function
    def f(x):
        return tf.matmul(x, x)

    return f(tf.ones((2, 3)))


def numpy_of_a_traced_tensor(tf):
    @tf.function
    def f(x):
        return x.numpy()

    return f(tf.constant(1.0))


def asarray_of_a_traced_tensor(tf):
    @tf.function
    def f(x):
        return np.asarray(x)

    return f(tf.constant(1.0))


def shapes_are_static(tf):
    @tf.function
    def f(x):
        return tf.range(x.shape[0]) + tf.shape(x)[0]

    return f(tf.constant([1.0, 2.0]))


def calls_another(tf):
    @tf.function
    def g(x):
        return x * 2

    @tf.function
    def f(x):
        return g(x) + g(g(x))

    return f(tf.constant(1.0))


def recursion(tf):
    @tf.function
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    return fib(10)


def boolean_mask(tf):
    @tf.function
    def f(x):
        return tf.boolean_mask(x, x > 0)

    return f(tf.constant([1.0, -1.0, 3.0]))


def unique(tf):
    @tf.function
    def f(x):
        return tf.unique(x)[0]

    return f(tf.constant([1.0, 1.0, 3.0]))


def where_indices(tf):
    @tf.function
    def f(x):
        return tf.where(x > 0)

    return f(tf.constant([1.0, -1.0, 3.0]))


def python_numbers(tf):
    f = tf.function(lambda x: x + 1)
    return [f(tf.constant(1)), f(1)]


def extra_arguments(tf):
    f = tf.function(lambda x, *a, **k: x + sum(a) + k.get("z", 0))
    return [f(tf.constant(1), 2, 3, z=4)]


def list_argument(tf):
    @tf.function
    def f(x):
        return x[0] + x[-1]

    return f(list(map(tf.constant, [1, 2, 3])))


def string_argument(tf):
    @tf.function
    def f(s):
        return s + "x"

    return f("a")


def one_hot(tf):
    @tf.function
    def f(x):
        return tf.one_hot(x, 3)

    return f(tf.constant([0, 2]))


def variable_argument(tf):
    v = tf.Variable(3.0)

    @tf.function
    def f(a):
        return a.assign_add(1.0)

    return [f(v), f(v), v]


def two_variable_arguments(tf):
    a = tf.Variable(3.0)
    b = tf.Variable(5.0)
    n = []

    @tf.function
    def f(v):
        n.append(1)
        return v * 2

    return [f(a), f(b), f(a), len(n) > 0]


def exception_keeps_variables(tf):
    v = tf.Variable(1.0)

    @tf.function
    def f():
        v.assign(5.0)
        raise ValueError("x")

    with contextlib.suppress(ValueError):
        f()
    return v


def returns_a_variable(tf):
    v = tf.Variable(1.0)

    @tf.function
    def f():
        return v

    return f()


def random_differs(tf):
    tf.random.set_seed(1)

    @tf.function
    def f():
        return tf.random.normal([2])

    a, b = f(), f()
    return bool(tf.reduce_all(a != b))


def type_test(tf):
    @tf.function
    def f(x):
        if isinstance(x, tf.Tensor):
            return x * 2
        return x * 3

    return [f(tf.constant(1)), f(1)]


def python_loop(tf):
    @tf.function
    def f(n):
        s = 0
        for i in range(n):
            s += i
        return tf.constant(s)

    return [f(3), f(4)]


def jit_compile(tf):
    @tf.function(jit_compile=True)
    def f(x):
        return x + 1

    return f(tf.constant(1))


def unknown_option(tf):
    @tf.function(foo=1)
    def f(x):
        return x + 1

    return f(tf.constant(1))


def too_many_arguments(tf):
    @tf.function
    def f(x):
        return x + 1

    return f(tf.constant(1), tf.constant(2))


def too_few_arguments(tf):
    @tf.function
    def f(x):
        return x + 1

    return f()


def wrong_keyword(tf):
    @tf.function
    def f(x):
        return x + 1

    return f(y=2)


def metadata(tf):
    @tf.function
    def f(x):
        "doc"
        return x + 1

    return [f.__name__, f.__doc__, callable(f.python_function)]


def no_gradient(tf):
    @tf.function
    def f(x):
        return tf.constant(1.0)

    x = tf.Variable(1.0)
    with tf.GradientTape() as t:
        y = f(x)
    return t.gradient(y, x)


def nested_tapes(tf):
    x = tf.Variable(2.0)

    @tf.function
    def f():
        with tf.GradientTape() as t2:
            with tf.GradientTape() as t:
                y = x**3
            g = t.gradient(y, x)
        return g, t2.gradient(g, x)

    return f()


def jacobian(tf):
    x = tf.Variable([1.0, 2.0])

    @tf.function
    def f():
        with tf.GradientTape() as t:
            y = x**3
        return t.jacobian(y, x)

    return f()


def gradient_descent(tf):
    x = tf.Variable(1.0)

    @tf.function
    def step():
        with tf.GradientTape() as t:
            y = (x - 3.0) ** 2
        x.assign_sub(0.1 * t.gradient(y, x))
        return y

    for _ in range(50):
        step()
    return round(float(x), 4)


def run_eagerly(tf):
    tf.config.run_functions_eagerly(True)
    n = []

    @tf.function
    def f(x):
        n.append(1)
        return x.numpy()

    r = [f(tf.constant(1.0)), f(tf.constant(1.0)), len(n)]
    tf.config.run_functions_eagerly(False)
    return r


def flag_argument(tf):
    @tf.function
    def f(x, training=False):
        return x * 2 if training else x

    return [f(tf.constant(1.0), training=True), f(tf.constant(1.0)), f(tf.constant(1.0), True)]


def methods(tf):
    class A:
        k = 2

        @tf.function
        def f(self, x):
            return x * self.k

        @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
        def g(self, x):
            return x * self.k

        @staticmethod
        @tf.function
        def h(x):
            return x * 7

        @classmethod
        def i(cls, x):
            return cls.k * x

    a = A()
    b = A()
    r = [a.f(tf.constant(1.0)), a.g(3.0), A.h(tf.constant(1)), b.f(x=tf.constant(4.0))]
    b.k = 5
    return r


def cond_eager(tf):
    return tf.cond(tf.constant(True), lambda: 1, lambda: 2)


def cond_python_bool(tf):
    return tf.cond(True, lambda: tf.constant(1), lambda: tf.constant(2))


def cond(tf):
    f = tf.function(lambda p: tf.cond(p, lambda: 1, lambda: 2))
    return [f(tf.constant(True)), f(tf.constant(False))]


def cond_structure(tf):
    f = tf.function(lambda p: tf.cond(p > 0, lambda: (p, {"a": p * 2}), lambda: (-p, {"a": p * 3})))
    return [f(tf.constant(2.0)), f(tf.constant(-2.0))]


def cond_constant_branch(tf):
    f = tf.function(lambda p: tf.cond(p > 0, lambda: p, lambda: 1))
    return [f(tf.constant(2.0)), f(tf.constant(-2.0))]


def cond_one_none(tf):
    f = tf.function(lambda p: tf.cond(p > 0, lambda: p, lambda: None))
    return [f(tf.constant(2.0)), f(tf.constant(-2.0))]


def cond_both_none(tf):
    f = tf.function(lambda p: tf.cond(p > 0, lambda: None, lambda: None))
    return [f(tf.constant(2.0)), f(tf.constant(-2.0))]


def cond_shapes_differ(tf):
    f = tf.function(lambda p: tf.cond(p > 0, lambda: tf.ones(2), lambda: tf.ones(3)))
    return [f(tf.constant(2.0)), f(tf.constant(-2.0))]


def cond_writes(tf):
    v = tf.Variable(0.0)

    @tf.function
    def f(p):
        def a():
            v.assign_add(10.0)
            return v + 1

        def b():
            return v + 2

        return tf.cond(p > 0, a, b)

    return [f(tf.constant(2.0)), f(tf.constant(-2.0)), v]


def cond_only_writes(tf):
    v = tf.Variable(0.0)

    @tf.function
    def f(p):
        tf.cond(p > 0, lambda: v.assign_add(10.0), lambda: v.assign_sub(1.0))
        return v.read_value()

    return [f(tf.constant(2.0)), f(tf.constant(-2.0)), v]


def cond_vector_predicate(tf):
    return tf.cond(tf.constant([True]), lambda: 1, lambda: 2)


def cond_needs_functions(tf):
    return tf.cond(tf.constant(True), 1, 2)


def switch(tf):
    return [tf.switch_case(tf.constant(i), [lambda: 10, lambda: 20]) for i in (0, 1, 2, -1, 7)]


def switch_compiled(tf):
    f = tf.function(lambda i: tf.switch_case(i, [lambda: 10, lambda: 20]))
    return [f(tf.constant(i)) for i in (0, 1, 2, -1, 7)]


def switch_default(tf):
    return [
        tf.switch_case(tf.constant(i), {0: lambda: 10, 1: lambda: 20}, default=lambda: -1)
        for i in (0, 1, 5, -1, 7)
    ]


def case_compiled(tf):
    f = tf.function(lambda x: tf.case([(x < 0, lambda: -1), (x > 10, lambda: 10)], default=lambda: 5))
    return [f(tf.constant(i)) for i in (-5, 3, 20)]


def case_eager(tf):
    x = tf.constant(3)
    return tf.case([(x < 0, lambda: -1), (x > 10, lambda: 10)], default=lambda: 5)


def case_none_true(tf):
    x = tf.constant(30)
    return tf.case([(x < 10, lambda: -1), (x < 1, lambda: 10)])


def while_eager(tf):
    return tf.while_loop(lambda i: i < 10, lambda i: [i + 3], [0])


def while_eager_two(tf):
    return tf.while_loop(lambda i, s: i < 10, lambda i, s: (i + 3, s * 2), (0, 1.0))


def while_compiled(tf):
    f = tf.function(
        lambda n: tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s * 2.0), (0, tf.ones(2)))
    )
    return [f(tf.constant(3)), f(tf.constant(0))]


def while_maximum(tf):
    f = tf.function(
        lambda n: tf.while_loop(
            lambda i, s: True, lambda i, s: (i + 1, s * 2.0), (0, 1.0), maximum_iterations=n
        )
    )
    return [f(tf.constant(3))]


def while_maximum_compiled(tf):
    f = tf.function(
        lambda: tf.while_loop(lambda i: True, lambda i: (i + 1,), [tf.constant(0)], maximum_iterations=5)
    )
    return f()


def while_dict(tf):
    f = tf.function(
        lambda n: tf.while_loop(
            lambda d: d["i"] < n, lambda d: ({"i": d["i"] + 1, "x": d["x"] * 2},), [{"i": 0, "x": 1.0}]
        )
    )
    return f(tf.constant(3))


def while_writes(tf):
    v = tf.Variable(0)

    @tf.function
    def f(n):
        def body(i):
            v.assign_add(i)
            return i + 1

        tf.while_loop(lambda i: i < n, body, [0])
        return v.read_value()

    return [f(tf.constant(5)), v]


def while_nested(tf):
    @tf.function
    def f(n):
        def outer(i, s):
            j, s = tf.while_loop(lambda j, s: j < i, lambda j, s: (j + 1, s + j), (0, s))
            return i + 1, s

        return tf.while_loop(lambda i, s: i < n, outer, (0, 0))

    return f(tf.constant(6))


def while_gradient(tf):
    x = tf.Variable(1.1)

    @tf.function
    def f(n):
        with tf.GradientTape() as t:
            y = tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x), (0, 1.0))[1]
        return y, t.gradient(y, x)

    return [[round(float(q), 4) for q in f(tf.constant(k))] for k in (0, 1, 5, 100)]


def while_gradient_outside(tf):
    x = tf.Variable(1.1)

    @tf.function
    def f(n):
        return tf.while_loop(lambda i, a: i < n, lambda i, a: (i + 1, a * x), (0, 1.0))[1]

    with tf.GradientTape() as t:
        y = f(tf.constant(5))
    return round(float(t.gradient(y, x)), 3)


def cond_gradient(tf):
    x = tf.Variable(2.0)

    @tf.function
    def f(p):
        with tf.GradientTape() as t:
            y = tf.cond(p, lambda: x * x, lambda: x * 3)
        return y, t.gradient(y, x)

    return [f(tf.constant(True)), f(tf.constant(False))]


def cond_second_derivative(tf):
    x = tf.Variable(2.0)

    @tf.function
    def f(p):
        with tf.GradientTape() as t2:
            with tf.GradientTape() as t:
                y = tf.cond(p, lambda: x * x * x, lambda: x * 3)
            g = t.gradient(y, x)
        return g, t2.gradient(g, x)

    return [f(tf.constant(True))]


def cond_gradient_outside(tf):
    x = tf.Variable(2.0)

    @tf.function
    def f(p):
        return tf.cond(p, lambda: x * x, lambda: x * 3)

    with tf.GradientTape() as t:
        y = f(tf.constant(True))
    return t.gradient(y, x)


def switch_gradient(tf):
    x = tf.constant(2.0)

    @tf.function
    def f(p, x):
        with tf.GradientTape() as t:
            t.watch(x)
            z = x * 1.0
            y = tf.switch_case(p, [lambda: z * z, lambda: z * 3, lambda: tf.constant(1.0)])
        return t.gradient(y, x)

    return [f(tf.constant(i), x) for i in range(3)]


def map_fn(tf):
    f = tf.function(lambda x: tf.map_fn(lambda a: a * 2, x))
    return f(tf.constant([1.0, 2.0]))


def scan(tf):
    f = tf.function(lambda x: tf.scan(lambda a, b: a + b, x))
    return f(tf.constant([1.0, 2.0, 4.0]))


def vectorized_map(tf):
    f = tf.function(lambda x: tf.vectorized_map(lambda a: a * 2, x))
    return f(tf.constant([1.0, 2.0]))


def foldl(tf):
    f = tf.function(lambda x: tf.foldl(lambda a, b: a + b, x))
    return f(tf.constant([1.0, 2.0]))


def py_function(tf):
    def g(x):
        return x * 2 + np.float32(1)

    f = tf.function(lambda x: tf.py_function(g, [x], tf.float32))
    return f(tf.constant([1.0, 2.0]))


def numpy_function(tf):
    f = tf.function(lambda x: tf.numpy_function(lambda a: np.sort(a), [x], tf.float32))
    return f(tf.constant([3.0, 1.0, 2.0]))


def tensor_array(tf):
    @tf.function
    def f(x):
        ta = tf.TensorArray(tf.float32, size=3)
        for i in range(3):
            ta = ta.write(i, x * i)
        return ta.stack()

    return f(tf.constant(2.0))


def tensor_array_in_a_loop(tf):
    @tf.function
    def f(n):
        ta = tf.TensorArray(tf.float32, size=3)

        def body(i, ta):
            return i + 1, ta.write(i, tf.cast(i, tf.float32) * 2)

        _, ta = tf.while_loop(lambda i, t: i < n, body, (0, ta))
        return ta.stack()

    return f(tf.constant(3))


def strings_in_branches(tf):
    f = tf.function(lambda x: tf.cond(x > 0, lambda: tf.constant("pos"), lambda: tf.constant("neg")))
    return f(tf.constant(1)), f(tf.constant(-1))


def strings_in_cases(tf):
    def pick(x):
        return tf.case([(x < 0, lambda: "neg"), (x > 0, lambda: "pos")], default=lambda: "zero")

    f = tf.function(pick)
    return f(tf.constant(1)), f(tf.constant(0))


def strings_chosen(tf):
    f = tf.function(lambda x: (tf.where(x > 0, "pos", "neg"), tf.gather(["a", "b"], tf.abs(x))))
    return f(tf.constant([1, -1]))


def strings_in_a_loop(tf):
    @tf.function
    def f(n):
        return tf.while_loop(lambda i, s: i < n, lambda i, s: (i + 1, s + "a"), (0, tf.constant("")))[1]

    return f(tf.constant(3))


def python_values_of_a_function_with_strings(tf):
    f = tf.function(lambda s, i: {"text": s + "!", "number": 3, "word": "w"})
    return f(tf.constant("a"), tf.constant(1))


def no_branches(tf):
    return tf.function(lambda i: tf.switch_case(i, []))(tf.constant(0))


def printed_signatures(tf):
    @tf.function
    def double(a, times=2):
        return {"y": a * times}

    double(tf.constant(1))
    double(tf.constant([1.0]), times=3)
    return double.pretty_printed_concrete_signatures().count("TensorSpec")


def printed_concrete_function(tf):
    return str(tf.function(lambda a: a * 2).get_concrete_function(tf.TensorSpec([2], tf.float32)))


def formatted_string(tf):
    return tf.function(lambda x: tf.strings.format("x = {}", x))(tf.constant([1, 2]))


def long_map(tf):
    w, x = tf.Variable(2.0), tf.reshape(tf.range(40.0), [20, 2])

    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.map_fn(lambda row: tf.reduce_sum(row**2) * w, x)
        return y, tape.gradient(y, [x, w])

    return f(x)


def long_map_of_structures(tf):
    x = tf.range(20.0)
    f = tf.function(
        lambda x: tf.map_fn(
            lambda p: (p[0] * p[1], tf.cast(p[1], tf.int32)),
            (x, x),
            fn_output_signature=(tf.float32, tf.int32),
        )
    )
    return f(x)


def long_map_over_indices(tf):
    x = tf.reshape(tf.range(40.0), [20, 2])
    f = tf.function(lambda x: tf.map_fn(lambda i: x[i] * 2, tf.range(20), fn_output_signature=tf.float32))
    return f(x)


def long_map_that_sizes_by_the_index(tf):
    f = tf.function(
        lambda x: tf.map_fn(lambda i: tf.reduce_sum(x[:i]), tf.range(20), fn_output_signature=tf.float32)
    )
    return f(tf.range(20.0))


def long_map_that_assigns(tf):
    count = tf.Variable(0.0)

    @tf.function
    def f(x):
        def step(row):
            count.assign_add(1.0)
            return row * count

        return tf.map_fn(step, x), count.value()

    return f(tf.range(20.0)), count


def long_map_in_a_map(tf):
    f = tf.function(lambda x: tf.map_fn(lambda row: tf.map_fn(lambda v: v * 2, row), x))
    return f(tf.ones([10, 12]))


def long_map_with_branches(tf):
    f = tf.function(lambda x: tf.map_fn(lambda v: tf.cond(v > 5, lambda: v, lambda: -v), x))
    return f(tf.range(20.0))


def long_scan(tf):
    w, x = tf.Variable(0.5), tf.reshape(tf.range(40.0), [20, 2])

    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            y = tf.scan(lambda s, row: s * w + row, x)
        backwards = tf.scan(lambda s, row: s * w + row, x, reverse=True)
        pair = tf.scan(lambda s, row: (s[0] + row[0], s[1] * 1.5), x, (0.0, 1.0), reverse=True)
        return y, tape.gradient(y, w), backwards, pair

    return f(x)


def long_folds(tf):
    @tf.function
    def f(x):
        total = tf.foldl(lambda s, v: s * 0.5 + v, x)
        return total, tf.foldr(lambda s, v: s * 0.5 + v, x), tf.foldl(lambda s, v: s + v, x, 10.0)

    return f(tf.range(20.0))


def long_second_derivative(tf):
    @tf.function
    def f(x):
        with tf.GradientTape() as second:
            second.watch(x)
            with tf.GradientTape() as first:
                first.watch(x)
                y = tf.map_fn(lambda v: v**3, x)
            slope = first.gradient(y, x)
        return second.gradient(slope, x)

    return f(tf.range(20.0))


def maps_over_nothing(tf):
    e = tf.zeros([0, 3])
    return [
        tf.map_fn(tf.reduce_sum, e),
        tf.scan(lambda s, row: s + row, e, tf.zeros(3)),
        tf.foldl(lambda s, row: s + row, e, tf.ones(3)),
    ]
