"""Programs of TensorFlow 1 that use Keras 2's models in sessions; each takes the module, ours or TensorFlow."""

import numpy as np

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = (X.sum(1, keepdims=True) * 0.5).astype("float32")


def model_as_a_function(tf):
    """A model of layers computes a placeholder's network; an optimizer of TensorFlow 1 trains it."""
    v1 = tf.compat.v1
    keras = v1.keras
    model = keras.Sequential(
        [
            keras.layers.Dense(4, "tanh", input_shape=(3,), kernel_initializer="ones", name="a"),
            keras.layers.Dense(1, kernel_initializer="ones", name="b"),
        ]
    )
    x, y = v1.placeholder(tf.float32, [None, 3]), v1.placeholder(tf.float32, [None, 1])
    out = model(x)
    loss = tf.reduce_mean(tf.square(out - y))
    step = v1.train.MomentumOptimizer(0.05, 0.9).minimize(loss)
    found = {"names": [v.name for v in v1.trainable_variables()], "instance": isinstance(out, tf.Tensor)}
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        found["losses"] = [session.run([loss, step], {x: X, y: Y})[0] for _ in range(8)]
        found["weights"] = session.run(model.weights)
    return found


def sessions_apart(tf):
    """Each session has its own weights; Keras works in the default one."""
    v1 = tf.compat.v1
    keras, k = v1.keras, v1.keras.backend
    layer = keras.layers.Dense(2, kernel_initializer="ones")
    out = layer(v1.constant(X[:1]))
    one, two = v1.Session(), v1.Session()
    found = {}
    with one.as_default():
        k.set_session(one)
        layer.set_weights([np.full((3, 2), 2.0), np.zeros(2)])
        found["one"] = one.run(out)
    with two.as_default():
        k.set_session(two)
        two.run(v1.global_variables_initializer())
        found["two"] = [two.run(out), layer.get_weights()]
    found["again"] = one.run(out)
    return found


def symbolic_models(tf):
    """A functional model's tensors are tensors of the graph; what is made of them as well."""
    v1 = tf.compat.v1
    keras, k = v1.keras, v1.keras.backend
    inp = keras.layers.Input((3,), name="inp")
    hidden = keras.layers.Dense(4, "relu", kernel_initializer="ones", name="hidden")(inp)
    both = keras.layers.Concatenate()([hidden, inp])
    out = keras.layers.Dense(1, kernel_initializer="ones", name="out")(both)
    model = keras.models.Model(inp, out)
    doubled = tf.reduce_sum(model.output * 2.0 + tf.reduce_mean(model.input))
    slopes = tf.gradients(doubled, [model.input, *model.trainable_weights])
    session = k.get_session()
    feed = {model.input: X}
    inner = k.function([model.input], [model.get_layer("hidden").output])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    found = {
        "values": session.run([hidden, both, out, doubled], feed),
        "slopes": session.run(slopes, feed),
        "inner": inner([X]),
        "predicted": model.predict(X, verbose=0),
        "graphs": [t.graph is v1.get_default_graph() for t in (inp, hidden, out)],
        "names": [v.name for v in v1.global_variables()][:4],
        "instance": isinstance(out, tf.Tensor),
    }
    model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    found["fitted"] = [session.run(model.weights), model.evaluate(X, Y, verbose=0), session.run(out, feed)]
    k.set_value(model.weights[-1], [9.0])
    found["set"] = [k.get_value(model.weights[-1]), k.eval(tf.reduce_sum(model.weights[0]))]
    return found


def phases(tf):
    """The learning phase is fed; set for good, it is a constant."""
    v1 = tf.compat.v1
    keras, k = v1.keras, v1.keras.backend
    inp = keras.layers.Input((3,))
    normal = keras.layers.BatchNormalization(momentum=0.5)(inp)
    noisy = keras.layers.GaussianNoise(1.0)(normal)
    model = keras.models.Model(inp, [normal, noisy])
    session, found = k.get_session(), {}
    for flag in (0, 1):
        a, b = session.run(model.outputs, {inp: X, k.learning_phase(): flag})
        found[f"{flag}"] = [a, bool(np.array_equal(a, b))]
    found["unfed"] = session.run(normal, {inp: X})
    session.run(model.updates, {inp: X, k.learning_phase(): 1})
    found["updated"] = [session.run(normal, {inp: X}), len(model.updates)]
    k.set_learning_phase(0)
    out = keras.layers.Dropout(0.5)(inp)
    found["never"] = session.run(out, {inp: X})
    return found


def subclassed(tf):
    """Layers and models of a program's own: add_weight, K's functions, a loss of regularizers."""
    v1 = tf.compat.v1
    keras, k = v1.keras, v1.keras.backend

    class Scale(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(
                name="w", shape=(shape[-1],), initializer="ones", regularizer=keras.regularizers.l2(0.1)
            )
            super().build(shape)

        def call(self, inputs):
            return inputs * self.w

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale, self.dense = Scale(), keras.layers.Dense(1, kernel_initializer="ones")

        def call(self, inputs):
            return self.dense(self.scale(inputs))

    net, x = Net(), v1.placeholder(tf.float32, [None, 3])
    out = net(x)
    loss = tf.reduce_mean(tf.square(out)) + tf.add_n(net.losses)
    step = v1.train.AdamOptimizer(0.1).minimize(loss, var_list=net.trainable_weights)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        losses = [session.run([loss, step], {x: X})[0] for _ in range(4)]
        return {"losses": losses, "value": k.get_value(net.scale.w), "all": net.get_weights()}


def saved(tf, folder):
    """Weights go into files of Keras, and into those of savers, with the values of the session."""
    v1 = tf.compat.v1
    keras = v1.keras
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,), kernel_initializer="ones", name="d")])
    x = v1.placeholder(tf.float32, [None, 3])
    out, saver = model(x), v1.train.Saver(model.weights)
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(model.weights[0].assign(np.full((3, 2), 3.0)))
        model.save_weights(f"{folder}/w.h5")
        path = saver.save(session, f"{folder}/ckpt")
        session.run(v1.global_variables_initializer())
        found = [session.run(out, {x: X})]
        model.load_weights(f"{folder}/w.h5")
        found.append(session.run(out, {x: X}))
        session.run(v1.global_variables_initializer())
        saver.restore(session, path)
        found.append(session.run(out, {x: X}))
        return {"found": found, "names": [name for name, _ in tf.train.list_variables(path)]}


PROGRAMS = (model_as_a_function, sessions_apart, symbolic_models, phases, subclassed)
