"""What `fit` would run on devices that need not be there, from the same code that makes what it runs here."""

from __future__ import annotations

from typing import Any

from dovetail.keras.training.arrays import ArrayData


def lowered_fit(model: Any, x: Any, y: Any = None, batch_size: int = 32, platform: str = "cuda") -> Any:
    """Returns the loop over training steps that `fit` runs, lowered for a platform.

    Args:
        model: compiled; it is built where it is not yet, and nothing of it changes.
        x, y, batch_size: as for `fit`, arrays in memory with at least one whole batch.
        platform: "cpu", "cuda", "rocm" or "tpu".

    Returns:
        JAX's `Lowered`: `as_text()`, `cost_analysis()`; `compile()` where there is such a device.

    Raises:
        DataDependentShapeError: the step runs op by op.
    """
    data = ArrayData(x, y, None, batch_size, shuffle=False)
    return model._executors["train"].lowered(data, platform)
