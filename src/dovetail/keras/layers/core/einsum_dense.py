"""`keras.layers.EinsumDense`: a dense layer whose product is an einsum equation."""

from __future__ import annotations

import re
import string
from typing import Any, NamedTuple

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.adaptable import ADAPTED, Adaptable
from dovetail.keras.layers.machinery.declared import Argument, Weight, weights
from dovetail.keras.layers.machinery.input_spec import InputSpec
from dovetail.keras.layers.machinery.kernels import in_one_op, product
from dovetail.ops import arithmetic
from dovetail.ops.linalg import contraction
from dovetail.ops.shapes import expand_dims, reshape, transpose
from dovetail.tensor.shape import TensorShape

__all__ = ["EinsumDense"]

_FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]*)(\.\.\.)?")


class Terms(NamedTuple):
    """The terms of an equation, with a letter for every axis.

    Attributes:
        inputs, kernel, outputs: a letter for each axis.
        elided: the letters of the axes that `...` stands for.
    """

    inputs: str
    kernel: str
    outputs: str
    elided: str


def terms_of(equation: str, rank: int) -> Terms:
    """Reads an equation "inputs,kernel->outputs" for inputs of some rank.

    Raises:
        ValueError: it is none, or does not fit the rank.
    """
    found = _FORM.fullmatch(equation.replace(" ", ""))
    before, inputs, after, kernel, out_before, outputs, out_after = found.groups() if found else (None,) * 7
    if inputs is None or kernel is None or (before, after) != (out_before, out_after) or (before and after):
        raise ValueError(
            f"EinsumDense: cannot read the equation {equation!r}. It has the form 'ab,bc->ac', with '...' before or "
            f"after the letters of both the inputs and the outputs, or nowhere{at_user_location()}"
        )
    count = rank - len(inputs)
    if count < 0 or (count and not (before or after)):
        raise ValueError(
            f"EinsumDense: the equation {equation!r} names {len(inputs)} axes of the inputs, which have rank {rank}"
            f"{at_user_location()}"
        )
    elided = "".join([c for c in string.ascii_letters if c not in inputs + kernel + (outputs or "")][:count])
    if before:
        return Terms(elided + inputs, kernel, elided + (outputs or ""), elided)
    return Terms(inputs + elided, kernel, (outputs or "") + elided, elided)


