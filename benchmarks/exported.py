"""Exports a model: `python -m benchmarks.exported MODEL DIRECTORY` writes model.onnx and what it should give."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import data, keras_images, keras_models
from benchmarks.frameworks import environment, load

IMAGE_SIZE = 32
FEW = 2
MOST = 256  # samples are the first of so many: what is drawn depends on how many are
INPUTS = {
    "mlp": lambda n: data.digits(MOST)[0][:n],
    "cnn": lambda n: data.digits(MOST)[0][:n].reshape(-1, 28, 28, 1),
    "resnet50": lambda n: data.pictures(MOST, size=IMAGE_SIZE)[0][:n],
    "lstm": lambda n: data.sequences(MOST)[0][:n],
    "transformer": lambda n: data.tokens(MOST)[0][:n],
}
MODELS = {
    "mlp": lambda fw: keras_models.mlp(fw.keras),
    "cnn": lambda fw: keras_models.cnn(fw.keras),
    "resnet50": lambda fw: keras_images.application(fw.keras, "ResNet50", IMAGE_SIZE),
    "lstm": lambda fw: keras_models.recurrent(fw.keras, "LSTM"),
    "transformer": keras_models.transformer,
}


def exported(name: str) -> tuple[bytes, np.ndarray]:
    """Export the model in a process of its own; returns the file, and the outputs of two samples."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "benchmarks.exported", name, directory]
        subprocess.run(command, env=environment("dovetail"), check=True, stdout=sys.stderr)
        return (Path(directory) / "model.onnx").read_bytes(), np.load(Path(directory) / "outputs.npy")


def main(name: str, directory: str) -> None:
    """Write the file and the outputs."""
    model = MODELS[name](load("dovetail"))
    model.export(str(Path(directory) / "model.onnx"), format="onnx", verbose=False)
    np.save(Path(directory) / "outputs.npy", np.asarray(model(INPUTS[name](FEW))))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
