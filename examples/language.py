"""Learns to write like Shakespeare, a character at a time: with a recurrent model, and with a transformer.

    python examples/language.py [--data FOLDER] [--out FOLDER] [--quick]

Both read 64 characters and give, at each place, logits of the next one.  The measure is bits per character on the last
tenth of the text; a table of how often each character follows each pair of others gives the bar to clear.  Then each
writes some lines.

Stated quality: the recurrent model under 2.7 bits per character, the transformer under 2.6, both under the table.

Data: 1.1 MB of Shakespeare's plays (public domain), as prepared for char-rnn.
"""

from __future__ import annotations

import math
import pathlib
import time

import matplotlib.pyplot as plt
import numpy as np
import setting

import dovetail as tf
from dovetail import keras

CONTEXT = 64
WIDTH = 96
HEADS = 4


def recurrent(size: int) -> keras.Model:
    """Returns an LSTM: codes (batch, time) to logits (batch, time, size)."""
    codes = keras.Input((CONTEXT,), dtype="int32")
    x = keras.layers.Embedding(size, WIDTH // 2)(codes)
    x = keras.layers.LSTM(128, return_sequences=True)(x)
    return keras.Model(codes, keras.layers.Dense(size)(x), name="recurrent")


def block(x: tf.Tensor) -> tf.Tensor:
    """Returns one block of a transformer: attention to what came before, then two dense layers, each added to x."""
    y = keras.layers.LayerNormalization()(x)
    x = x + keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(y, y, use_causal_mask=True)
    y = keras.layers.LayerNormalization()(x)
    y = keras.layers.Dense(4 * WIDTH, activation="gelu")(y)
    return x + keras.layers.Dense(WIDTH)(y)


def transformer(size: int) -> keras.Model:
    """Returns a transformer of two blocks: codes (batch, time) to logits (batch, time, size)."""
    codes = keras.Input((CONTEXT,), dtype="int32")
    places = tf.zeros_like(codes) + tf.range(CONTEXT)
    x = keras.layers.Embedding(size, WIDTH)(codes) + keras.layers.Embedding(CONTEXT, WIDTH)(places)
    for _ in range(2):
        x = block(x)
    x = keras.layers.LayerNormalization()(x)
    return keras.Model(codes, keras.layers.Dense(size)(x), name="transformer")


def bits(codes: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns the mean of -log2 of the probability that the model gave to what came."""
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.cast(codes, tf.int32), logits=logits)
    return tf.reduce_mean(nats) / math.log(2)


def table_bits(train: np.ndarray, test: np.ndarray, size: int) -> float:
    """Returns the bits per character of counts of (two characters, the next), each count begun at 0.1."""
    counts = np.full((size, size, size), 0.1)
    np.add.at(counts, (train[:-2], train[1:-1], train[2:]), 1)
    probabilities = counts / counts.sum(axis=-1, keepdims=True)
    return float(-np.log2(probabilities[test[:-2], test[1:-1], test[2:]]).mean())


def batches(codes: np.ndarray) -> tf.data.Dataset:
    """Returns batches of `(codes, the same one place on)`, each (64, CONTEXT)."""
    count = (len(codes) - 1) // CONTEXT
    lines = [codes[shift : shift + count * CONTEXT].reshape(count, CONTEXT) for shift in (0, 1)]
    return tf.data.Dataset.from_tensor_slices(tuple(lines)).shuffle(count).batch(64, drop_remainder=True)


def write(model: keras.Model, codes: np.ndarray, length: int) -> np.ndarray:
    """Returns `length` codes that follow `codes` (CONTEXT,), each drawn from the probabilities of the model."""

    @tf.function
    def step(window: tf.Tensor) -> tf.Tensor:
        logits = (
            model(window)[:, -1] / 0.8
        )  # a little bolder than the model is: likely characters more likely
        following = tf.random.categorical(logits, 1, dtype=tf.int32)  # (1, 1)
        return tf.concat([window[:, 1:], following], axis=1)

    window, written = tf.constant(codes[None], tf.int32), []
    for _ in range(length):
        window = step(window)
        written.append(int(window[0, -1]))
    return np.array(written)


def draw(histories: dict[str, dict], table: float, path: pathlib.Path) -> None:
    """Draws bits per character over the epochs."""
    figure, axis = plt.subplots(figsize=(7, 4.5))
    for color, (name, history) in zip(("C0", "C1"), histories.items()):
        epochs = range(1, len(history["bits"]) + 1)
        axis.plot(epochs, history["val_bits"], color=color, marker="o", label=name)
        axis.plot(epochs, history["bits"], color=color, linestyle=":", label=f"{name}, training")
    axis.axhline(table, color="black", linewidth=1, label="table of three characters")
    axis.set(xlabel="epoch", ylabel="bits per character")
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    chosen = setting.options(__doc__)
    (path,) = setting.find(chosen.data, "tinyshakespeare.txt")
    keras.utils.set_random_seed(0)
    text = path.read_text()[: 50_000 if chosen.quick else None]
    characters, codes = np.unique(list(text), return_inverse=True)
    train, test = np.split(codes.astype("int32"), [int(0.9 * len(codes))])
    table = table_bits(train, test, len(characters))
    print(f"{len(text):,} characters, {len(characters)} different; the table needs {table:.3f} bits each")

    histories, reached = {}, {}
    epochs = 1 if chosen.quick else 6
    for build, limit in ((recurrent, 2.7), (transformer, 2.6)):
        model = build(len(characters))
        schedule = keras.optimizers.schedules.CosineDecay(5e-3, epochs * len(batches(train)))
        model.compile(
            optimizer=keras.optimizers.Adam(schedule, clipnorm=1.0),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=[bits],
        )
        began = time.perf_counter()
        history = model.fit(batches(train), validation_data=batches(test), epochs=epochs, verbose=2).history
        histories[model.name], reached[model.name] = history, (history["val_bits"][-1], limit)
        seconds = time.perf_counter() - began
        print(
            f"{model.name}: {history['val_bits'][-1]:.3f} bits per character after {seconds:.0f} s of training"
        )
        written = write(model, test[:CONTEXT], length=50 if chosen.quick else 400)
        print("".join(characters[written]), "\n")
    draw(histories, table, chosen.out / "language.png")
    print(f"picture in {chosen.out / 'language.png'}")
    for name, (value, limit) in reached.items():
        setting.check(f"{name} under {limit} bits per character", value < min(limit, table), chosen.quick)


if __name__ == "__main__":
    main()
