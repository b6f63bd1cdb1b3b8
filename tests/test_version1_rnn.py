"""TensorFlow 1's recurrent networks: states that are numbers, no time steps, how often a cell is called, refusals.

Cells run in TensorFlow under Keras 2 only: values were noted from a run with TensorFlow 2.21.
"""

import numpy as np
import pytest

import dovetail as tf
from dovetail.compat import v1

cells, dynamic_rnn, static_rnn = v1.nn.rnn_cell, v1.nn.dynamic_rnn, v1.nn.static_rnn
X = np.arange(12, dtype=np.float32).reshape(2, 3, 2)


class Counting(cells.RNNCell):
    """Gives the sum of the last two inputs, and counts the steps in a state that is a number."""

    state_size, output_size = (2, ()), 2

    def call(self, inputs, state):
        return inputs + state[0], (inputs, state[1] + 1)


def values(tensors):
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(tensors)


@pytest.mark.parametrize(
    ("lengths", "outputs", "state", "count"),
    [
        (None, [[[0, 1], [2, 4], [6, 8]], [[6, 7], [14, 16], [18, 20]]], [[4, 5], [10, 11]], 3),
        ([1, 3], [[[0, 1], [0, 0], [0, 0]], [[6, 7], [14, 16], [18, 20]]], [[0, 1], [10, 11]], 3),
        ([0, 2], [[[0, 0], [0, 0], [0, 0]], [[6, 7], [14, 16], [0, 0]]], [[0, 0], [8, 9]], 2),
        ([0, 0], [[[0, 0]] * 3] * 2, [[0, 0], [0, 0]], 1),
    ],
)
def test_states_that_are_numbers(lengths, outputs, state, count):
    with tf.Graph().as_default():
        first = tf.zeros([2, 2]), tf.constant(0)
        out, last = values(dynamic_rnn(Counting(), X, lengths, first))
        assert (out.tolist(), last[0].tolist(), int(last[1])) == (outputs, state, count)
        turned = np.swapaxes(X, 0, 1)
        out, last = values(dynamic_rnn(Counting(), turned, lengths, first, time_major=True))
        assert (np.swapaxes(out, 0, 1).tolist(), int(last[1])) == (outputs, count)
        out, last = values(static_rnn(Counting(), list(turned), first, sequence_length=lengths))
        assert (np.stack(out, 1).tolist(), last[0].tolist()) == (outputs, state)
        assert int(last[1]) == (max(lengths) if lengths else 3)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_no_time_steps_and_no_rows(both, with_lengths):
    with tf.Graph().as_default(), v1.Session() as session:
        x, lengths = v1.placeholder("float32", [None, None, 4]), v1.placeholder("int32", [None])
        given = {"sequence_length": lengths if with_lengths else None, "dtype": "float32"}
        lstm, gru = cells.LSTMCell(2), cells.GRUCell(3)
        if both:
            found = v1.nn.bidirectional_dynamic_rnn(lstm, gru, x, **given)
        else:
            found = (dynamic_rnn(lstm, x, **given),)
        session.run(v1.global_variables_initializer())
        for rows, steps in ((2, 0), (0, 3), (2, 3), (0, 0)):
            feed = {x: np.ones((rows, steps, 4)), lengths: [min(1, steps)] * rows}
            parts = [part.shape for part in tf.nest.flatten(session.run(found, feed))]
            expected = [(rows, steps, 2), (rows, steps, 3), (rows, 2), (rows, 2), (rows, 3)]
            assert parts == (expected if both else [expected[0], *expected[2:4]])


def test_no_time_steps_leave_the_first_state():
    with tf.Graph().as_default():
        first = tf.constant([[1.0, 2.0, 3.0]])
        outputs, state = values(
            dynamic_rnn(cells.GRUCell(3), np.ones((1, 0, 4), np.float32), initial_state=first)
        )
        assert outputs.shape == (1, 0, 3) and state.tolist() == [[1.0, 2.0, 3.0]]


