"""What `first_step` times: `python -m benchmarks.first_step FRAMEWORK` trains the CNN on one batch."""

from __future__ import annotations

import math
import os
import sys

from benchmarks import data, keras_models
from benchmarks.frameworks import load

FINISHED = "first step finished"
BATCH_SIZE = 128


def main(framework: str) -> None:
    """Build, compile and fit on a single batch, then say so."""
    fw = load(framework)
    images, labels = data.digits(BATCH_SIZE)
    model = keras_models.compiled(fw.keras, keras_models.cnn(fw.keras))
    history = model.fit(images.reshape(-1, 28, 28, 1), labels, batch_size=BATCH_SIZE, epochs=1, verbose=0)
    loss = history.history["loss"][0]
    if not math.isfinite(loss):
        raise SystemExit(f"the first loss is {loss}")
    os.write(1, f"{FINISHED}: loss {loss:.4f}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
