"""Programs as users of TensorFlow 1 wrote them: each takes the package, and returns arrays by name."""

from __future__ import annotations

import numpy as np


def _data(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype("float32")


def _init(tf, seed):
    """An initializer that both packages agree on."""

    def initialize(shape, dtype=None, partition_info=None):
        return tf.constant(np.random.default_rng(seed).normal(size=list(shape), scale=0.3).astype("float32"))

    return initialize


def mnist_mlp(tf):
    v1 = tf.compat.v1
    X = v1.placeholder(tf.float32, [None, 8], name="X")
    Y = v1.placeholder(tf.int64, [None], name="Y")
    keep = v1.placeholder_with_default(1.0, [], name="keep_prob")

    def layer(x, size, name, activation=None):
        with v1.variable_scope(name):
            w = v1.get_variable("w", [x.get_shape().as_list()[1], size], initializer=_init(tf, size))
            b = v1.get_variable("b", [size], initializer=v1.constant_initializer(0.1))
            out = v1.nn.xw_plus_b(x, w, b)
            return activation(out) if activation else out

    hidden = v1.nn.dropout(layer(X, 16, "hidden", tf.nn.relu), keep_prob=keep)
    logits = layer(hidden, 3, "out")
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=Y, logits=logits))
    regularized = loss + 1e-3 * tf.add_n([tf.nn.l2_loss(v) for v in v1.trainable_variables()])
    correct = tf.equal(v1.argmax(logits, 1), Y)
    accuracy = tf.reduce_mean(v1.to_float(correct))
    train = v1.train.AdamOptimizer(0.01).minimize(regularized)
    x, y = _data(64, 8), np.arange(64) % 3
    losses = []
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        for _ in range(3):
            for i in range(0, 64, 16):
                _, found = sess.run([train, regularized], feed_dict={X: x[i : i + 16], Y: y[i : i + 16]})
                losses.append(found)
        acc = accuracy.eval({X: x, Y: y})
        w = sess.run(v1.trainable_variables()[0])
    return {"losses": losses, "acc": acc, "w": w}


def char_rnn(tf):
    v1 = tf.compat.v1
    vocab, units, steps = 7, 5, 6
    tokens = v1.placeholder(tf.int32, [None, steps])
    targets = v1.placeholder(tf.int32, [None, steps])
    lengths = v1.placeholder(tf.int32, [None])
    table = v1.get_variable("embedding", [vocab, 4], initializer=_init(tf, 1))
    inputs = tf.nn.embedding_lookup(table, tokens)
    v1.get_variable_scope().set_initializer(_init(tf, 2))
    cells = [v1.nn.rnn_cell.BasicLSTMCell(units), v1.nn.rnn_cell.GRUCell(units)]
    cell = v1.nn.rnn_cell.MultiRNNCell(cells)
    batch = tf.shape(tokens)[0]
    outputs, state = v1.nn.dynamic_rnn(
        cell, inputs, lengths, initial_state=cell.zero_state(batch, tf.float32)
    )
    logits = v1.layers.dense(
        tf.reshape(outputs, [-1, units]), vocab, kernel_initializer=_init(tf, 3), name="proj"
    )
    loss = tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=tf.reshape(targets, [-1]))
    )
    variables = v1.trainable_variables()
    grads, norm = tf.clip_by_global_norm(tf.gradients(loss, variables), 0.5)
    train = v1.train.GradientDescentOptimizer(0.5).apply_gradients(zip(grads, variables, strict=True))
    rng = np.random.default_rng(3)
    feed = {
        tokens: rng.integers(0, vocab, (4, steps)),
        targets: rng.integers(0, vocab, (4, steps)),
        lengths: [6, 3, 1, 5],
    }
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        losses = [sess.run([loss, norm, train], feed)[:2] for _ in range(5)]
        out, (lstm, gru) = sess.run([outputs, state], feed)
    names = sorted(v.name for v in variables)
    return {"losses": losses, "out": out, "c": lstm.c, "h": lstm.h, "gru": gru, "names": names}


