"""What the layers that look tokens up in a vocabulary share, and the one for integers.

Numbers are given out in this order: the mask token (0, in the mode "int"), numbers for tokens that are not in the
vocabulary, the vocabulary.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import FailedPreconditionError, InvalidArgumentError, at_user_location
from dovetail.base.settings import settings, state
from dovetail.engine import is_tracer
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.arguments import count, one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.preprocessing.encoding import (
    NOWHERE,
    as_inputs,
    check_sparse,
    encode,
    mode_of,
    on_values,
    sparse_of,
)
from dovetail.keras.layers.preprocessing.hashing import salt_of
from dovetail.keras.layers.preprocessing.normalization import batches_of
from dovetail.keras.layers.preprocessing.vocabulary import (
    Counter,
    check_config,
    document_weights,
    file_lines,
    unique,
)
from dovetail.ops import indexing
from dovetail.ops.hashing import hash_integers
from dovetail.ops.lookup import look_up_integers, tokens_at
from dovetail.ops.text import count_tokens, rows_of_tokens
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

__all__ = ["IntegerLookup"]


def _out_of(layer: Any, name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(
            f"{type(layer).__name__}: {name} must be an integer of at least 0, received {value!r}{at_user_location()}"
        )
    return value


def _most(layer: Any, name: str, value: Any) -> int | None:
    if value is not None and count(layer, name, value) < 2:
        raise ValueError(f"{type(layer).__name__}: {name} must be greater than 1{at_user_location()}")
    return value


def _describes() -> bool:
    """Returns whether only shapes are wanted."""
    return state.scope is not None and state.scope.describes


class Lookup(Declared):
    """Tokens as numbers, and back; subclasses say what a token is."""

    max_tokens: int | None
    num_oov_indices: int
    mask_token: Any
    oov_token: Any
    vocabulary: Any
    idf_weights: Any
    invert: bool
    output_mode: str
    sparse: bool
    pad_to_max_tokens: bool
    oov_method: str
    salt: Any
    _size_in_config: int | None

    # ---- for subclasses

    def _plain(self, tokens: Any) -> list:
        """Returns an array of tokens as a list of Python values, as `get_vocabulary` shows them."""
        raise NotImplementedError(f"{type(self).__name__} does not define _plain")

    def _as_keys(self, inputs: Any) -> Any:
        """Returns inputs in the dtype of the tokens."""
        raise NotImplementedError(f"{type(self).__name__} does not define _as_keys")

    def _prepare(self, tokens: list) -> Any:
        """Returns what `_find` looks tokens up in."""
        raise NotImplementedError(f"{type(self).__name__} does not define _prepare")

    def _find(self, keys: Any, prepared: Any, default: int) -> Any:
        """Returns the number of each token, `default` where it has none."""
        raise NotImplementedError(f"{type(self).__name__} does not define _find")

    def _bucket(self, keys: Any) -> Any:
        """Returns a number in [0, num_oov_indices) for each token, by its hash."""
        raise NotImplementedError(f"{type(self).__name__} does not define _bucket")

    def _from_lines(self, lines: list[str]) -> list:
        """Returns the tokens of a file's lines."""
        raise NotImplementedError(f"{type(self).__name__} does not define _from_lines")

    # ---- arguments

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        kwargs.pop("has_input_vocabulary", None)
        dtype = kwargs.get("dtype")
        if dtype is None or dtype in ("int64", "string"):
            kwargs = kwargs | {"dtype": "int64" if given["output_mode"] == "int" else settings.floatx}
        return super()._passed_on(given, kwargs | {"autocast": False})

    def _begin(self) -> None:
        check_sparse(self)
        self._tokens: list = []
        self._is_known = False
        self._ready: Any = self._prepare([])
        self._weights: Any = None
        self._given = self.vocabulary is not None
        self._counter = Counter()
        refusals = (
            (self.pad_to_max_tokens and self.max_tokens is None, "pad_to_max_tokens takes max_tokens"),
            (self.invert and self.output_mode != "int", "invert takes output_mode='int'"),
            (
                self.idf_weights is not None and self.output_mode != "tf_idf",
                "idf_weights take output_mode='tf_idf'",
            ),
        )
        for wrong, why in refusals:
            if wrong:
                raise ValueError(f"{type(self).__name__}: {why}{at_user_location()}")
        given = self.vocabulary
        if isinstance(given, TensorLike | np.ndarray | tuple):
            self.vocabulary = self._plain(np.asarray(given))
        if isinstance(self.idf_weights, TensorLike | np.ndarray | tuple):
            self.idf_weights = np.asarray(self.idf_weights).tolist()
        if given is not None:
            self.set_vocabulary(self.vocabulary, self.idf_weights)
        if isinstance(given, str | os.PathLike):
            self.vocabulary = None  # the file need not be there when the layer is made again

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(as_inputs(inputs), *args, **kwargs)

    # ---- the vocabulary

    @property
    def _first_unknown(self) -> int:
        return int(self.mask_token is not None and self.output_mode == "int")

    @property
    def _first_token(self) -> int:
        return self._first_unknown + self.num_oov_indices

    def _special(self) -> list:
        return [self.mask_token] * self._first_unknown + [self.oov_token] * self.num_oov_indices

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are, those of the mask and of unknown tokens included."""
        return len(self._tokens) + self._first_token

    def get_vocabulary(self, include_special_tokens: bool = True) -> list:
        """Returns the tokens in the order of their numbers."""
        return [*self._special(), *self._tokens] if include_special_tokens else list(self._tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the tokens, in the order of their numbers.

        Args:
            vocabulary: list or array of tokens, with the special ones before them or without; or the path of a text
                file with one a line.
            idf_weights: one for each token, for the mode "tf_idf".
        """
        tokens = self._listed(vocabulary)
        if (idf_weights is None) == (self.output_mode == "tf_idf"):
            raise ValueError(
                f"{self.name}: idf_weights go with output_mode='tf_idf', which is {self.output_mode!r}"
                f"{at_user_location()}"
            )
        with_special = tokens[: self._first_token] == self._special() and self._first_token > 0
        self._set(tokens[self._first_token :] if with_special else tokens)
        if idf_weights is not None:
            self._set_weights(idf_weights, len(tokens), with_special)

    def _listed(self, vocabulary: Any) -> list:
        if isinstance(vocabulary, str | os.PathLike):
            return self._from_lines(file_lines(self, vocabulary))
        tokens = self._plain(np.asarray(vocabulary))
        if not tokens:
            raise ValueError(f"{self.name}: the vocabulary is empty{at_user_location()}")
        return tokens

    def _set(self, tokens: list) -> None:
        unique(self, tokens)
        reserved = (self.mask_token, *((self.oov_token,) if self.invert else ()))
        for token in reserved:
            if token is not None and token in tokens:
                raise ValueError(
                    f"{self.name}: {token!r} is the mask or the out-of-vocabulary token, and stands among the tokens. "
                    f"Leave the special tokens out, or begin with them: {self._special()}{at_user_location()}"
                )
        if self.max_tokens is not None and len(tokens) + self._first_token > self.max_tokens:
            raise ValueError(
                f"{self.name}: {len(tokens) + self._first_token} tokens exceed max_tokens={self.max_tokens}"
                f"{at_user_location()}"
            )
        self._tokens, self._is_known = tokens, True
        self._ready = self._prepare(tokens)

    def _set_weights(self, weights: Any, number: int, with_special: bool) -> None:
        values = np.asarray(weights, np.float64)
        if values.shape != (number,):
            raise ValueError(
                f"{self.name}: idf_weights must hold one number a token ({number}), received shape {values.shape}"
                f"{at_user_location()}"
            )
        if not with_special:
            values = np.concatenate([np.full(self._first_token, values.mean()), values])
        if self.pad_to_max_tokens:
            values = np.pad(values, (0, (self.max_tokens or 0) - len(values)))
        self._weights = Tensor(values.astype(settings.floatx))

    # ---- adapting

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes a vocabulary of the tokens in data, the most frequent first, and forgets what it knew.

        Args:
            data: an array, a dataset of batches, or an iterable of batches.
            batch_size: of the batches that an array is cut into; None: it is one.
            steps: how many batches to look at; None: all.
        """
        self.adapt_by(self.update_state, data, batch_size, steps)

    def adapt_by(self, update: Callable, data: Any, batch_size: int | None, steps: int | None) -> None:
        """Adapts, with `update(batch)` for what counts the tokens of a batch: see `adapt`."""
        self.reset_state()
        whole: Any = as_inputs(data) if isinstance(data, list | tuple | np.ndarray) else data
        if isinstance(data, list | tuple | np.ndarray | TensorLike) and len(whole.shape) == 1:
            whole = whole[:, None]  # each a sample
        single = len(getattr(getattr(data, "element_spec", None), "shape", (None,))) == 0
        batches = (
            [whole] if isinstance(whole, CompositeTensor) else batches_of(self, whole, steps, batch_size)
        )
        for batch in batches:
            update(as_inputs(batch)[:, None] if single else batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Counts the tokens of a batch of data."""
        self._check_adapts()
        rows = as_inputs(data)
        keys = rows if isinstance(rows, CompositeTensor) else self._as_keys(rows)
        self._counter.add(keys, documents=self.output_mode == "tf_idf")

    def update_texts(self, texts: list[bytes], *how: Any) -> None:
        """Counts the tokens of texts, each a document; `how` they are split: see `ops.text.rows_of_tokens`."""
        self._check_adapts()
        if self.output_mode == "tf_idf":
            self._counter.add_rows(rows_of_tokens(texts, *how), documents=True)
        else:
            count_tokens(texts, self._counter.total, *how)

    def _check_adapts(self) -> None:
        if self._given:
            raise ValueError(
                f"{self.name}: its vocabulary was given, so that there is nothing to adapt{at_user_location()}"
            )

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted."""
        if self._given:
            return
        self._is_known = True
        if not self._counter.total:
            self._ready = self._prepare(self._tokens)
            return
        most = None if self.max_tokens is None else self.max_tokens - self._first_token
        found = self._counter.most_frequent(most, without=self._raw([self.mask_token, self.oov_token]))
        self._set(self._plain(np.array(found, object)))
        if self.output_mode == "tf_idf":
            self._set_weights(document_weights(self._counter, found), len(found), False)
        self._counter = Counter()

    def _raw(self, tokens: list) -> list:
        """Returns tokens as arrays hold them, without those that are None."""
        return [np.asarray(convert_to_tensor(token)).item() for token in tokens if token is not None]

    def reset_state(self) -> None:
        """Forgets the data."""
        self._counter = Counter()

    # ---- looking up

    def call(self, inputs: Any) -> Any:
        self.check_known(inputs)
        numbers = on_values(inputs, self._numbers)
        if self.output_mode == "int":
            return numbers
        depth = self.depth()
        weights = self._weights_now() if self.output_mode == "tf_idf" else None
        mode = "count" if weights is not None else self.output_mode
        dense = encode(numbers, mode, depth, self.compute_dtype, self.sparse and weights is None)
        if weights is None:
            return dense
        weighed = dense * weights._astype(self.compute_dtype)
        return sparse_of(weighed) if self.sparse else weighed

    def check_known(self, inputs: Any) -> None:
        """Refuses to look values up before there is a vocabulary; models may be built without one.

        Raises:
            FailedPreconditionError: there is none.
            RuntimeError: there is none, and the size of vectors depends on it.
        """
        if self._is_known or isinstance(inputs, SymbolicTensor) or _describes():
            return
        if self.output_mode != "int":
            self.depth()
        raise FailedPreconditionError(
            f"{self.name}: Table not initialized: has no vocabulary yet. Pass vocabulary, or call adapt() on data first"
            f"{at_user_location()}"
        )

    def depth(self) -> int:
        """Returns the size of vectors.

        Raises:
            RuntimeError: there is no vocabulary yet.
        """
        if self.pad_to_max_tokens and self.max_tokens is not None:
            return self.max_tokens
        if not self._tokens:
            if self._size_in_config is not None and _describes():
                return self._size_in_config  # the vocabulary will come from a file
            raise RuntimeError(
                f"{self.name}: has no vocabulary yet, which says how long its outputs are. Pass vocabulary, or call "
                f"adapt() on data first{at_user_location()}"
            )
        return self.vocabulary_size()

    def _weights_now(self) -> Any:
        if self._weights is None:
            if self._size_in_config is not None and _describes():
                return Tensor(np.zeros(self.depth(), settings.floatx))
            raise RuntimeError(
                f"{self.name}: has no idf_weights yet. Pass them with the vocabulary, or call adapt() on data first"
                f"{at_user_location()}"
            )
        return self._weights

    def _numbers(self, inputs: Any) -> Any:
        if self.invert:
            return self._back(inputs._astype("int64"))
        keys = self._as_keys(inputs)
        default = self._first_unknown if self.num_oov_indices == 1 else -1
        found = self._find(keys, self._ready, default)
        if self.num_oov_indices > 1:
            found = indexing.where(found == -1, self._bucket(keys) + self._first_unknown, found)
        if self.mask_token is not None:
            mask = 0 if self.output_mode == "int" else NOWHERE
            found = indexing.where(keys == self.mask_token, mask, found)
        if self.num_oov_indices == 0:
            self._refuse_unknown(keys, found)
        return found

    def _refuse_unknown(self, keys: Any, found: Any) -> None:
        if type(found) is Tensor and not is_tracer(found._value):
            unknown = np.asarray(keys)[np.asarray(found) == -1]
            if unknown.size:
                raise InvalidArgumentError(
                    f"{self.name}: with num_oov_indices=0 all inputs must be in the vocabulary, received "
                    f"{self._plain(unknown.reshape(-1)[:5])}; consider num_oov_indices=1{at_user_location()}"
                )

    def _back(self, numbers: Any) -> Any:
        tokens, other = self._as_keys(self._tokens), self._as_keys(self.oov_token)
        found = tokens_at(numbers, tokens, other, first=self._first_token)
        if self.mask_token is None:
            return found
        return indexing.where(numbers == 0, self._as_keys(self.mask_token), found)

    # ---- keeping

    def get_weights(self) -> list:
        """Returns the weights; in Keras 2 a vocabulary that was adapted is one."""
        if is_keras_2() and not self._given:
            return [np.asarray(convert_to_tensor(self._as_keys(self._tokens)))]
        return super().get_weights()

    def set_weights(self, weights: list) -> None:
        """Sets what `get_weights` returned."""
        if is_keras_2() and not self._given and len(weights) == 1:
            self._set(self._plain(np.asarray(weights[0])))
        else:
            super().set_weights(weights)

    def get_config(self) -> dict:
        size = self.vocabulary_size() if self._tokens else self._size_in_config
        return super().get_config() | {"vocabulary_size": size}

    @classmethod
    def from_config(cls, config: dict) -> Any:
        check_config(cls, config)
        return super().from_config(config)

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary into a folder, where it is not in the config."""
        if self.vocabulary is None:
            with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding="utf-8") as file:
                file.write("\n".join(str(token) for token in self.get_vocabulary()))

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary that `save_assets` wrote."""
        path = os.path.join(dir_path, "vocabulary.txt")
        if self.vocabulary is None and os.path.exists(path):
            tokens = self._from_lines(file_lines(self, path))
            self._set(tokens[self._first_token :])

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the weights of "tf_idf" into `store`."""
        super().save_own_variables(store)
        if self._weights is not None:
            store["idf_weights"] = np.asarray(self._weights)

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        if "idf_weights" in store:
            self._weights = Tensor(np.asarray(store["idf_weights"], settings.floatx))


