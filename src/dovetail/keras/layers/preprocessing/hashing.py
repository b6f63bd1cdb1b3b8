"""Categories without a vocabulary: `Hashing` puts them into bins, `HashedCrossing` pairs of them."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.layers.machinery.arguments import count
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.preprocessing.encoding import as_inputs, check_sparse, encode, mode_of, on_values
from dovetail.ops import indexing
from dovetail.ops.hashing import cross_features, cross_integers, hash_integers, hash_strings, is_text
from dovetail.tensor.shape import TensorShape

__all__ = ["HashedCrossing", "Hashing"]


def salt_of(layer: Any, name: str, value: Any) -> list | None:
    """Reads a salt: None, an integer, or two."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value if value is None else [value, value]
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(word, int) for word in value):
        return list(value)
    raise ValueError(
        f"{type(layer).__name__}: {name} must be an integer, or two of them, received {value!r:.60}{at_user_location()}"
    )


class _Bins(Declared):
    """A layer whose output is the number of a bin, or a vector."""

    num_bins: int
    output_mode: str
    sparse: bool

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        if kwargs.get("dtype") is None:
            kwargs = kwargs | {"dtype": "int64" if given["output_mode"] == "int" else settings.floatx}
        return super()._passed_on(given, kwargs | {"autocast": False})

    def _begin(self) -> None:
        check_sparse(self)
        if self.output_mode == "int" and not self.compute_dtype.startswith("int"):
            raise ValueError(
                f"{type(self).__name__}: dtype must be 'int32' or 'int64' when output_mode is 'int', received "
                f"{self.compute_dtype!r}{at_user_location()}"
            )

    def _encoded(self, bins: Any) -> Any:
        return encode(bins, self.output_mode, self.num_bins, self.compute_dtype, self.sparse)


class Hashing(_Bins):
    """Returns the bin of each string or integer: a hash of it, of which other values may have the same.

    Args:
        num_bins: how many bins.
        mask_value: this value is bin 0, which then holds no other.
        salt: an integer or two, with which the hash is SipHash; None: FarmHash. Integers are hashed as their digits.
        output_mode: "int", "one_hot", "multi_hot" or "count"; see `CategoryEncoding`.
        sparse: return a SparseTensor, in other modes than "int".

    Example:
        >>> keras.layers.Hashing(num_bins=3)([["A"], ["B"], ["C"], ["D"], ["E"]]).numpy().ravel().tolist()
        [1, 0, 1, 1, 2]
    """

    _arguments = (
        Argument("num_bins", read=count, hint="int"),
        Argument("mask_value", None),
        Argument("salt", None, read=salt_of),
        Argument("output_mode", "int", read=mode_of("int", "one_hot", "multi_hot", "count"), hint="str"),
        Argument("sparse", False, hint="bool"),
    )
    mask_value: Any
    salt: Any

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(as_inputs(inputs), *args, **kwargs)

    def call(self, inputs: Any) -> Any:
        return self._encoded(on_values(inputs, self._bin))

    def _bin(self, values: Any) -> Any:
        masked = self.mask_value is not None and self.num_bins > 1
        if not is_text(values):
            values = values._astype("int64")
        body = hash_strings if is_text(values) else hash_integers
        key = None if self.salt is None else tuple(self.salt)
        bins = body(values, buckets=self.num_bins - masked, key=key)
        if not masked:
            return bins
        return indexing.where(values == self.mask_value, 0, bins + 1)


class HashedCrossing(_Bins):
    """Returns a bin for each pair (or longer tuple) of features.

    Args:
        num_bins: how many bins.
        output_mode: "int" or "one_hot".
        sparse: return a SparseTensor, for "one_hot".

    The inputs are two or more tensors of strings or integers of shape (), (batch,) or (batch, 1).
    """

    _arguments = (
        Argument("num_bins", read=count, hint="int"),
        Argument("output_mode", "int", read=mode_of("int", "one_hot"), hint="str"),
        Argument("sparse", False, hint="bool"),
    )

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inputs, list | tuple) or len(inputs) < 2:
            raise ValueError(
                f"{self.name}: expected a list of two tensors or more, received {inputs!r:.60}{at_user_location()}"
            )
        return super().__call__([as_inputs(one) for one in inputs], *args, **kwargs)

    def call(self, inputs: Any) -> Any:
        self._check(inputs)
        texts = any(map(is_text, inputs))
        features = [one if is_text(one) else one._astype("int64") for one in inputs]
        return self._encoded((cross_features if texts else cross_integers)(*features, buckets=self.num_bins))

    def _check(self, inputs: Any) -> None:
        shape = tuple(inputs[0].shape)
        if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
            raise ValueError(
                f"{self.name}: inputs must have the shape (), (batch,) or (batch, 1), received {shape}"
                f"{at_user_location()}"
            )
        if any(tuple(one.shape) != shape for one in inputs[1:]):
            raise ValueError(
                f"{self.name}: all inputs must have one shape, received {[tuple(one.shape) for one in inputs]}"
                f"{at_user_location()}"
            )
        if not all(one.dtype.is_integer or is_text(one) for one in inputs):
            raise ValueError(
                f"{self.name}: inputs must be integers or strings, received {[one.dtype.name for one in inputs]}"
                f"{at_user_location()}"
            )

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        first = tuple(input_shape[0])
        if self.output_mode == "int":
            return TensorShape(first)
        return TensorShape([*(first[:-1] if first[-1:] == (1,) else first), self.num_bins])