def static_and_bidirectional(tf):
    v1 = tf.compat.v1
    v1.get_variable_scope().set_initializer(_init(tf, 2))
    x = v1.placeholder(tf.float32, [None, 5, 3])
    seq = tf.constant([5, 2])
    cell = v1.nn.rnn_cell.LSTMCell(4, use_peepholes=True, num_proj=3, cell_clip=1.0)
    outs, state = v1.nn.static_rnn(cell, tf.unstack(x, axis=1), dtype=tf.float32, sequence_length=seq)
    (fw, bw), states = v1.nn.bidirectional_dynamic_rnn(
        v1.nn.rnn_cell.BasicRNNCell(3),
        v1.nn.rnn_cell.GRUCell(2),
        x,
        sequence_length=seq,
        dtype=tf.float32,
        scope="bi",
    )
    both = v1.nn.static_bidirectional_rnn(
        v1.nn.rnn_cell.BasicLSTMCell(2, state_is_tuple=False),
        v1.nn.rnn_cell.ResidualWrapper(v1.nn.rnn_cell.BasicRNNCell(3)),
        tf.unstack(x, axis=1),
        dtype=tf.float32,
        scope="static",
    )[0]
    grad = tf.gradients(tf.reduce_sum(fw) + tf.reduce_sum(bw * bw) + tf.reduce_sum(outs[-1]), x)[0]
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        found = sess.run(
            [outs[0], outs[-1], state.c, state.h, fw, bw, states[1], grad, both[2]],
            {x: _data(10, 3).reshape(2, 5, 3)},
        )
    return dict(zip("abcdefghi", found, strict=True)) | {
        "names": sorted(v.name for v in v1.global_variables())
    }


def gan(tf):
    v1 = tf.compat.v1

    def generator(z, reuse=None):
        with v1.variable_scope("generator", reuse=reuse):
            h = v1.layers.dense(z, 8, activation=tf.nn.leaky_relu, kernel_initializer=_init(tf, 1))
            return v1.layers.dense(h, 2, kernel_initializer=_init(tf, 2))

    def discriminator(x, reuse=None):
        with v1.variable_scope("discriminator", reuse=reuse):
            h = v1.layers.dense(x, 8, activation=tf.nn.relu, kernel_initializer=_init(tf, 3))
            return v1.layers.dense(h, 1, kernel_initializer=_init(tf, 4))

    real, z = v1.placeholder(tf.float32, [None, 2]), v1.placeholder(tf.float32, [None, 3])
    fake = generator(z)
    d_real, d_fake = discriminator(real), discriminator(fake, reuse=True)
    ce = tf.nn.sigmoid_cross_entropy_with_logits
    d_loss = tf.reduce_mean(ce(labels=tf.ones_like(d_real), logits=d_real)) + tf.reduce_mean(
        ce(labels=tf.zeros_like(d_fake), logits=d_fake)
    )
    g_loss = tf.reduce_mean(ce(labels=tf.ones_like(d_fake), logits=d_fake))
    t_vars = v1.trainable_variables()
    d_vars = [v for v in t_vars if v.name.startswith("discriminator")]
    g_vars = [v for v in t_vars if "generator/" in v.name]
    d_step = v1.train.AdamOptimizer(0.01, beta1=0.5).minimize(d_loss, var_list=d_vars)
    g_step = v1.train.RMSPropOptimizer(0.01).minimize(g_loss, var_list=g_vars)
    clip = [v.assign(tf.clip_by_value(v, -0.4, 0.4)) for v in d_vars]
    losses = []
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        for i in range(4):
            feed = {real: _data(8, 2, i), z: _data(8, 3, 10 + i)}
            _, dl = sess.run([d_step, d_loss], feed)
            sess.run(clip)
            _, gl = sess.run([g_step, g_loss], feed_dict={z: feed[z]})
            losses.append([dl, gl])
        sample = sess.run(fake, {z: _data(3, 3)})
    return {"losses": losses, "sample": sample, "names": [v.name for v in v1.global_variables()]}


def control_flow(tf):
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [])
    n = v1.placeholder(tf.int32, [])
    branch = v1.cond(x > 0, lambda: x * x, lambda: -3.0 * x)
    _, power = v1.while_loop(
        lambda i, a: i < n, lambda i, a: (i + 1, a * x), [tf.constant(0), tf.constant(1.0)]
    )
    case = v1.case(
        [(x < -1, lambda: tf.constant(1.0)), (x > 1, lambda: x + 2)], default=lambda: tf.constant(0.5)
    )
    g1, g2 = tf.gradients(branch, x)[0], tf.gradients(power, x)[0]
    total = tf.scan(lambda a, b: a + b * x, tf.constant([1.0, 2.0, 3.0]))
    g3 = tf.gradients(total, x)[0]
    array = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
    _, array = v1.while_loop(
        lambda i, a: i < 4, lambda i, a: (i + 1, a.write(i, tf.cast(i, tf.float32) * x)), [0, array]
    )
    out = {}
    with v1.Session() as sess:
        for k, (value, count) in enumerate([(2.0, 3), (-1.5, 2), (0.5, 0)]):
            out[f"r{k}"] = sess.run([branch, power, g1, g2, g3, case], {x: value, n: count})
            out[f"t{k}"] = sess.run([total, array.stack()][1], {x: value})
    return out


