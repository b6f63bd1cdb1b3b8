"""A frozen graph of TensorFlow, imported and run: MobileNet at 128x128, half as wide, of random weights.

We export the model, TensorFlow makes a graph of constants of it (`convert_variables_to_constants_v2`), and both sides
import the same file.  A repeat predicts a batch a number of times.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload

SIZE = 128
# Run by a process of its own: nobody who is measured has the other package loaded.
_WRITE = """
import sys
import numpy as np
import dovetail as tf
tf.random.set_seed(0)
model = tf.keras.applications.MobileNet(input_shape=(128, 128, 3), alpha=0.5, weights=None)
model.export(sys.argv[1] + "/saved")
images = np.random.default_rng(0).normal(size=(8, 128, 128, 3)).astype("float32")
import tensorflow
from tensorflow.python.framework import convert_to_constants
loaded = tensorflow.saved_model.load(sys.argv[1] + "/saved")
frozen = convert_to_constants.convert_variables_to_constants_v2(loaded.signatures["serving_default"])
with open(sys.argv[1] + "/frozen.pb", "wb") as file:
    file.write(frozen.graph.as_graph_def().SerializeToString())
np.savez(sys.argv[1] + "/images.npz", images=images, found=np.asarray(model(images)))
"""


def _imported(tf: Any, folder: str) -> Callable:
    """Return the function of a frozen graph."""
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString((Path(folder) / "frozen.pb").read_bytes())
    fed = next(node.name for node in graph.node if node.op == "Placeholder")
    last = graph.node[-1].name
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    return wrapped.prune(f"{fed}:0", f"{last}:0")


def predict(batch_size: int) -> Callable[[Loaded], Run]:
    """Time predictions of one batch."""

    def build(fw: Loaded) -> Run:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-c", _WRITE, folder], check=True, capture_output=True)
            function = _imported(fw.tf, folder)
            with np.load(Path(folder) / "images.npz") as held:
                images, expected = held["images"][:batch_size], held["found"][:batch_size]
        given = fw.tf.constant(images)

        def repeat(n: int) -> np.ndarray:
            for _ in range(n):
                found = np.asarray(function(given))
            return found

        def check(found: np.ndarray) -> None:
            if not np.allclose(found.reshape(expected.shape), expected, rtol=1e-3, atol=1e-5):
                raise BenchmarkError("the imported graph gives something else than the model")

        return Run(repeat, check, units=batch_size)

    return build


def _workload(batch_size: int) -> Workload:
    build = predict(batch_size)
    return Workload(
        name=f"frozen_mobilenet_{batch_size}",
        about=f"a frozen MobileNet (alpha 0.5, {SIZE}x{SIZE}), imported from a GraphDef, batch {batch_size}",
        unit="images/s",
        sides=(Side("dovetail", "dovetail", build), Side("keras_tf", "tensorflow", build)),
        bars=(Bar("no slower than TensorFlow", than="keras_tf", at_least=1.0),),
    )


WORKLOADS = (_workload(1), _workload(8))
