"""Layers whose kernel may be replaced once they are built: by one with a low-rank addition, or with fewer bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras import checks, initializers
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.machinery.kernels import Float8, Int4, Int4Blocks, Int8, Kernel, LowRank, Rounded
from dovetail.keras.mixed_precision import quantized
from dovetail.keras.quantizers import (
    AbsMaxQuantizer,
    abs_max_quantize_grouped_with_zero_point,
    pack_int4,
)
from dovetail.keras.quantizers.config import BY_MODE, QuantizationConfig, resolved
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops.shapes import expand_dims, reshape


def _rank(layer: Any, name: str, value: Any) -> int | None:
    return None if value is None else checks.count(value, f"{type(layer).__name__}: {name}", 1)


def _config(layer: Any, name: str, value: Any) -> Any:
    value = deserialize_keras_object(value) if isinstance(value, dict) else value
    if value is not None and not isinstance(value, QuantizationConfig):
        raise ValueError(
            f"{type(layer).__name__}: quantization_config must be a keras.quantizers.QuantizationConfig, received "
            f"{value!r:.60}{at_user_location()}"
        )
    return value


LORA = (Argument("lora_rank", None, _rank), Argument("lora_alpha", None))
ADAPTED = (*LORA, Argument("quantization_config", None, _config))


class Adaptable(Declared):
    """A layer with a kernel that `enable_lora` and `quantize` replace.

    Attributes:
        lora_enabled: whether the kernel has a low-rank addition.
    """

    _kernel_name = "kernel"
    _modes: tuple[str, ...] = ()  # of `quantize`
    lora_enabled = False
    lora_rank: Any
    lora_alpha: Any
    quantization_config: Any = None
    _kernel: Any
    bias: Any

    # ---- low-rank addition

    def enable_lora(
        self,
        rank: int,
        lora_alpha: Any = None,
        a_initializer: Any = "he_uniform",
        b_initializer: Any = "zeros",
    ) -> None:
        """Freezes the kernel, and adds `lora_alpha / rank * a @ b` to it, which is trained.

        Args:
            rank: inner size of the product.
            lora_alpha: its factor is `lora_alpha / rank`; the rank when None.
            a_initializer, b_initializer: of the two weights.

        Raises:
            ValueError: the layer is not built, has an addition already, or a constraint on its kernel.
        """
        name = self._kernel_name
        rank = checks.count(rank, f"{self.name}.enable_lora: rank", 1)
        if not self.built or self.lora_enabled:
            state = (
                "has an addition already"
                if self.lora_enabled
                else "is not built: call it, or build it, first"
            )
            raise ValueError(f"{self.name}.enable_lora: the layer {state}{at_user_location()}")
        if getattr(self, f"{name}_constraint", None) is not None:
            raise ValueError(
                f"{self.name}.enable_lora: the layer has a {name}_constraint, which a sum does not keep; make it "
                f"without{at_user_location()}"
            )
        if self.quantization_mode == "float8":
            raise NotImplementedError(f"{self.name}.enable_lora: not with float8{at_user_location()}")
        base = getattr(self, name)
        shapes = ((*base.shape[:-1], rank), (rank, base.shape[-1]))
        made = [
            self.add_weight(
                name=f"lora_{name}_{letter}",
                shape=shape,
                initializer=initializers.get(initializer),
                dtype="float32",
                regularizer=getattr(self, f"{name}_regularizer", None),
            )
            for letter, shape, initializer in zip("ab", shapes, (a_initializer, b_initializer), strict=True)
        ]
        for letter, weight in zip("ab", made, strict=True):
            setattr(self, f"lora_{name}_{letter}", weight)
        if self.quantization_mode is None:
            self._kernel = base
            base.trainable = False
        self.lora_rank, self.lora_alpha = rank, rank if lora_alpha is None else lora_alpha
        self.lora_enabled = True
        setattr(self, name, LowRank(base, made[0], made[1], self.lora_alpha / rank))

    # ---- fewer bits

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Replaces the kernel by one of fewer bits.

        Args:
            mode: "int8", "int4" or "float8", those that the layer has.
            type_check: refuse subclasses, which may use the kernel in ways of their own.
            config: a `keras.quantizers.QuantizationConfig`; the mode's default when None.

        Raises:
            NotImplementedError: the layer does not have the mode.
            ValueError: it is not built, or is quantized already.
        """
        config = resolved(mode, config)
        if type_check and not (self._is_own and type(self)._is_leaf):
            raise NotImplementedError(
                f"{self.name}.quantize: {type(self).__name__} is a subclass; pass type_check=False{at_user_location()}"
            )
        if not self.built or self.quantization_mode is not None or self.lora_enabled:
            state = "is quantized or has an addition already" if self.built else "is not built"
            raise ValueError(f"{self.name}.quantize: the layer {state}{at_user_location()}")
        self._quantize_as(config)
        block = getattr(config, "block_size", None)
        label = f"int4/{-1 if block is None else block}" if config.mode == "int4" else config.mode
        self.dtype_policy = f"{label}_from_{self._policy.name}"

    def _quantize_as(self, config: Any) -> None:
        if config.mode not in self._modes:
            raise NotImplementedError(
                f"{self.name}.quantize: {type(self).__name__} has {' and '.join(self._modes) or 'no modes'}, not "
                f"{config.mode}{at_user_location()}"
            )
        self.quantization_config = config
        {"int8": self._make_int8, "int4": self._make_int4, "float8": self._make_float8}[config.mode](config)

    def _summed_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Returns the axes that a product sums over: of the inputs, and of the kernel."""
        return (-1,), (0,)

    def _scale_shape(self, scale: Any) -> tuple:
        """Returns the shape that Keras gives the scale, which has size 1 along the summed axes of the kernel."""
        return tuple(size for axis, size in enumerate(scale.shape) if axis not in self._summed_axes()[1])

    def _spread_scale(self, scale: Any) -> Any:
        """Returns the scale so that it broadcasts to the kernel."""
        for axis in self._summed_axes()[1]:
            scale = expand_dims(scale, axis=axis)
        return scale

    def _make_int8(self, config: Any) -> None:
        inputs_axes, kernel_axes = self._summed_axes()
        quantizer = config.weight_quantizer or AbsMaxQuantizer()
        whole, scale = quantizer(getattr(self, self._kernel_name), axis=kernel_axes)
        values, scale = self._replace(whole, scale)
        made = Int8(
            values, scale, self._spread_scale, self.compute_dtype, config.activation_quantizer, inputs_axes
        )
        setattr(self, self._kernel_name, made)

    def _make_int4(self, config: Any) -> None:
        inputs_axes, kernel_axes = self._summed_axes()
        kernel = getattr(self, self._kernel_name)
        size, shape, block = int(kernel.shape[-1]), tuple(kernel.shape), config.block_size
        if block is None or block == -1:
            quantizer = config.weight_quantizer or AbsMaxQuantizer(value_range=(-8, 7))
            whole, scale = quantizer(kernel, axis=kernel_axes)
            values, scale = self._replace(pack_int4(whole, axis=-1)[0], scale)
            more = (self._spread_scale, self.compute_dtype, config.activation_quantizer, inputs_axes)
            setattr(self, self._kernel_name, Int4(values, scale, *more, size=size))
            return
        num_rows = math.prod(shape[:-1])
        whole, scale, zero = abs_max_quantize_grouped_with_zero_point(
            reshape(kernel, shape=(num_rows, size)), block
        )
        values, scale = self._replace(pack_int4(whole, axis=-1)[0], scale, given=True)
        zero = self._constant(f"{self._kernel_name}_zero", zero)
        blocks = self._constant("g_idx", (np.arange(num_rows) // block).astype("float32"))
        made = Int4Blocks(values, scale, zero, blocks, self.compute_dtype, size, shape)
        setattr(self, self._kernel_name, made)

    def _make_float8(self, config: Any) -> None:
        length = getattr(self._policy, "amax_history_length", 1024)
        state = tuple(
            (
                self._constant(f"{role}_scale", np.ones((), "float32")),
                self._constant(f"{role}_amax_history", np.zeros(length, "float32")),
            )
            for role in ("inputs", "kernel", "outputs_grad")
        )
        self._kernel = getattr(self, self._kernel_name)
        setattr(
            self, self._kernel_name, Float8(self._kernel, *state[:2])
        )  # Keras has a third among the weights
        if getattr(self, "bias", None) is not None and self.compute_dtype == "float32":
            self.bias = Rounded(self.bias)

    def _replace(self, whole: Any, scale: Any, given: bool = False) -> tuple:
        """Puts integers and their scale in the place of the kernel among the weights."""
        name = self._kernel_name
        old = getattr(self, name)
        self._own_weights[:] = [weight for weight in self._own_weights if weight is not old]
        delattr(self, name)
        if not given:
            scale = reshape(scale, shape=self._scale_shape(scale))
        self._kernel = self._constant(name, whole)
        return self._kernel, self._constant(f"{name}_scale", scale)

    def _constant(self, name: str, value: Any) -> Any:
        """Creates a weight that is not trained."""
        value = np.asarray(value)
        return self.add_weight(
            name=name,
            shape=value.shape,
            initializer=lambda shape, dtype=None: value,
            dtype=str(value.dtype),
            trainable=False,
        )

    # ---- configs and files

    def _adapt(self) -> None:
        """Does what the arguments and the policy ask for, when the layer has been built."""
        if isinstance(getattr(self, self._kernel_name), Kernel):
            return  # built again
        policy = self._policy
        if policy.quantization_mode is not None:
            more = {"block_size": policy.block_size} if isinstance(policy, quantized.Int4DTypePolicy) else {}
            self._quantize_as(self.quantization_config or BY_MODE[policy.quantization_mode](**more))
        if self.lora_rank is not None:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def get_config(self) -> dict:
        config = super().get_config()
        for name in ("lora_rank", "lora_alpha"):
            if config[name] is None:
                del config[name]
        if "quantization_config" in config:
            config["quantization_config"] = serialize_keras_object(self.quantization_config)
        return config

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the values into `store`, those of a low-rank addition inside of the kernel."""
        if not self.lora_enabled:
            super().save_own_variables(store)
            return
        if self.quantization_mode is not None:
            raise NotImplementedError(
                f"{self.name}: weights that are both quantized and adapted cannot be merged for a file"
                f"{at_user_location()}"
            )
        for index, variable in enumerate(self._apart_from_addition()):
            kernel = getattr(self, self._kernel_name)
            store[str(index)] = np.array(kernel if variable is self._kernel else variable._plain()._value)

    def load_own_variables(self, store: Any) -> None:
        if not self.lora_enabled or len(store.keys()) == len(self._stored_variables()):
            super().load_own_variables(store)
            return
        held = self._apart_from_addition()
        for index, variable in enumerate(held):
            variable.assign(store[str(index)])
        for weight in self._addition():
            weight.assign(np.zeros(weight.shape, weight.dtype.name))

    def _addition(self) -> list:
        return [getattr(self, f"lora_{self._kernel_name}_{letter}") for letter in "ab"]

    def _apart_from_addition(self) -> list:
        added = {id(weight) for weight in self._addition()}
        return [variable for variable in self._stored_variables() if id(variable) not in added]
