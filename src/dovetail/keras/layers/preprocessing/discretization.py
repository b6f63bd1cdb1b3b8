"""`keras.layers.Discretization`: numbers as the bins that they fall into."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.preprocessing.encoding import as_inputs, check_sparse, encode, mode_of
from dovetail.keras.layers.preprocessing.normalization import batches_of
from dovetail.ops.keras_array import digitize
from dovetail.tensor.tensor import Tensor

__all__ = ["Discretization"]


class Discretization(Declared):
    """Returns the number of the bin that each input falls into; bins hold their lower boundary, not their upper.

    Args:
        bin_boundaries: the boundaries between bins, in order; the first and the last bin are open.
        num_bins: how many bins to find with `adapt`, instead of `bin_boundaries`.
        epsilon: how exactly: smaller numbers take more memory.
        output_mode: "int", "one_hot", "multi_hot" or "count"; see `CategoryEncoding`.
        sparse: return a SparseTensor, in other modes than "int".

    Example:
        >>> keras.layers.Discretization([0.0, 1.0])([[-1.5, 0.0, 3.4]]).numpy().tolist()
        [[0, 1, 2]]
    """

    _arguments = (
        Argument("bin_boundaries", None),
        Argument("num_bins", None, hint="int | None"),
        Argument("epsilon", 0.01, hint="float"),
        Argument("output_mode", "int", read=mode_of("int", "one_hot", "multi_hot", "count"), hint="str"),
        Argument("sparse", False, hint="bool"),
    )
    bin_boundaries: Any
    num_bins: Any
    epsilon: float
    output_mode: str
    sparse: bool

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        return super()._passed_on(given, kwargs | {"autocast": False})  # its dtype is that of what it gives

    def _begin(self) -> None:
        check_sparse(self)
        if (self.num_bins is None) == (self.bin_boundaries is None):
            raise ValueError(
                "Discretization: pass bin_boundaries or num_bins, one of them, received bin_boundaries="
                f"{self.bin_boundaries!r:.60} and num_bins={self.num_bins}{at_user_location()}"
            )
        if self.num_bins is not None and (not isinstance(self.num_bins, int) or self.num_bins < 0):
            raise ValueError(
                f"Discretization: num_bins must be an integer of at least 0, received {self.num_bins!r}"
                f"{at_user_location()}"
            )
        if self.bin_boundaries is not None:
            self.bin_boundaries = np.asarray(self.bin_boundaries).tolist()
        self._summary: Any = np.zeros((2, 0), np.float32)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(as_inputs(inputs), *args, **kwargs)

    @property
    def _out_dtype(self) -> Any:
        if self.output_mode != "int":
            return self.compute_dtype
        return "int64" if is_keras_2() else "int32"

    def get_config(self) -> dict:
        """Returns the arguments; `trainable`, which Keras' class does not take, when it is False."""
        config = super().get_config()
        return {name: value for name, value in config.items() if name != "trainable" or not value}

    def call(self, inputs: Any) -> Any:
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self.name}: has no boundaries yet. Call adapt() on data first, or pass bin_boundaries"
                f"{at_user_location()}"
            )
        bounds = Tensor(np.asarray(self.bin_boundaries, np.float32))
        numbers = digitize(inputs if inputs.dtype.name == "float32" else inputs._astype("float32"), bounds)
        return encode(numbers, self.output_mode, len(self.bin_boundaries) + 1, self._out_dtype, self.sparse)

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Finds boundaries between which there is about the same number of values, and forgets what it knew.

        Args:
            data: an array, a tensor, a dataset of batches, or an iterable of batches.
            batch_size: of the batches that an array is cut into; None: it is one.
            steps: how many batches to look at; None: all.
        """
        if self.num_bins is None:
            raise ValueError(
                f"{self.name}: its bin_boundaries were given; pass num_bins to adapt{at_user_location()}"
            )
        self.reset_state()
        for batch in batches_of(self, data, steps, batch_size):
            self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Adds a batch of data to what boundaries are found from."""
        self._summary = _merged(
            _summary_of(np.asarray(data, np.float32), self.epsilon), self._summary, self.epsilon
        )

    def finalize_state(self) -> None:
        """Finds the boundaries."""
        if self.num_bins is not None:
            self.bin_boundaries = _compressed(self._summary, 1.0 / self.num_bins)[0, :-1].tolist()

    def reset_state(self) -> None:
        """Forgets the data."""
        if self.num_bins is not None:
            self._summary = np.zeros((2, 0), np.float32)

    @classmethod
    def from_config(cls, config: dict) -> Any:
        found = config.get("bin_boundaries")
        if found is None or config.get("num_bins") is None:
            return super().from_config(config)
        layer = super().from_config(config | {"bin_boundaries": None})  # adapted
        layer.bin_boundaries = found
        return layer


# ---- summaries: values in order, and how many numbers each stands for: (2, n) -------------------------------------


def _summary_of(values: np.ndarray, epsilon: float) -> np.ndarray:
    ordered = np.sort(values.reshape(-1))
    step = max(ordered.size * epsilon, 1.0)
    picked = ordered[int(step - 1) :: int(step)]
    return np.stack([picked, np.full_like(picked, step)])


def _merged(first: np.ndarray, second: np.ndarray, epsilon: float) -> np.ndarray:
    both = np.concatenate([first, second], axis=1)
    return _compressed(both[:, np.argsort(both[0])], epsilon)


def _compressed(summary: np.ndarray, epsilon: float) -> np.ndarray:
    """Returns a summary of about 1 / epsilon values: where each such part of all the numbers ends."""
    if summary.shape[1] * epsilon < 1:
        return summary
    wanted = epsilon + np.arange(0.0, 1.0, epsilon)
    total = summary[1].cumsum()
    reached = total / total[-1]
    ends = np.interp(wanted, reached, total)
    weights = np.diff(ends, prepend=0)
    return np.stack([np.interp(wanted, reached, summary[0]), weights]).astype(np.float32)