def _equation(layer: Any, name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(
            f"EinsumDense: equation must be a string, received {value!r:.60}{at_user_location()}"
        )
    return value


def _letters(layer: Any, name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(
            f"EinsumDense: bias_axes must be a string of letters or None, received {value!r:.60}{at_user_location()}"
        )
    return value


def _sizes(layer: Any, name: str, value: Any) -> tuple:
    sizes = (value,) if isinstance(value, int) else value
    if not isinstance(sizes, list | tuple) or not all(
        size is None or (isinstance(size, int) and not isinstance(size, bool) and size > 0) for size in sizes
    ):
        raise ValueError(
            f"EinsumDense: output_shape must hold positive integers and None, received {value!r:.60}"
            f"{at_user_location()}"
        )
    return tuple(sizes)


def _refused(layer: Any, name: str, value: Any) -> None:
    if value is not None:
        raise NotImplementedError(f"EinsumDense: {name} is not supported, as is GPTQ{at_user_location()}")


class EinsumDense(Adaptable):
    """Computes `activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: "inputs,kernel->outputs", such as "abc,cd->abd"; `...` stands for further axes of inputs and outputs.
        output_shape: sizes of the outputs without the batch axis and without what `...` stands for; None where the
            size is the input's.
        activation: name or function; None: linear.
        bias_axes: letters of the outputs' axes that the bias has; None: no bias.
        kernel_initializer, bias_initializer, kernel_regularizer, ...: as in `Dense`.

    Weights: kernel, of the sizes that its letters have; bias, with size 1 for what lies between its letters.

    Example:
        >>> layer = keras.layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 8), bias_axes="de")
        >>> layer(tf.ones((4, 3, 16))).shape
        TensorShape([4, 3, 2, 8])
    """

    _arguments = (
        Argument("equation", read=_equation, hint="str"),
        Argument("output_shape", read=_sizes, attribute="partial_output_shape"),
        Argument("activation", None),
        Argument("bias_axes", None, _letters, "str | None"),
        *weights(Weight("kernel", "glorot_uniform"), Weight("bias", "zeros")),
        *ADAPTED[:2],
        Argument("gptq_unpacked_column_size", None, _refused, kept=False),
        *ADAPTED[2:],
        Argument("activity_regularizer", None),
    )
    _modes = ("int8", "float8")
    equation: str
    partial_output_shape: tuple
    activation: Any
    bias_axes: str | None

    def _begin(self) -> None:
        self.bias: Any = None
        self._num_summed = 0

    def build(self, input_shape: Any) -> None:
        self._terms = terms = terms_of(self.equation, len(input_shape))
        sizes = self._axis_sizes(terms, input_shape)
        unknown = [letter for letter in terms.kernel if sizes.get(letter) is None]
        if unknown:
            raise ValueError(
                f"{self.name}: the axes {', '.join(unknown)} of the kernel in {self.equation!r} need known sizes, "
                f"received inputs of shape {tuple(input_shape)} and output_shape {self.partial_output_shape}"
                f"{at_user_location()}"
            )
        self.kernel = self._add("kernel", tuple(sizes[letter] for letter in terms.kernel))
        if self.bias_axes:
            self.bias = self._add("bias", self._bias_shape(terms, sizes))
        summed = {
            axis: sizes[letter] for axis, letter in enumerate(terms.inputs) if letter not in terms.outputs
        }
        self.input_spec = InputSpec(ndim=len(terms.inputs), axes=summed)
        self._num_summed = self._as_matrix(terms, len(summed))

    def _as_matrix(self, terms: Terms, num_summed: int) -> int:
        """Returns how many axes a product of matrices sums over; 0 where the equation, or the bias, wants more."""
        rows, columns = terms.inputs[: len(terms.inputs) - num_summed], terms.kernel[num_summed:]
        plain = terms.inputs == rows + terms.kernel[:num_summed] and terms.outputs == rows + columns
        bias_fits = self.bias is None or tuple(self.bias.shape) == tuple(self.kernel.shape)[num_summed:]
        return num_summed if plain and bias_fits and columns else 0

    def _axis_sizes(self, terms: Terms, input_shape: Any) -> dict[str, Any]:
        """Returns the size of every letter, None where it is unknown."""
        sizes = dict(zip(terms.inputs, input_shape, strict=True))
        named = [letter for letter in terms.outputs[1:] if letter not in terms.elided]
        if len(named) != len(self.partial_output_shape):
            raise ValueError(
                f"{self.name}: output_shape {self.partial_output_shape} must have {len(named)} sizes, for the axes "
                f"{', '.join(named)} of {self.equation!r}{at_user_location()}"
            )
        for letter, size in zip(named, self.partial_output_shape, strict=True):
            known = sizes.get(letter)
            if None not in (size, known) and size != known:
                raise ValueError(
                    f"{self.name}: the axis {letter!r} of {self.equation!r} has size {known} in inputs of shape "
                    f"{tuple(input_shape)} and {size} in output_shape {self.partial_output_shape}{at_user_location()}"
                )
            sizes[letter] = known if size is None else size
        return sizes

    def _bias_shape(self, terms: Terms, sizes: dict[str, Any]) -> tuple:
        wanted = self.bias_axes or ""
        missing = [letter for letter in wanted if letter not in terms.outputs]
        if missing:
            raise ValueError(
                f"{self.name}: bias_axes {self.bias_axes!r} must be letters of the outputs of {self.equation!r}"
                f"{at_user_location()}"
            )
        first = min(terms.outputs.index(letter) for letter in wanted)
        return tuple(sizes[letter] if letter in wanted else 1 for letter in terms.outputs[first:])

    def call(self, inputs: Any, training: Any = None) -> Any:
        if self._num_summed and (outputs := in_one_op(self, inputs, self._num_summed)) is not None:
            return outputs
        outputs = product(self._contract, inputs, self.kernel, training)
        if self.bias is not None:
            outputs = arithmetic.add(outputs, self.bias)
        return self.activation(outputs) if self.activation is not None else outputs

    def _contract(self, inputs: Any, kernel: Any) -> Any:
        return contraction(inputs, kernel, equation=self.equation.replace(" ", ""))

    def _summed_axes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        terms = self._terms
        return tuple(
            tuple(axis for axis, letter in enumerate(term) if letter not in terms.outputs)
            for term in (terms.inputs, terms.kernel)
        )  # type: ignore[return-value]

    def _scale_shape(self, scale: Any) -> tuple:
        terms = self._terms
        return tuple(
            scale.shape[terms.kernel.index(letter)] if letter in terms.kernel else 1
            for letter in terms.outputs
        )

    def _spread_scale(self, scale: Any) -> Any:
        terms = self._terms
        kept = [letter for letter in terms.outputs if letter in terms.kernel]
        order = tuple(kept.index(letter) for letter in terms.kernel if letter in kept)
        sizes = [scale.shape[terms.outputs.index(letter)] for letter in kept]
        scale = transpose(reshape(scale, shape=tuple(sizes)), perm=order)
        for axis, letter in enumerate(terms.kernel):
            if letter not in kept:
                scale = expand_dims(scale, axis=axis)
        return scale

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        terms = terms_of(self.equation, len(input_shape))
        sizes = self._axis_sizes(terms, input_shape)
        return TensorShape([sizes[letter] for letter in terms.outputs])