def moving_averages(tf):
    v1 = tf.compat.v1
    w = v1.get_variable("w", [2], initializer=v1.zeros_initializer())
    step = v1.Variable(0, trainable=False, name="step")
    ema = v1.train.ExponentialMovingAverage(0.9, num_updates=step)
    bump = v1.assign_add(w, [1.0, 2.0])
    with tf.control_dependencies([bump, v1.assign_add(step, 1)]):
        maintain = ema.apply([w])
    out = []
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        for _ in range(4):
            sess.run(maintain)
            out.append(sess.run([w, ema.average(w)]))
    return {"out": out, "names": sorted(ema.variables_to_restore())}


def batch_norm(tf):
    v1 = tf.compat.v1
    x = v1.placeholder(tf.float32, [None, 3])
    training = v1.placeholder(tf.bool, [])
    h = v1.layers.batch_normalization(x, training=training, momentum=0.7, name="bn")
    out = v1.layers.dense(h, 1, kernel_initializer=_init(tf, 1))
    loss = tf.reduce_mean(tf.square(out - 1.0))
    updates = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(updates):
        train = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
    found = []
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        for i in range(3):
            found.append(sess.run([train, loss], {x: _data(6, 3, i) * 2 + 1, training: True})[1])
        tested = sess.run(out, {x: _data(4, 3), training: False})
        values = sess.run([v for v in v1.global_variables() if "moving" in v.name])
    return {"loss": found, "tested": tested, "moving": values, "updates": len(updates)}


def iterators(tf):
    v1 = tf.compat.v1
    xs, ys = _data(10, 2), np.arange(10)
    x_ph, y_ph = v1.placeholder(tf.float32, xs.shape), v1.placeholder(tf.int64, ys.shape)
    batch = v1.placeholder_with_default(np.int64(4), [])
    data = tf.data.Dataset.from_tensor_slices((x_ph, y_ph)).map(lambda a, b: (a * 2.0, b)).batch(batch)
    it = v1.data.make_initializable_iterator(data)
    a, b = it.get_next()
    one = v1.data.make_one_shot_iterator(
        tf.data.Dataset.from_tensor_slices(tf.constant([1.0, 2.0, 3.0])).repeat(2)
    )
    nxt = one.get_next()
    w = v1.get_variable("w", [2, 1], initializer=_init(tf, 1))
    loss = tf.reduce_mean(tf.square(tf.matmul(a, w)))
    train = v1.train.GradientDescentOptimizer(0.01).minimize(loss)
    handle = v1.placeholder(tf.string, [])
    typed = v1.data.Iterator.from_string_handle(
        handle, v1.data.get_output_types(data), v1.data.get_output_shapes(data)
    )
    ta, tb = typed.get_next()
    out = []
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        for size in (4, 3):
            sess.run(it.initializer, {x_ph: xs, y_ph: ys, batch: size})
            while True:
                try:
                    out.append(sess.run([train, loss])[1])
                except tf.errors.OutOfRangeError:
                    break
        ones = [sess.run(nxt) for _ in range(6)]
        sess.run(it.initializer, {x_ph: xs, y_ph: ys})
        h = sess.run(it.string_handle())
        typed_b = sess.run(tb, {handle: h})
    return {"out": out, "ones": ones, "b": typed_b}


