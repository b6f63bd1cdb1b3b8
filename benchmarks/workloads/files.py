"""Input pipelines over files: JPEG images that are decoded, resized and augmented, and lines of CSV.

A repeat is one pass over the pipeline.  The files lie in memory, so that no disk is measured.  `keras_tf` is
TensorFlow.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

NUM_IMAGES, HEIGHT, WIDTH, SIZE, BATCH_SIZE = 256, 375, 500, 224, 32
NUM_LINES, LINES_IN_BATCH = 20_000, 512


def jpegs() -> list[bytes]:
    """Return JPEG files of smooth images with some noise, as photographs are: 65 kB each."""
    generator = np.random.default_rng(0)
    files = []
    for _ in range(32):
        rough = Image.fromarray(generator.integers(0, 256, (24, 32, 3)).astype("uint8"))
        smooth = np.asarray(rough.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(float)
        pixels = np.clip(smooth + generator.normal(0, 8, smooth.shape), 0, 255).astype("uint8")
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        files.append(file.getvalue())
    return files * (NUM_IMAGES // len(files))


def decode_images(fw: Loaded) -> Run:
    """Time a pass over JPEG files: decode, resize, flip, brighten, batch."""
    tf = fw.tf

    def prepare(file: Any) -> Any:
        image = tf.io.decode_jpeg(file, channels=3)
        image = tf.image.resize(image, [SIZE, SIZE])
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_brightness(image, 20.0)
        return tf.clip_by_value(image, 0.0, 255.0)

    files = tf.data.Dataset.from_tensor_slices(jpegs())
    batches = files.map(prepare, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH_SIZE).prefetch(2)

    def repeat(_: int) -> tuple[int, Any]:
        count, last = 0, None
        for images in batches:
            count, last = count + int(images.shape[0]), images
        return count, last

    def check(found: tuple[int, Any]) -> None:
        count, last = found
        last = np.asarray(last)
        if count != NUM_IMAGES or last.shape != (BATCH_SIZE, SIZE, SIZE, 3) or not 20 < last.std() < 100:
            raise BenchmarkError(f"{count} images, the last batch of shape {last.shape}, {last.std()}")

    return Run(repeat, check, units=NUM_IMAGES)


def lines() -> list[bytes]:
    """Return lines of three integers, five numbers and a word in quotes."""
    generator = np.random.default_rng(0)
    whole = generator.integers(0, 10**6, (NUM_LINES, 3))
    numbers = generator.normal(size=(NUM_LINES, 5))
    return [
        (",".join([*map(str, a), *(f"{n:.6f}" for n in b)]) + f',"word {a[0] % 99}, and more"').encode()
        for a, b in zip(whole.tolist(), numbers.tolist())
    ]


def read_columns(batched: bool) -> Callable[[Loaded], Run]:
    """Time a pass over lines of CSV, in batches or one by one."""

    def build(fw: Loaded) -> Run:
        tf = fw.tf
        given = lines()
        defaults = [[0]] * 3 + [[0.0]] * 5 + [[""]]
        rows = tf.data.Dataset.from_tensor_slices(given)
        if batched:
            rows = rows.batch(LINES_IN_BATCH)
        rows = rows.map(lambda line: tf.io.decode_csv(line, defaults))
        batches = rows if batched else rows.batch(LINES_IN_BATCH)
        expected = sum(int(line.split(b",")[0]) for line in given)

        def repeat(_: int) -> int:
            return sum(int(np.asarray(columns[0]).sum()) for columns in batches)

        def check(found: int) -> None:
            if found != expected:
                raise BenchmarkError(f"the first column adds up to {found}, not to {expected}")

        return Run(repeat, check, units=NUM_LINES)

    return build


def _sides(build: Callable[[Loaded], Run]) -> tuple[Side, ...]:
    return Side("dovetail", "dovetail", build), Side("keras_tf", "tensorflow", build)


_BARS = (Bar("no slower than TensorFlow", than="keras_tf", at_least=1.0),)
WORKLOADS = (
    Workload(
        name="jpeg_pipeline",
        about=f"a pass over {NUM_IMAGES} JPEG files of 500x375: decode, resize to 224x224, flip, brighten, batch",
        unit="images/s",
        sides=_sides(decode_images),
        bars=_BARS,
    ),
    Workload(
        name="csv_batches",
        about=f"a pass over {NUM_LINES} lines of 9 columns, decode_csv on batches of {LINES_IN_BATCH}",
        unit="lines/s",
        sides=_sides(read_columns(batched=True)),
        bars=_BARS,
    ),
    Workload(
        name="csv_lines",
        about=f"a pass over {NUM_LINES} lines of 9 columns, decode_csv line by line, then batches",
        unit="lines/s",
        sides=_sides(read_columns(batched=False)),
        bars=_BARS,
    ),
)
