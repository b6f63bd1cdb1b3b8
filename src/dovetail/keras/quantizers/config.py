"""How a layer or a model is quantized, as objects."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.quantizers.quantizer import AbsMaxQuantizer
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = [
    "Float8QuantizationConfig",
    "Int4QuantizationConfig",
    "Int8QuantizationConfig",
    "QuantizationConfig",
]


class QuantizationConfig:
    """Base of what `quantize(config=...)` takes.

    Args:
        weight_quantizer: of the kernel; the mode's own when None.
        activation_quantizer: of the inputs; None: they stay floats.

    Attributes:
        mode: name of the kind of quantization.
    """

    mode: str = ""

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = None) -> None:
        if not self.mode:
            raise NotImplementedError(
                f"{type(self).__name__}: use Int8QuantizationConfig or one of its like, or define mode"
                f"{at_user_location()}"
            )
        self.weight_quantizer, self.activation_quantizer = weight_quantizer, activation_quantizer

    def get_config(self) -> dict[str, Any]:
        return {
            "weight_quantizer": serialize_keras_object(self.weight_quantizer),
            "activation_quantizer": serialize_keras_object(self.activation_quantizer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        read = {
            name: deserialize_keras_object(value) if isinstance(value, dict) else value
            for name, value in config.items()
        }
        return cls(**read)


class Int8QuantizationConfig(QuantizationConfig):
    """8-bit kernels, with one scale an output, and 8-bit inputs.

    Args:
        weight_quantizer: of the kernel.
        activation_quantizer: of the inputs; "default": by their largest absolute value; None: they stay floats.
    """

    mode = "int8"

    def __init__(self, weight_quantizer: Any = None, activation_quantizer: Any = "default") -> None:
        if isinstance(activation_quantizer, str):
            activation_quantizer = AbsMaxQuantizer()
        super().__init__(weight_quantizer, activation_quantizer)
        _check_int8(self)


class Int4QuantizationConfig(QuantizationConfig):
    """4-bit kernels, two to a byte; inputs stay floats.

    Args:
        weight_quantizer: of the kernel; for kernels without blocks.
        activation_quantizer: of the inputs; for kernels without blocks.
        block_size: rows that share a scale and a zero; None or -1: one scale an output.
    """

    mode = "int4"

    def __init__(
        self,
        weight_quantizer: Any = None,
        activation_quantizer: Any = "default",
        block_size: int | None = 128,
    ) -> None:
        if isinstance(activation_quantizer, str):
            activation_quantizer = None
        super().__init__(weight_quantizer, activation_quantizer)
        if block_size is not None and (not isinstance(block_size, int) or block_size < -1 or not block_size):
            raise ValueError(
                f"Int4QuantizationConfig: block_size must be None, -1 or a positive integer, received {block_size!r}"
                f"{at_user_location()}"
            )
        self.block_size = block_size
        blocks = block_size is not None and block_size > 0
        if blocks and (weight_quantizer is not None or self.activation_quantizer is not None):
            raise ValueError(
                f"Int4QuantizationConfig: with blocks (block_size={block_size}) there is no choice of quantizers; pass "
                f"block_size=None to use your own{at_user_location()}"
            )
        if weight_quantizer is not None and tuple(weight_quantizer.value_range) != (-8, 7):
            raise ValueError(
                f"Int4QuantizationConfig: weight_quantizer must have the value_range (-8, 7), received "
                f"{weight_quantizer.value_range}{at_user_location()}"
            )
        _check_int8(self)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"block_size": self.block_size}


class Float8QuantizationConfig(QuantizationConfig):
    """Products of 8-bit floats, for training; weights stay what they are."""

    mode = "float8"

    def __init__(self) -> None:
        super().__init__()

    def get_config(self) -> dict[str, Any]:
        return {}


def _check_int8(config: Any) -> None:
    quantizer = config.weight_quantizer
    if quantizer is not None and quantizer.output_dtype != "int8":
        raise ValueError(
            f"{type(config).__name__}: weight_quantizer must have output_dtype='int8', received "
            f"{quantizer.output_dtype!r}{at_user_location()}"
        )


BY_MODE = {
    kind.mode: kind for kind in (Int8QuantizationConfig, Int4QuantizationConfig, Float8QuantizationConfig)
}


def resolved(mode: Any, config: Any) -> QuantizationConfig:
    """Returns the config that `quantize(mode, config)` means.

    Raises:
        ValueError: neither is given, they contradict each other, or the mode is unknown.
        NotImplementedError: a mode that needs data for calibration, "gptq" or "awq".
    """
    if isinstance(config, str):
        mode, config = config, None
    if config is None and mode in ("gptq", "awq"):
        raise NotImplementedError(
            f"quantize: mode {mode!r} is not supported; use {', '.join(BY_MODE)}{at_user_location()}"
        )
    if config is None:
        if mode not in BY_MODE:
            raise ValueError(
                f"quantize: pass a mode, one of {', '.join(BY_MODE)}, or a config; received mode={mode!r}"
                f"{at_user_location()}"
            )
        return BY_MODE[mode]()
    if not isinstance(config, QuantizationConfig):
        raise ValueError(
            f"quantize: config must be a keras.quantizers.QuantizationConfig, received {config!r:.60}"
            f"{at_user_location()}"
        )
    if mode is not None and mode != config.mode:
        raise ValueError(
            f"quantize: mode={mode!r} contradicts a config for {config.mode!r}{at_user_location()}"
        )
    return config
