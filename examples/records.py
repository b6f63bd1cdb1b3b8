"""Trains from TFRecord files of PNG images that it has written: the form in which large sets of images are kept.

    python examples/records.py [--data FOLDER] [--out FOLDER] [--quick]

The digits of MNIST become PNG files inside of `tf.train.Example` messages, with their labels, in several record files:
shards, which are read side by side.  A `tf.data` pipeline parses the messages, decodes the images in threads, changes
them at random and makes batches; a small convolutional network is trained from it.  One shard is kept for the test.

Stated quality: on the 1,000 images of that shard, the network is right in more than 95%.

Data: LeCun, Cortes, Burges, The MNIST database of handwritten digits (CC BY-SA 3.0).
"""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import mnist
import numpy as np
import setting

import dovetail as tf
from dovetail import keras

SHARDS, SIZE, BATCH = 10, 32, 64
FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def example(image: np.ndarray, label: int) -> tf.train.Example:
    """Returns an image (28, 28), uint8, and its label as a message."""
    png = tf.io.encode_png(image[..., None]).numpy()
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[png])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
            }
        )
    )


def write(images: np.ndarray, labels: np.ndarray, folder: pathlib.Path) -> list[str]:
    """Writes the images into shards, every tenth into the same one; returns their paths."""
    tf.io.gfile.makedirs(folder)
    for shard in range(SHARDS):
        path = folder / f"digits-{shard:02}-of-{SHARDS:02}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for image, label in zip(images[shard::SHARDS], labels[shard::SHARDS], strict=True):
                writer.write(example(image, label).SerializeToString())
    return sorted(tf.io.gfile.glob(str(folder / "*.tfrecord")))


def parse(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the image (SIZE, SIZE, 1) in [0, 1] of a record, and its label."""
    found = tf.io.parse_single_example(record, FEATURES)
    image = tf.io.decode_png(found["image"], channels=1)
    return tf.image.resize(image, [SIZE, SIZE]) / 255.0, found["label"]


def moved(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the image moved by up to two pixels each way."""
    padded = tf.image.resize_with_crop_or_pad(image, SIZE + 4, SIZE + 4)
    return tf.image.random_crop(padded, [SIZE, SIZE, 1]), label


def batches(paths: list[str], training: bool) -> tf.data.Dataset:
    """Returns batches of (images, labels) from record files; images are decoded once and then kept."""
    records = tf.data.TFRecordDataset(paths)
    pairs = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE).cache()
    if training:
        pairs = pairs.shuffle(2_000).map(moved)
    return pairs.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def network() -> keras.Model:
    """Returns logits of ten classes for images (batch, SIZE, SIZE, 1)."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10),
        ]
    )


def draw(images: np.ndarray, labels: np.ndarray, logits: np.ndarray, path: pathlib.Path) -> None:
    """Draws the images of which the network is least sure, with what it says."""
    sure = np.take_along_axis(tf.nn.softmax(logits).numpy(), labels[:, None], axis=1)[:, 0]
    figure, axes = plt.subplots(2, 8, figsize=(11, 3.2))
    for axis, i in zip(axes.flat, np.argsort(sure)):
        axis.imshow(images[i, ..., 0], cmap="gray")
        axis.set(title=f"{labels[i]} for {logits[i].argmax()}", xticks=[], yticks=[])
    figure.suptitle("of these it is least sure: what it says for what it sees")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    chosen = setting.options(__doc__)
    setting.find(chosen.data, mnist.IMAGES, mnist.LABELS)
    keras.utils.set_random_seed(0)
    images, labels = mnist.load(chosen.data)
    images = np.round(images[..., 0] * 255).astype(np.uint8)  # (n, 28, 28)
    if chosen.quick:
        images, labels = images[:600], labels[:600]
    paths = write(images, labels, chosen.out / "records")
    size = sum(tf.io.gfile.stat(path).length for path in paths)
    print(f"{len(images)} images in {len(paths)} record files, {size / len(images):.0f} bytes each")

    model = network()
    model.compile(
        optimizer=keras.optimizers.Adam(2e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(batches(paths[:-1], training=True), epochs=1 if chosen.quick else 6, verbose=0)
    tests = [(x.numpy(), y.numpy()) for x, y in batches(paths[-1:], training=False)]
    seen, truth = (np.concatenate(parts) for parts in zip(*tests, strict=True))
    logits = model.predict(seen, verbose=0)
    accuracy = float(np.mean(logits.argmax(axis=1) == truth))
    print(f"accuracy {accuracy:.2%} on the {len(truth)} images of the last file")
    draw(seen, truth, logits, chosen.out / "records.png")
    setting.check("over 95%", accuracy > 0.95, chosen.quick)


if __name__ == "__main__":
    main()