def test_a_cell_is_called_once_for_a_loop():
    called = []

    class Scaling(cells.RNNCell):
        state_size = output_size = 2

        def call(self, inputs, state):
            called.append(inputs)
            v1.add_to_collection("called", inputs)
            scale = v1.get_variable(
                "scale", [2], initializer=v1.ones_initializer(), regularizer=lambda w: tf.reduce_sum(w * w)
            )
            return inputs * scale, state + inputs

    with tf.Graph().as_default():
        outputs, state = dynamic_rnn(Scaling(), X, dtype="float32")
        assert len(called) == len(v1.get_collection("called")) == 1
        assert [v.name for v in v1.global_variables()] == ["rnn/scaling/scale:0"]
        penalty = v1.losses.get_regularization_loss()
        slopes = tf.gradients(tf.reduce_sum(outputs) + penalty, v1.trainable_variables())
        found = values([outputs, state, penalty, slopes])
        assert found[0].tolist() == X.tolist() and found[1].tolist() == X.sum(1).tolist()
        assert found[2] == 2.0 and found[3][0].tolist() == (X.sum((0, 1)) + 2.0).tolist()
        with pytest.raises(ValueError, match="already exists"):
            dynamic_rnn(Scaling(name="scaling"), X, dtype="float32")
        with v1.variable_scope(v1.get_variable_scope(), reuse=True):
            dynamic_rnn(Scaling(name="scaling"), X, dtype="float32")
        assert len(called) == 3 and len(v1.global_variables()) == 1


def test_layers_of_programs_are_named_after_their_classes():
    class MyDense(v1.layers.Dense):
        pass

    class HTTPLayer2(v1.layers.Layer):
        def call(self, inputs):
            return inputs * self.add_weight("w", [])

    with tf.Graph().as_default():
        MyDense(2)(tf.ones([1, 3]))
        HTTPLayer2()(tf.ones([1, 3]))
        names = [v.name for v in v1.global_variables()]
    assert names == ["my_dense/kernel:0", "my_dense/bias:0", "http_layer2/w:0"]


@pytest.mark.parametrize("lengths", [[1, 2, 3], [[1, 2]], 5, []])
def test_lengths_that_do_not_fit_are_refused(lengths):
    with tf.Graph().as_default():
        with pytest.raises(ValueError, match="sequence_length must"):
            dynamic_rnn(cells.GRUCell(2), X, lengths, dtype="float32")
        with pytest.raises(ValueError, match="sequence_length must"):
            static_rnn(cells.GRUCell(2), list(np.swapaxes(X, 0, 1)), dtype="float32", sequence_length=lengths)


@pytest.mark.parametrize(
    ("keep", "kind"),
    [(keep, ValueError) for keep in (1.5, -0.1, 2, None, np.float32(1.5), float("nan"), [0.5])]
    + [("a", TypeError)],
)
@pytest.mark.parametrize("part", ["input", "output", "state"])
def test_shares_that_are_kept_are_in_0_to_1(part, keep, kind):
    with tf.Graph().as_default(), pytest.raises(kind, match=f"{part}_keep_prob must be a number"):
        cells.DropoutWrapper(cells.GRUCell(2), **{f"{part}_keep_prob": keep})


def test_what_is_kept_may_be_a_tensor():
    with tf.Graph().as_default():
        for keep in (0, 0.0, 1, True, np.float32(0.5), tf.constant(0.5), v1.placeholder("float32", [])):
            cells.DropoutWrapper(cells.GRUCell(2), input_keep_prob=keep)
        with pytest.raises(ValueError, match="1.5"):
            cells.DropoutWrapper(cells.GRUCell(2), input_keep_prob=tf.constant(1.5))


def test_what_is_no_cell_is_refused():
    with tf.Graph().as_default():
        for call in (
            cells.DropoutWrapper,
            cells.ResidualWrapper,
            lambda cell: dynamic_rnn(cell, X, dtype="float32"),
        ):
            with pytest.raises(TypeError, match="expected an RNNCell"):
                call("cell")
        with pytest.raises(TypeError, match="callable"):
            cells.DropoutWrapper(cells.GRUCell(2), dropout_state_filter_visitor=3)
        with pytest.raises(ValueError, match="rank 3"):
            dynamic_rnn(cells.GRUCell(2), X[0], dtype="float32")
        with pytest.raises(ValueError, match="pass dtype"):
            dynamic_rnn(cells.GRUCell(2), X)