def lookup_rows(oov_token: Any, dtype: str) -> tuple[Argument, ...]:
    """Returns the arguments of a layer that looks tokens up.

    Args:
        oov_token: default of the argument of this name.
        dtype: the only dtype that tokens may have.
    """

    def kind(layer: Any, name: str, value: Any) -> str:
        if value != dtype:
            raise ValueError(
                f"{type(layer).__name__}: {name} must be {dtype!r}, received {value!r}{at_user_location()}"
            )
        return value

    modes = mode_of("int", "one_hot", "multi_hot", "count", "tf_idf")

    def method(layer: Any, name: str, value: Any) -> str:
        return one_of(value, f"{type(layer).__name__}: {name}", ("floormod", "farmhash"))

    return (
        Argument("max_tokens", None, read=_most, hint="int | None"),
        Argument("num_oov_indices", 1, read=_out_of, hint="int"),
        Argument("mask_token", None),
        Argument("oov_token", oov_token),
        Argument("vocabulary", None),
        Argument("vocabulary_dtype", dtype, read=kind, hint="str"),
        Argument("idf_weights", None),
        Argument("invert", False, hint="bool"),
        Argument("output_mode", "int", read=modes, hint="str"),
        Argument("sparse", False, hint="bool"),
        Argument("pad_to_max_tokens", False, hint="bool"),
        Argument("oov_method", "floormod", read=method, hint="str"),
        Argument("salt", None, read=salt_of),
        Argument("vocabulary_size", None, hint="int | None", attribute="_size_in_config"),
    )


