"""Forecasts two time series, one that can be forecast and one that cannot, beside the naive forecast.

    python examples/forecast.py [--data FOLDER] [--out FOLDER] [--quick]

Sunspots come and go in cycles of some 11 years: 132 months of history tell much of the next 24.  Exchange rates move
almost like a random walk: the naive forecast, that tomorrow is as today, is hard to beat.  One model does both: it
predicts by how much the series will differ from its last value.  It is trained on the first 70%, and stops by the
next 15%; the last 15% are the test.

Stated quality, as a root mean squared error divided by that of the naive forecast: under 0.7 for the sunspots,
under 1.03 for the rates.

Data: monthly mean sunspot numbers since 1749, SILSO, Royal Observatory of Belgium; daily exchange rates of 8
countries, 1990-2016, from Lai et al., Modeling Long- and Short-Term Temporal Patterns, 2018.
"""

from __future__ import annotations

import dataclasses
import pathlib

import matplotlib.pyplot as plt
import numpy as np
import setting

import dovetail as tf
from dovetail import keras


@dataclasses.dataclass
class Task:
    """A series (time, channels) in units of its standard deviation, and what to forecast of it."""

    name: str
    series: np.ndarray
    history: int  # steps the model sees
    horizon: int  # steps it forecasts
    limit: float  # the stated quality


def load(folder: pathlib.Path) -> list[Task]:
    """Reads both files; mean and deviation are those of the part for training."""
    sunspots, rates = setting.find(folder, "sunspots.csv", "exchange_rate.txt")
    monthly = np.loadtxt(sunspots, delimiter=",", skiprows=1, usecols=[2], ndmin=2)
    daily = np.log(np.loadtxt(rates, delimiter=","))
    tasks = [Task("sunspots", monthly, 132, 24, 0.7), Task("exchange rates", daily, 30, 5, 1.03)]
    for task in tasks:
        seen = task.series[: int(0.7 * len(task.series))]
        task.series = ((task.series - seen.mean(axis=0)) / seen.std(axis=0)).astype("float32")
    return tasks


def windows(series: np.ndarray, history: int, horizon: int) -> tf.data.Dataset:
    """Returns batches of `(past (batch, history, channels), future (batch, horizon, channels))`, in order."""
    length = history + horizon
    dataset = tf.data.Dataset.from_tensor_slices(series).window(length, shift=1, drop_remainder=True)
    dataset = dataset.flat_map(lambda window: window.batch(length))
    return dataset.map(lambda window: (window[:history], window[history:])).batch(64).cache()


def build(history: int, horizon: int, channels: int) -> keras.Model:
    """Returns a model from the past to the future of a series, which begins as the naive forecast."""
    past = keras.Input((history, channels))
    last = past[:, -1:]  # (batch, 1, channels)
    x = keras.layers.Conv1D(32, 6, strides=3, activation="relu")(past - last)
    x = keras.layers.GRU(32)(x)
    change = keras.layers.Dense(horizon * channels, kernel_initializer="zeros")(x)
    return keras.Model(past, last + tf.reshape(change, (-1, horizon, channels)))


def forecast(task: Task, epochs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trains on the first part; returns of the last one the model's forecasts, the naive ones, and what came."""
    first, second = int(0.7 * len(task.series)), int(0.85 * len(task.series))
    parts = (task.series[:first], task.series[first:second], task.series[second:])
    train, validation, test = (windows(part, task.history, task.horizon) for part in parts)
    model = build(task.history, task.horizon, task.series.shape[1])
    model.compile(keras.optimizers.Adam(1e-3), loss="mse")
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    model.fit(train.shuffle(100), validation_data=validation, epochs=epochs, callbacks=[stop], verbose=2)
    pasts, futures = (np.concatenate(batches) for batches in zip(*test.as_numpy_iterator()))
    return (
        model.predict(test, verbose=0),
        pasts[:, -1:],
        futures,
    )  # each (n, horizon, channels), or 1 for horizon


def error_by_step(forecasts: np.ndarray, futures: np.ndarray) -> np.ndarray:
    """Returns the root mean squared error of each step of the horizon."""
    return np.sqrt(np.mean((forecasts - futures) ** 2, axis=(0, 2)))


def main() -> None:
    chosen = setting.options(__doc__)
    keras.utils.set_random_seed(0)
    figure, axes = plt.subplots(2, 2, figsize=(11, 7))
    outcomes = []
    for task, (left, right) in zip(load(chosen.data), axes, strict=True):
        if chosen.quick:
            task.series = task.series[-1500:]
        forecasts, naive, futures = forecast(task, epochs=1 if chosen.quick else 60)
        model_error, naive_error = error_by_step(forecasts, futures), error_by_step(naive, futures)
        ratio = float(np.sqrt(np.mean(model_error**2) / np.mean(naive_error**2)))
        print(f"{task.name}: error {ratio:.3f} of the naive forecast's over {task.horizon} steps")
        outcomes.append((task, ratio))

        left.plot(naive_error, label="naive")
        left.plot(model_error, label="model")
        left.set(title=f"{task.name}: error by step", xlabel="steps ahead", ylim=0)
        right.plot(futures[:, -1, 0], label="what came")
        right.plot(forecasts[:, -1, 0], label=f"forecast {task.horizon} steps before")
        right.set(title="standard deviations from the mean", xlabel="step of the test")
        for axis in (left, right):
            axis.legend()
    figure.tight_layout()
    figure.savefig(chosen.out / "forecast.png", dpi=120)
    plt.close(figure)
    print(f"picture in {chosen.out / 'forecast.png'}")
    for task, ratio in outcomes:
        setting.check(f"{task.name} under {task.limit} of naive", ratio < task.limit, chosen.quick)


if __name__ == "__main__":
    main()
