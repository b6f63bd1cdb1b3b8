"""The digits again, with a training loop of our own: GradientTape inside tf.function.

python examples/digits_tape.py
"""

from __future__ import annotations

import time

from digits import load
from digits_model import build

import dovetail as tf
from dovetail import keras

EPOCHS = 25


def main() -> float:
    """Trains, and returns the accuracy on the test images."""
    keras.utils.set_random_seed(0)
    x_train, x_test, y_train, y_test = load()
    batches = (
        tf.data.Dataset.from_tensor_slices((x_train, y_train))
        .shuffle(len(x_train))
        .batch(32, drop_remainder=True)
    )
    model = build(image_size=8)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, EPOCHS * len(batches)))
    loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    accuracy = keras.metrics.SparseCategoricalAccuracy()

    @tf.function
    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_fn(labels, model(images, training=True))
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, model.trainable_variables), 1.0)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    began = time.perf_counter()
    for epoch in range(EPOCHS):
        losses = [step(images, labels) for images, labels in batches]
        if (epoch + 1) % 5 == 0:
            print(f"epoch {epoch + 1:2d}  mean loss {float(tf.add_n(losses)) / len(losses):.4f}")
    accuracy.update_state(y_test, model(x_test))
    print(
        f"test accuracy {float(accuracy.result()):.2%} after {time.perf_counter() - began:.0f} s of training"
    )
    return float(accuracy.result())


if __name__ == "__main__":
    main()