def dependencies(tf):
    v1 = tf.compat.v1
    count = v1.get_variable("count", [], initializer=v1.zeros_initializer(), trainable=False)
    with tf.control_dependencies([count.assign_add(1.0)]):
        after = tf.identity(count)
        read = count.read_value() * 10.0
    checked = v1.placeholder(tf.float32, [2])
    check = v1.assert_positive(checked, message="must be positive")
    with tf.control_dependencies([check]):
        safe = tf.math.log(checked)
    printed = v1.Print(safe, [safe, tf.shape(safe)], message="log: ")
    out = []
    with v1.Session() as sess:
        sess.run(count.initializer)
        out.append(sess.run([after, read]))
        out.append(sess.run([after, read]))
        fine = sess.run(printed, {checked: [1.0, 2.0]})
        try:
            sess.run(safe, {checked: [1.0, -2.0]})
            failed = "no"
        except tf.errors.InvalidArgumentError as error:
            failed = "must be positive" in str(error)
        try:
            sess.run(safe)
        except tf.errors.InvalidArgumentError as error:
            unfed = "You must feed a value for placeholder tensor 'Placeholder'" in str(error)
    return {"out": out, "fine": fine, "failed": failed, "unfed": unfed}


def metrics_and_losses(tf):
    v1 = tf.compat.v1
    labels, scores = v1.placeholder(tf.int64, [None]), v1.placeholder(tf.float32, [None, 4])
    guess = v1.argmax(scores, axis=1)
    acc, acc_up = v1.metrics.accuracy(labels, guess, name="acc")
    auc, auc_up = v1.metrics.auc(tf.equal(labels, 1), tf.nn.softmax(scores)[:, 1])
    rec, rec_up = v1.metrics.recall_at_k(labels, scores, 2)
    prec, prec_up = v1.metrics.precision_at_k(labels[:, None], scores, 2, class_id=1)
    iou, iou_up = v1.metrics.mean_iou(labels, guess, 4)
    hot = tf.one_hot(labels, 4)
    v1.losses.softmax_cross_entropy(hot, scores, weights=tf.cast(labels > 0, tf.float32), label_smoothing=0.1)
    v1.losses.huber_loss(hot, scores, delta=0.5)
    v1.losses.absolute_difference(hot, scores, reduction=v1.losses.Reduction.SUM)
    v1.losses.hinge_loss(hot, scores)
    total = v1.losses.get_total_loss(add_regularization_losses=False)
    out = []
    with v1.Session() as sess:
        sess.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        for i in range(3):
            feed = {labels: np.random.default_rng(i).integers(0, 4, 9), scores: _data(9, 4, i)}
            out.append(sess.run([acc_up, auc_up, rec_up, prec_up, total], feed))
            sess.run(iou_up, feed)
        final = sess.run([acc, auc, rec, prec, iou])
    return {"out": out, "final": final}


def embeddings(tf):
    v1 = tf.compat.v1
    out = {}
    for kind in ("Momentum", "Ftrl"):
        with tf.Graph().as_default(), v1.Session() as sess:
            ids = v1.placeholder(tf.int32, [None])
            table = v1.get_variable("t", [6, 2], initializer=_init(tf, 1))
            w = v1.get_variable("w", [2, 1], initializer=_init(tf, 2))
            loss = tf.reduce_sum(tf.square(tf.matmul(tf.nn.embedding_lookup(table, ids), w) - 1.0))
            extra = {"Momentum": {"momentum": 0.9}}.get(kind, {})
            opt = getattr(v1.train, kind + "Optimizer")(0.1, **extra)
            pairs = opt.compute_gradients(loss)
            pairs = [(tf.clip_by_norm(g, 1.0), v) for g, v in pairs]
            train = opt.apply_gradients(pairs)
            sess.run(v1.global_variables_initializer())
            for i in range(3):
                sess.run(train, {ids: [i, i, 5]})
            out[kind] = sess.run(table)
    return out


def gradient_override(tf):
    v1 = tf.compat.v1
    name = f"Reverse{np.random.default_rng().integers(1 << 40)}"

    @v1.RegisterGradient(name)
    def _reverse(op, grad):
        return -2.0 * grad * op.inputs[0]

    x = v1.placeholder(tf.float32, [3])
    with v1.get_default_graph().gradient_override_map({"Identity": name}):
        y = tf.identity(x * 3.0)
    g = tf.gradients(tf.reduce_sum(y * 2.0), x)[0]
    net = v1.make_template("net", lambda v: v1.layers.dense(v, 2, name="d", kernel_initializer=_init(tf, 1)))
    a, b = net(x[None]), net(x[None] * 2.0)
    with v1.Session() as sess:
        sess.run(v1.global_variables_initializer())
        return dict(zip("gyab", sess.run([g, y, a, b], {x: [1.0, 2.0, -1.0]}))) | {
            "n": [v.name for v in v1.global_variables()]
        }
