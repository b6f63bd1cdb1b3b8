"""Generative models, written once for Dovetail, tf_keras and Keras 3, but for the training step of the DCGAN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import sizes
from benchmarks.frameworks import Loaded
from benchmarks.keras_models import raw_ops


def vae(fw: Loaded) -> Any:
    """Build the variational autoencoder of dense layers, which adds its divergence by `add_loss`."""
    keras = fw.keras
    layers = keras.layers
    pixels = keras.Input(shape=(784,))
    hidden = layers.Dense(sizes.VAE_INNER, activation="relu")(pixels)
    mean, log_variance = (layers.Dense(sizes.VAE_LATENT)(hidden) for _ in range(2))
    code = _sampling(fw)([mean, log_variance])
    hidden = layers.Dense(sizes.VAE_INNER, activation="relu")(code)
    return keras.Model(pixels, layers.Dense(784)(hidden))


def _sampling(fw: Loaded) -> Any:
    ops, keras = raw_ops(fw), fw.keras
    keras_3 = fw.name.startswith("keras_")

    class Sampling(keras.layers.Layer):
        """Draws a code from its mean and the logarithm of its variance."""

        def __init__(self) -> None:
            super().__init__()
            self.seeds = keras.random.SeedGenerator(0) if keras_3 else None

        def call(self, inputs: Any) -> Any:
            mean, log_variance = inputs
            terms = ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0
            self.add_loss(0.5 * ops.mean(ops.sum(terms, 1)) / 784.0)
            return mean + ops.exp(0.5 * log_variance) * self.noise(mean)

        def noise(self, like: Any) -> Any:
            if keras_3:
                return keras.random.normal(keras.ops.shape(like), seed=self.seeds)
            return fw.tf.random.normal(fw.tf.shape(like))

    return Sampling()


def generator(keras: Any) -> Any:
    """Build the generator, noise (batch, 64) to pictures (batch, 28, 28, 1)."""
    layers = keras.layers
    first, second, third = sizes.GENERATOR_CHANNELS
    return keras.Sequential(
        [
            keras.Input(shape=(sizes.NOISE,)),
            layers.Dense(7 * 7 * first, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((7, 7, first)),
            layers.Conv2DTranspose(second, 5, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(third, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
        ]
    )


def discriminator(keras: Any) -> Any:
    """Build the discriminator, pictures (batch, 28, 28, 1) to logits (batch, 1)."""
    layers = keras.layers
    first, second = sizes.DISCRIMINATOR_CHANNELS
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(first, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Dropout(0.3),
            layers.Conv2D(second, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def gan(fw: Loaded) -> Any:
    """Build the compiled DCGAN; its `train_step` is written for TensorFlow's API, or for Keras on PyTorch."""
    keras = fw.keras
    train_step = _step_torch(fw) if fw.name == "keras_torch" else _step_tf(fw)

    class GAN(keras.Model):
        """A generator and a discriminator with optimizers of their own."""

        def __init__(self) -> None:
            super().__init__()
            self.generator, self.discriminator = generator(keras), discriminator(keras)
            self.loss_tracker = keras.metrics.Mean(name="discriminator_loss")
            self.built = True  # both networks are; Keras on PyTorch would look for a `call` to build it by

        def compile(self, generator_rule: Any, discriminator_rule: Any) -> None:
            super().compile()
            self.generator_rule, self.discriminator_rule = generator_rule, discriminator_rule
            self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

        @property
        def metrics(self) -> list[Any]:
            return [self.loss_tracker]

        def train_step(self, real: Any) -> dict[str, Any]:
            self.loss_tracker.update_state(train_step(self, real))
            return {"discriminator_loss": self.loss_tracker.result()}

    model = GAN()
    model.compile(*(keras.optimizers.Adam(sizes.GAN_RATE, beta_1=0.5) for _ in range(2)))
    return model


def _step_tf(fw: Loaded) -> Callable[[Any, Any], Any]:
    tf = fw.tf

    def step(gan: Any, real: Any) -> Any:
        noise = tf.random.normal((tf.shape(real)[0], sizes.NOISE))
        with tf.GradientTape() as making, tf.GradientTape() as judging:
            made = gan.generator(noise, training=True)
            of_real, of_made = (gan.discriminator(images, training=True) for images in (real, made))
            judged = gan.loss_fn(tf.ones_like(of_real), of_real) + gan.loss_fn(
                tf.zeros_like(of_made), of_made
            )
            believed = gan.loss_fn(tf.ones_like(of_made), of_made)
        weights = gan.generator.trainable_variables
        gan.generator_rule.apply_gradients(zip(making.gradient(believed, weights), weights))
        weights = gan.discriminator.trainable_variables
        gan.discriminator_rule.apply_gradients(zip(judging.gradient(judged, weights), weights))
        return judged

    return step


def _step_torch(fw: Loaded) -> Callable[[Any, Any], Any]:
    torch = fw.torch

    def apply(rule: Any, weights: list[Any]) -> None:
        with torch.no_grad():
            rule.apply([weight.value.grad for weight in weights], weights)

    def step(gan: Any, real: Any) -> Any:
        made = gan.generator(torch.randn(len(real), sizes.NOISE), training=True)
        gan.zero_grad()
        of_real = gan.discriminator(real, training=True)
        of_made = gan.discriminator(made.detach(), training=True)
        judged = gan.loss_fn(torch.ones_like(of_real), of_real) + gan.loss_fn(
            torch.zeros_like(of_made), of_made
        )
        judged.backward()
        apply(gan.discriminator_rule, gan.discriminator.trainable_weights)
        gan.zero_grad()
        of_made = gan.discriminator(made, training=True)
        gan.loss_fn(torch.ones_like(of_made), of_made).backward()
        apply(gan.generator_rule, gan.generator.trainable_weights)
        return judged.detach()

    return step
