"""What Keras' architectures are made of, built without drawing weights.

    python -m tests.keras.applications_reference 3 FILE [NAMES]    Keras 3's, into a JSON file
    python -m tests.keras.applications_reference 2 FILE [NAMES]    those that only Keras 2 has

`make_data` runs both and writes tests/keras/data/applications.json:

    python -m tests.keras.applications_reference all tests/keras/data/applications.json
"""

import hashlib
import json
import os
import subprocess
import sys

# The smallest images where 32x32 are too few.
SMALLEST = {"InceptionV3": 75, "InceptionResNetV2": 75, "Xception": 71}
CLASSES = 7


def arguments(name):
    """Returns what an architecture is built with, here and there."""
    size = SMALLEST.get(name, 32)
    return {"weights": None, "input_shape": (size, size, 3), "classes": CLASSES}


def names_of(applications, only_here=None):
    """Returns the names of all architectures of a namespace, without those of another one."""
    found = [name for name in dir(applications) if name[0].isupper()]
    return [name for name in found if only_here is None or not hasattr(only_here, name)]


def facts(model):
    """Returns the name and number of parameters, and a digest of each layer's class, name and weights."""
    rows = [
        (type(layer).__name__, layer.name, [tuple(int(n) for n in w.shape) for w in layer.weights])
        for layer in model.layers
        if type(layer).__name__ not in ("InputLayer", "TFOpLambda")
    ]
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()
    return {"model": model.name, "count": model.count_params(), "layers": len(rows), "digest": digest}


def _keras_3():
    """Returns Keras 3 with variables that are zeros: drawing the values takes most of the time."""
    import keras
    import numpy as np
    from keras.src.backend.jax import core

    def zeros(self, initializer):
        self._value = np.zeros(self._shape, self._dtype)

    for kind in {core.Variable, core.JaxVariable}:
        kind._initialize_with_initializer = zeros
    return keras


def _keras_2():
    """Returns Keras 2 with variables that are zeros."""
    import tensorflow as tf
    import tf_keras
    from tf_keras.src.engine import base_layer_utils

    original = base_layer_utils.make_variable

    def zeros(name, shape=None, dtype=None, initializer=None, **kwargs):
        def draw(shape, dtype=None, **kwargs):
            return tf.zeros(shape, dtype or tf.float32)

        return original(name, shape=shape, dtype=dtype, initializer=draw, **kwargs)

    base_layer_utils.make_variable = zeros
    return tf_keras


def write(generation, path, names):
    """Writes the facts of architectures of one Keras."""
    keras = _keras_3() if generation == "3" else _keras_2()
    if not names:
        import keras as newer

        names = names_of(keras.applications, None if generation == "3" else newer.applications)
    found = {}
    for name in names:
        keras.backend.clear_session()
        found[name] = facts(getattr(keras.applications, name)(**arguments(name)))
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file)


def run(generation, path, names=()):
    """Returns the facts of architectures of one Keras, which is loaded in a process of its own."""
    command = [sys.executable, "-m", "tests.keras.applications_reference", generation, str(path), *names]
    environment = os.environ | {"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def make_data(path):
    """Writes the file that the tests read."""
    found = run("3", path) | run("2", path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            "{\n" + ",\n".join(f' "{name}": {json.dumps(found[name])}' for name in sorted(found)) + "\n}\n"
        )


if __name__ == "__main__":
    if sys.argv[1] == "all":
        make_data(sys.argv[2])
    else:
        write(sys.argv[1], sys.argv[2], sys.argv[3:])
