"""`keras.layers.StringLookup`: strings as numbers, and back."""

from __future__ import annotations

import codecs
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.keras.layers.machinery.declared import Argument
from dovetail.keras.layers.preprocessing.lookup import Lookup, lookup_rows
from dovetail.ops.hashing import hash_strings
from dovetail.ops.lookup import Table, look_up_strings
from dovetail.tensor.convert import convert_to_tensor

__all__ = ["StringLookup"]

_ROWS = {row.name: row for row in lookup_rows("[UNK]", "string")}


def _encoding(layer: Any, name: str, value: Any) -> str:
    try:
        codecs.lookup(value)
    except (LookupError, TypeError):
        raise ValueError(
            f"{type(layer).__name__}: {name} must name an encoding such as 'utf-8', received {value!r}"
            f"{at_user_location()}"
        ) from None
    return value


class StringLookup(Lookup):
    """Returns the number of each string in a vocabulary.

    Args:
        max_tokens: how many numbers there are at most, those of the mask and of unknown strings included.
        num_oov_indices: how many numbers unknown strings share; 0: they are an error.
        mask_token: this string gets the number 0 in the mode "int", and no place in vectors.
        oov_token: what unknown numbers turn into with `invert`.
        vocabulary: the strings in the order of their numbers, or the path of a text file; None: `adapt` finds them.
        idf_weights: what each string weighs, for "tf_idf".
        invert: turn numbers into strings.
        output_mode: "int", "one_hot", "multi_hot", "count" (see `CategoryEncoding`) or "tf_idf": counts times weights.
        pad_to_max_tokens: vectors are as long as `max_tokens`.
        sparse: return a SparseTensor, in other modes than "int".
        encoding: of the strings.
        salt: an integer or two: unknown strings share several numbers by SipHash instead of FarmHash.

    Example:
        >>> keras.layers.StringLookup(vocabulary=["a", "b"])([["b", "z"]]).numpy().tolist()
        [[2, 0]]
    """

    _arguments = (
        *(_ROWS[name] for name in ("max_tokens", "num_oov_indices", "mask_token", "oov_token", "vocabulary")),
        *(_ROWS[name] for name in ("idf_weights", "invert", "output_mode", "pad_to_max_tokens", "sparse")),
        Argument("encoding", "utf-8", read=_encoding, hint="str"),
        *(_ROWS[name] for name in ("salt", "vocabulary_dtype", "oov_method", "vocabulary_size")),
    )
    encoding: str

    def _plain(self, tokens: Any) -> list:
        flat = np.asarray(tokens).reshape(-1).tolist()
        return [token.decode(self.encoding) if isinstance(token, bytes) else str(token) for token in flat]

    def _as_keys(self, inputs: Any) -> Any:
        if isinstance(inputs, list) and not inputs:
            return convert_to_tensor(np.array([], object))
        return convert_to_tensor(inputs)

    @property
    def expected_input_dtype(self) -> str | None:
        """What a model that begins with the layer takes."""
        return None if self.invert else "string"

    def _prepare(self, tokens: list) -> Any:
        """Returns one table for good: what has been compiled or recorded looks up in the vocabulary of the moment."""
        table = self.__dict__.get("_ready") or Table()
        if self._is_known:
            table.fill([token.encode(self.encoding) for token in tokens], self._first_token)
        return table

    def _find(self, keys: Any, prepared: Any, default: int) -> Any:
        return look_up_strings(keys, table=prepared, default=default)

    def _bucket(self, keys: Any) -> Any:
        key = None if self.salt is None else tuple(self.salt)
        return hash_strings(keys, buckets=self.num_oov_indices, key=key)

    def _from_lines(self, lines: list[str]) -> list:
        return lines