class IntegerLookup(Lookup):
    """Returns the number of each integer in a vocabulary.

    Args:
        max_tokens: how many numbers there are at most, those of the mask and of unknown integers included.
        num_oov_indices: how many numbers unknown integers share; 0: they are an error, where values are known.
        mask_token: this integer gets the number 0 in the mode "int", and no place in vectors.
        oov_token: what unknown numbers turn into with `invert`.
        vocabulary: the integers in the order of their numbers, or the path of a text file; None: `adapt` finds them.
        vocabulary_dtype: "int64".
        idf_weights: what each integer weighs, for "tf_idf".
        invert: turn numbers into integers.
        output_mode: "int", "one_hot", "multi_hot", "count" (see `CategoryEncoding`) or "tf_idf": counts times weights.
        sparse: return a SparseTensor, in other modes than "int".
        pad_to_max_tokens: vectors are as long as `max_tokens`.
        oov_method: "floormod" or "farmhash": how unknown integers share several numbers.
        salt: of the hash; see `Hashing`.

    Example:
        >>> keras.layers.IntegerLookup(vocabulary=[12, 36, 1138, 42])([[12, 1138], [42, 1000]]).numpy().tolist()
        [[1, 3], [4, 0]]
    """

    _arguments = lookup_rows(-1, "int64")

    def _begin(self) -> None:
        if self.salt is not None and self.oov_method != "farmhash":
            raise ValueError(f"IntegerLookup: salt takes oov_method='farmhash'{at_user_location()}")
        super()._begin()

    def _plain(self, tokens: Any) -> list:
        return [int(token) for token in np.asarray(tokens).reshape(-1)]

    def _as_keys(self, inputs: Any) -> Any:
        return convert_to_tensor(inputs)._astype("int64")

    def _prepare(self, tokens: list) -> Any:
        keys = np.array(tokens, np.int64)
        order = np.argsort(keys)
        return Tensor(keys[order]), Tensor(order.astype(np.int64) + self._first_token)

    def _find(self, keys: Any, prepared: Any, default: int) -> Any:
        return look_up_integers(keys, *prepared, np.int64(default))

    def _bucket(self, keys: Any) -> Any:
        if self.oov_method == "floormod":
            return keys % self.num_oov_indices
        key = None if self.salt is None else tuple(self.salt)
        return hash_integers(keys, buckets=self.num_oov_indices, key=key)

    def _from_lines(self, lines: list[str]) -> list:
        return [int(line) for line in lines]
