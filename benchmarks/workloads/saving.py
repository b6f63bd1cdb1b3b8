"""Files of models: one of 100 million parameters, saved and loaded in each format.

The files lie in memory where the system has a folder for that (/dev/shm), so that no disk is measured.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

WIDTH, DEPTH = 2500, 16
MEMORY = "/dev/shm"


def network(keras: Any) -> Any:
    """Build a stack of dense layers of 100 million parameters."""
    layers = [keras.layers.Dense(WIDTH) for _ in range(DEPTH)]
    return keras.Sequential([keras.Input((WIDTH,)), *layers])


def _folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(dir=MEMORY if os.path.isdir(MEMORY) else None)


def _whole(ending: str, loads: bool) -> Callable[[Loaded], Run]:
    def build(fw: Loaded) -> Run:
        keras, folder = fw.keras, _folder()
        model, path = network(keras), os.path.join(folder.name, f"model.{ending}")
        warnings.simplefilter("ignore")  # Keras warns of HDF5
        model.save(path)

        def repeat(_: int) -> Any:
            os.stat(folder.name)  # which is kept as long as this function
            if loads:
                return keras.models.load_model(path)
            model.save(path)
            return model

        def check(found: Any) -> None:
            same = np.array_equal(found.layers[-1].get_weights()[0], model.layers[-1].get_weights()[0])
            if not same or os.path.getsize(path) < 4 * WIDTH * WIDTH * DEPTH:
                raise BenchmarkError("the weights did not come back")

        return Run(repeat, check, units=1, warmups=1)

    return build


def _weights(loads: bool) -> Callable[[Loaded], Run]:
    def build(fw: Loaded) -> Run:
        folder = _folder()
        model, path = network(fw.keras), os.path.join(folder.name, "model.weights.h5")
        model.save_weights(path)

        def repeat(_: int) -> Any:
            (model.load_weights if loads else model.save_weights)(path)
            return folder

        def check(_: Any) -> None:
            if os.path.getsize(path) < 4 * WIDTH * WIDTH * DEPTH:
                raise BenchmarkError("the weights were not written")

        return Run(repeat, check, units=1, warmups=1)

    return build


_BARS = (Bar("at least as fast as Keras", than="keras_tf", at_least=1.0),)
_BUILDS = {
    "keras_file": lambda loads: _whole("keras", loads),
    "h5_file": lambda loads: _whole("h5", loads),
    "weights_file": _weights,
}
WORKLOADS = tuple(
    Workload(
        name=f"{verb}_{kind}",
        about=f"{verb} a model of {WIDTH * (WIDTH + 1) * DEPTH:,} parameters: {kind.replace('_', ' ')}",
        unit="s",
        sides=(
            Side("dovetail", "dovetail", build(verb == "load")),
            Side("keras_tf", "keras_tf", build(verb == "load")),
        ),
        bars=_BARS,
    )
    for kind, build in _BUILDS.items()
    for verb in ("save", "load")
)
