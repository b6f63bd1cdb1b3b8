"""Compiled loops of steps write where the old values of variables lay, unless somebody still looks at these."""

import numpy as np

from dovetail import keras
from dovetail.keras.training.programs import jax_stepping
from tests.keras.pairs import mlp, regression

X, Y = regression(64)


def fitted(model: keras.Model, epochs: int = 1) -> keras.Model:
    model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model


def made(weights: list | None = None) -> keras.Model:
    model = mlp(keras)
    model.compile("adam", "mse")
    if weights is not None:
        model.set_weights(weights)
    return model


def test_a_loop_reuses_the_memory_of_what_steps_write_and_of_nothing_else():
    loop = jax_stepping().steps_program(
        lambda x, scale, total: [x.sum(), total + scale * x.sum()], num_results=1, written=[1], batch_size=4
    )
    scale, total = (jax_stepping().put([np.full(1000, n, np.float32)])[0] + 0 for n in (2, 3))
    data, order = [np.ones(8, np.float32)], np.arange(8, dtype=np.int32)
    (new,), (last,) = loop([total], [scale], data, order, np.int32(0), np.int32(2))
    assert total.is_deleted()
    assert not scale.is_deleted()
    np.testing.assert_array_equal(new, np.full(1000, 3 + 2 * 4 * 2, np.float32))
    assert float(last) == 4


def test_states_are_put_together_in_the_order_that_a_step_takes():
    def run(x, a, b, c, d):
        return [a + 10 * b + 100 * c + 1000 * d, d + 1, a + 1]

    loop = jax_stepping().steps_program(run, num_results=1, written=[3, 0], batch_size=1)
    new, (last,) = loop(
        [np.float32(4), np.float32(1)], [np.float32(2), np.float32(3)], [np.zeros(3)], np.arange(3), 0, 2
    )
    assert float(last) == 5 * 1000 + 3 * 100 + 2 * 10 + 2
    assert [float(value) for value in new] == [6, 3]


def test_values_read_before_fit_stay_what_they_were():
    model = fitted(made())
    tensors = [variable.value() for variable in model.variables]
    views = [variable.numpy() for variable in model.variables]
    before = [np.array(view) for view in views]
    fitted(model, epochs=2)
    for tensor, view, old, variable in zip(tensors, views, before, model.variables, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), old)
        np.testing.assert_array_equal(view, old)
        assert not np.array_equal(variable.numpy(), old)


def test_variables_that_share_an_array_train_apart():
    weights = made().get_weights()
    alone, sharing = made(weights), made(weights)
    for one, other in zip(alone.variables, sharing.variables, strict=True):
        other.assign(one.value())
        one.assign(one.value())
    fitted(sharing, epochs=2)
    for variable, old in zip(alone.variables, weights, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)
    fitted(alone, epochs=2)
    for one, other in zip(alone.variables, sharing.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)


def test_frozen_weights_stay():
    model = made()
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    before = [np.array(w) for w in model.layers[0].get_weights()]
    fitted(model, epochs=3)
    for new, old in zip(model.layers[0].get_weights(), before, strict=True):
        np.testing.assert_array_equal(new, old)
