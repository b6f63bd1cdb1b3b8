"""Programs that call `tf.gradients` in a loop, a branch or a function of what was computed outside of it.

Rows as in `cases_gradients.py`.
"""


def _rows(tf, x, w):
    y = x * x * x[0]
    found = tf.TensorArray(tf.float32, size=2, element_shape=[2])
    for i in tf.range(2):
        found = found.write(i, tf.gradients(y[i], x)[0])
    return [found.stack()]


def _twice(tf, x, w):
    y = tf.sin(x) * w

    def body(i, a):
        slope = tf.gradients(y * y * a, x)[0]
        return i + 1, a + 0.1 * tf.gradients(slope, x)[0]

    return [tf.while_loop(lambda i, a: i < 3, body, (0, x))[1]]


def _nested(tf, x, w):
    y = tf.exp(x * w)

    def body(i, a):
        z = y * a
        return i + 1, tf.cond(i > 0, lambda: tf.gradients(z * z, [x, w])[0] * 1e-3, lambda: a)

    return [tf.while_loop(lambda i, a: i < 3, body, (0, x))[1]]


def _slope_of_slope(tf, x, w):
    slope = tf.gradients(w * x**4, x)[0]
    return [tf.switch_case(tf.cast(w, tf.int32) - 3, [lambda: tf.gradients(slope * x, x)[0], lambda: x])]


def _through_a_loop(tf, x, w):
    y = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), (0, x))[1]
    return [tf.cond(w > 0.0, lambda: tf.gradients(y, x)[0], lambda: x)]


def _under_a_tape(tf, x, w):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = w * x**3
        out = tf.while_loop(lambda i, a: i < 2, lambda i, a: (i + 1, a * tf.gradients(y, x)[0]), (0, x))[1]
    return [tape.gradient(out, x)]


def _stops(tf, x, w):
    h = x * x
    y = h * x * w
    return tf.cond(w > 0.0, lambda: tf.gradients(y, [x, w], stop_gradients=[h]), lambda: [x, w])


def _intermediate(tf, x, w):
    h = x * w
    y = h * h
    return tf.cond(w > 0.0, lambda: tf.gradients([y, h], [h, x, w], grad_ys=[x, None]), lambda: [x, x, w])


def _inner_function(tf, x, w):
    y = x * x * w

    @tf.function
    def inner(a):
        return tf.gradients(y * a, [x, w, a])

    return inner(x)


def _unconnected(tf, x, w):
    y = x * x
    return [tf.cond(w > 0.0, lambda: tf.gradients(y, w, unconnected_gradients="zero")[0], lambda: w)]


def _hessians(tf, x, w):
    y = tf.reduce_sum(w * x**3)
    return [tf.cond(w > 0.0, lambda: tf.hessians(y, x)[0], lambda: tf.zeros([2, 2]))]


CASES = {
    "rows of a Jacobian in a loop": _rows,
    "twice in a loop": _twice,
    "a branch in a loop": _nested,
    "a second derivative in a branch": _slope_of_slope,
    "through a loop outside": _through_a_loop,
    "under a tape": _under_a_tape,
    "stops outside": _stops,
    "sources between": _intermediate,
    "in a function": _inner_function,
    "unconnected outside": _unconnected,
    "Hessians": _hessians,
}