class Plain:
    """A cell that is nothing but what TensorFlow asks of one."""

    output_size = state_size = 3

    def __init__(self, framework):
        self._framework = framework

    def zero_state(self, batch, dtype):
        return self._framework.zeros([batch, 3], dtype)

    def __call__(self, inputs, state, scope=None):
        ones = self._framework.compat.v1.ones_initializer()
        kernel = self._framework.compat.v1.get_variable("w", [2, 3], initializer=ones)
        output = self._framework.tanh(inputs @ kernel + state * 0.5)
        return output, output


EMITTED = {
    "outputs": (lambda tf: None, lambda tf, out: out),
    "others": (
        lambda tf: (tf.zeros([2]), tf.constant(0)),
        lambda tf, out: (out[:, :2], tf.cast(out[:, 0] * 100, "int32")),
    ),
}


def steered(tf, emitted, lengths, batch):
    """Returns what `raw_rnn` gives for a function that emits something, counts, and keeps all outputs."""
    v1 = tf.compat.v1
    first, later = EMITTED[emitted]
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder("float32", [4, batch, 2])
        rows, ends, cell = 3 if batch else tf.shape(x)[1], tf.constant(lengths, "int32"), Plain(tf)
        columns = tf.TensorArray("float32", 4, clear_after_read=False).unstack(x)

        def loop_fn(time, output, state, handed):
            if output is None:
                state = cell.zero_state(rows, "float32")
                kept = tf.TensorArray("float32", 0, dynamic_size=True, element_shape=[batch, 3])
                handed = {"count": tf.constant(0), "outputs": kept}
            else:
                handed = {"count": handed["count"] + 2, "outputs": handed["outputs"].write(time - 1, output)}
            shown = first(tf) if output is None else later(tf, output)
            finished = time >= ends
            ended = tf.reduce_all(finished)
            following = tf.cond(ended, lambda: tf.zeros([rows, 2]), lambda: columns.read(time))
            return finished, following, state, shown, handed

        arrays, state, handed = v1.nn.raw_rnn(cell, loop_fn)
        found = [array.stack() for array in tf.nest.flatten(arrays)]
        loss = tf.reduce_sum(found[0]) + tf.reduce_sum(state)
        found += [state, handed["count"], handed["outputs"].stack()]
        found += tf.gradients(loss, v1.trainable_variables())
        session.run(v1.global_variables_initializer())
        data = np.arange(24, dtype=np.float32).reshape(4, 3, 2) / 10
        return session.run(found, {x: data}), [one.name for one in v1.global_variables()]


@pytest.mark.parametrize(("lengths", "batch"), [([4, 2, 3], 3), ([1, 0, 3], None), ([0, 0, 0], 3)])
@pytest.mark.parametrize("emitted", EMITTED)
def test_loops_that_a_function_steers(emitted, lengths, batch):
    reference = pytest.importorskip("tensorflow")
    (ours, names), (theirs, expected) = (steered(one, emitted, lengths, batch) for one in (tf, reference))
    assert names == expected == ["rnn/w:0"]
    for found, want in zip(ours, theirs, strict=True):
        assert found.dtype == want.dtype
        np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-5)


def test_loops_that_nothing_steers():
    with tf.Graph().as_default():
        with pytest.raises(TypeError, match="raw_rnn: loop_fn must be a function"):
            v1.nn.raw_rnn(cells.LSTMCell(2), 3)

        def loop_fn(time, output, state, handed):
            state = cell.zero_state(2, "float32") if state is None else state
            return tf.fill([2], time >= 3), tf.ones([2, 4]), state, output, None

        cell = cells.LSTMCell(5)
        emitted, last, handed = v1.nn.raw_rnn(cell, loop_fn)
        out, state = values([emitted.stack(), last])
        assert out.shape == (3, 2, 5) and handed is None
        np.testing.assert_allclose(out[-1], state.h)
