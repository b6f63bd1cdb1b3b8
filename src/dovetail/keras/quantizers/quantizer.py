"""Quantizers: quantization with its arguments, as objects that a config can hold."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.quantizers.functions import EPSILON, abs_max_quantize

__all__ = ["AbsMaxQuantizer", "Quantizer"]


class Quantizer:
    """Base of quantizers.  Subclasses define `__call__`.

    Args:
        output_dtype: of the integers.
    """

    def __init__(self, output_dtype: str = "int8") -> None:
        self.output_dtype = output_dtype

    def __call__(self, x: Any) -> Any:
        return x

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} must define get_config()")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


class AbsMaxQuantizer(Quantizer):
    """Quantizes by the largest absolute value; see `abs_max_quantize`.

    Args:
        axis: the axis, or axes, that share a scale, for calls that name none; None: the last.
        value_range: smallest and largest integer.
        epsilon: added to the maximum.
        output_dtype: of the integers.
    """

    def __init__(
        self,
        axis: Any = None,
        value_range: tuple = (-127, 127),
        epsilon: float = EPSILON,
        output_dtype: str = "int8",
    ) -> None:
        super().__init__(output_dtype)
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)
        self.value_range, self.epsilon = tuple(value_range), epsilon
        if output_dtype == "int8" and not -128 <= value_range[0] <= value_range[1] <= 127:
            raise ValueError(
                f"AbsMaxQuantizer: value_range must lie in [-128, 127] for int8, received {value_range}"
                f"{at_user_location()}"
            )

    def __call__(self, x: Any, axis: Any = None, to_numpy: bool = False) -> tuple:
        """Returns the integers and their scale."""
        axis = self.axis if axis is None else axis
        axis = -1 if axis is None else axis
        return abs_max_quantize(x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy)

    def get_config(self) -> dict[str, Any]:
        own = {"value_range": self.value_range, "epsilon": self.epsilon, "output_dtype": self.output_dtype}
        return own if self.axis is None else own | {"axis": self.axis}
