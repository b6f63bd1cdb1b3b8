"""Programs that call `tf.gradients` in a `tf.function`; each is run on Dovetail and on TensorFlow.

A row is `name: function(tf, x, w) -> what is compared`: x is a vector, w a scalar.
"""


def _loop(tf, x, w):
    y = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * x), [tf.constant(0), x])[1]
    return tf.gradients(y, x)


def _branch(tf, x, w):
    return tf.gradients(tf.cond(w > 0.0, lambda: x * x, lambda: -x), [x])


def _product(tf, x, w):
    y = x * x
    return tf.gradients(tf.stop_gradient(y) + y * w, [x, w])


def _stops(tf, x, w):
    y = x * x
    z = y * y
    return tf.gradients(z + y, [x, y], stop_gradients=[y]), tf.gradients(z + x, x, stop_gradients=y)


def _intermediate(tf, x, w):
    y = tf.sin(x)
    return tf.gradients(y * y + x, [y, x])


def _same_object(tf, x, w):
    same = tf.identity(x)
    return tf.gradients(x * same, [x, same])


def _penalty(tf, x, w):
    slope = tf.gradients(tf.reduce_sum(w * x * x * x), x)[0]
    return tf.gradients(tf.reduce_sum(slope * slope), [x, w])


def _parts(tf, x, w):
    first, second = tf.split(x, 2)
    return tf.gradients(first * second, [first], stop_gradients=[second]), tf.gradients(first * first, [x])


CASES = {
    "product": _product,
    "squares": lambda tf, x, w: tf.gradients(x * x * w, [x, w]),
    "one source": lambda tf, x, w: tf.gradients(x * w, w),
    "factors": lambda tf, x, w: tf.gradients(x * x, x, grad_ys=2.0 * tf.ones_like(x)),
    "several": lambda tf, x, w: tf.gradients([x * x, w * x], [x, w]),
    "factors of several": lambda tf, x, w: tf.gradients([x, x * x], x, grad_ys=[None, tf.ones_like(x) * 3.0]),
    "one twice": lambda tf, x, w: tf.gradients([x * x, x * x], [x, x]),
    "itself": lambda tf, x, w: tf.gradients(x, [x, w]),
    "unconnected": lambda tf, x, w: tf.gradients(x, [w, 1.0]),
    "zeros": lambda tf, x, w: tf.gradients(x, w, unconnected_gradients="zero"),
    "integers": lambda tf, x, w: tf.gradients(tf.cast(x, tf.int32), x),
    "stops": _stops,
    "parts": _parts,
    "intermediate": _intermediate,
    "same object": _same_object,
    "penalty": _penalty,
    "third order": lambda tf, x, w: tf.gradients(tf.gradients(tf.gradients(x**4, x)[0], x)[0], x),
    "loop": _loop,
    "branch": _branch,
    "hessians": lambda tf, x, w: tf.hessians(tf.reduce_sum(w * x**3), x),
    "gathered": lambda tf, x, w: [tf.convert_to_tensor(g) for g in tf.gradients(tf.gather(x, [1, 1]), x)],
}
