"""Layers around functions of JAX, modules of Flax (a stand-in) and modules of PyTorch."""

import numpy as np
import pytest

import dovetail as tf
from dovetail import keras

jax = pytest.importorskip("jax")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype("float32")
W = RNG.normal(size=(3, 2)).astype("float32")


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-5)


def dense(params, inputs):
    return jax.nn.tanh(inputs @ params["w"] + params["b"])


def init(rng, inputs):
    return {"w": jax.random.normal(rng, (inputs.shape[-1], 2)), "b": jax.numpy.zeros(2)}


def test_a_function_of_jax_is_a_layer():
    layer = keras.layers.JaxLayer(dense, params={"w": W, "b": np.zeros(2, "float32")})
    assert layer.built and [tuple(w.shape) for w in layer.trainable_weights] == [(2,), (3, 2)]
    close(layer(X), np.tanh(X @ W))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(X))
    expected = jax.grad(lambda p: dense(p, X).sum())({"w": W, "b": np.zeros(2, "float32")})
    for mine, other in zip(
        tape.gradient(loss, layer.trainable_weights), (expected["b"], expected["w"]), strict=True
    ):
        close(mine, other)
    close(tf.function(layer)(X), np.tanh(X @ W))


def test_it_trains_in_a_model():
    inputs = keras.Input((3,))
    layer = keras.layers.JaxLayer(dense, init)
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    assert model.output_shape == (None, 1) and len(layer.weights) == 2
    model.compile("adam", "mse")
    before = [w.numpy() for w in layer.weights]
    model.fit(X, X.sum(1, keepdims=True), epochs=2, verbose=0)
    assert all(np.abs(w.numpy() - b).max() > 0 for w, b in zip(layer.weights, before, strict=True))


def test_state_and_random_numbers():
    def call(params, state, rng, inputs, training):
        noise = 0.0 if rng is None else jax.random.normal(rng, inputs.shape)
        return inputs * params + noise, {"calls": state["calls"] + 1}

    layer = keras.layers.JaxLayer(call, params=2.0, state={"calls": 0}, seed=1)
    close(layer(X), 2 * X)
    noisy = layer(X, training=True).numpy()
    assert np.abs(noisy - 2 * X).max() > 0.1 and np.abs(layer(X, training=True).numpy() - noisy).max() > 0.1
    assert layer.non_trainable_weights[0].numpy() == 3


class Stand:
    """What FlaxLayer asks of a module."""

    def __call__(self, inputs, training):
        """Only its signature is looked at."""

    def init(self, rng, inputs, method=None, training=None):
        w = jax.random.normal(rng["params"], (inputs.shape[-1], 2))
        return {"params": {"w": w}, "batch_stats": {"seen": jax.numpy.zeros(())}}

    def apply(self, variables, inputs, rngs=None, method=None, mutable=(), training=None):
        assert list(mutable) == ["batch_stats"] and ("dropout" in rngs) is training
        seen = variables["batch_stats"]["seen"] + training
        return inputs @ variables["params"]["w"], {"batch_stats": {"seen": seen}}


def test_flax_modules():
    layer = keras.layers.FlaxLayer(Stand())
    outputs = layer(X)
    close(outputs, X @ layer.trainable_weights[0].numpy())
    layer(X, training=True)
    assert layer.non_trainable_weights[0].numpy() == 1
    given = keras.layers.FlaxLayer(
        Stand(), variables={"params": {"w": W}, "batch_stats": {"seen": np.float32(0)}}
    )
    close(given(X), X @ W)


def test_modules_of_pytorch():
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    )
    layer = keras.layers.TorchModuleWrapper(module)
    assert len(layer.trainable_weights) == 6
    x = torch.from_numpy(X)
    close(layer(X, training=False), module.eval()(x).detach().numpy())
    with tf.GradientTape() as tape:
        x_ = tf.constant(X)
        tape.watch(x_)
        loss = tf.reduce_sum(layer(x_, training=True) ** 2)
    mine = tape.gradient(loss, [x_, *layer.trainable_weights])
    x.requires_grad_()
    (module.train()(x) ** 2).sum().backward()
    for a, b in zip(mine, [x.grad, *(p.grad for p in module.parameters())], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))
    assert model.layers[1].output.shape == (None, 2)
    store: dict = {}
    layer.save_own_variables(store)
    assert "1.running_mean" in store
    other = keras.layers.TorchModuleWrapper(
        type(module)(*(type(m)(*a) for m, a in zip(module, [(3, 4), (4,), (), (4, 2)])))
    )
    other.load_own_variables(store)
    close(other(X, training=False), layer(X, training=False))
    model.compile("sgd", "mse", run_eagerly=True)
    before = layer.trainable_weights[0].numpy()
    model.fit(X, X[:, :1], epochs=1, verbose=0)
    assert np.abs(layer.trainable_weights[0].numpy() - before).max() > 0
    compiled = tf.function(lambda x: layer(x, training=False))
    close(compiled(X), layer(X, training=False))


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: keras.layers.JaxLayer(lambda x: x), "inputs"),
        (lambda: keras.layers.JaxLayer(dense), "init_fn, params or state"),
        (lambda: keras.layers.TorchModuleWrapper(3), "torch.nn.Module"),
    ],
)
def test_errors(make, part):
    with pytest.raises(ValueError, match=part):
        make()
