"""`keras.layers.TextVectorization`: texts as numbers of words, or as bags of words."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.layers.machinery.arguments import one_of
from dovetail.keras.layers.machinery.declared import Argument, Declared
from dovetail.keras.layers.preprocessing.encoding import as_inputs, mode_of, sparse_of
from dovetail.keras.layers.preprocessing.string_lookup import StringLookup
from dovetail.keras.layers.preprocessing.vocabulary import check_config
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.ops.padding import pad
from dovetail.ops.table import find
from dovetail.ops.text import (
    SPLITS,
    STANDARDIZATIONS,
    count_text,
    standardize_text,
    vectorize_text,
    vectorize_text_ragged,
)
from dovetail.tensor.composite import CompositeTensor

__all__ = ["TextVectorization"]


def _step_of(*names: str) -> Any:
    """Returns what reads a step: one of names, a function, or None."""

    def read(layer: Any, name: str, value: Any) -> Any:
        if value is None or callable(value):
            return value
        return one_of(value, f"{type(layer).__name__}: {name}", names)

    return read


def _ngrams(layer: Any, name: str, value: Any) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    widths = value if isinstance(value, tuple) else () if value is None else (value,)
    if any(not isinstance(width, int) or isinstance(width, bool) or width < 1 for width in widths):
        raise ValueError(
            f"TextVectorization: ngrams must be None, a positive integer or a tuple of such, received {value!r:.60}"
            f"{at_user_location()}"
        )
    return value


def _length(layer: Any, name: str, value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError(
            f"TextVectorization: output_sequence_length must be None or an integer, received {value!r}"
            f"{at_user_location()}"
        )
    return value


class TextVectorization(Declared):
    """Splits texts into words, and returns the numbers of these in a vocabulary.

    Args:
        max_tokens: how many numbers there are at most, those of padding and of unknown words included.
        standardize: what is done to texts first: "lower_and_strip_punctuation" (ASCII letters and punctuation),
            "lower", "strip_punctuation", None, or a function of a string tensor.
        split: "whitespace", "character", None (each string is a word), or a function of a string tensor that returns
            a ragged one.
        ngrams: n: runs of 1 to n neighbouring words count as words too; a tuple: runs of these lengths do.
        output_mode: "int": numbers, 0 behind the last and 1 for unknown words; "multi_hot", "count", "tf_idf": a vector
            a text, without a place for padding.
        output_sequence_length: how many numbers a text has in the mode "int": it is cut, or padded; None: as many as
            the longest of the batch has.
        pad_to_max_tokens: vectors are as long as `max_tokens`.
        vocabulary: the words in the order of their numbers, or the path of a text file; None: `adapt` finds them.
        idf_weights: what each word weighs, for "tf_idf".
        sparse: return a SparseTensor, in other modes than "int".
        ragged: return a RaggedTensor, in the mode "int".
        encoding: of the vocabulary.

    The inputs are strings of the shape (batch,), (batch, 1) or ().

    Example:
        >>> layer = keras.layers.TextVectorization(vocabulary=["the", "cat"])
        >>> layer(["The cat sat.", "Cat!"]).numpy().tolist()
        [[2, 3, 1], [3, 0, 0]]
    """

    expected_input_dtype = "string"
    _arguments = (
        Argument("max_tokens", None, hint="int | None"),
        Argument("standardize", "lower_and_strip_punctuation", read=_step_of(*STANDARDIZATIONS)),
        Argument("split", "whitespace", read=_step_of(*SPLITS)),
        Argument("ngrams", None, read=_ngrams, hint="int | tuple[int, ...] | None"),
        Argument(
            "output_mode", "int", read=mode_of("int", "one_hot", "multi_hot", "count", "tf_idf"), hint="str"
        ),
        Argument("output_sequence_length", None, read=_length, hint="int | None"),
        Argument("pad_to_max_tokens", False, hint="bool"),
        Argument("vocabulary", None),
        Argument("idf_weights", None),
        Argument("sparse", False, hint="bool"),
        Argument("ragged", False, hint="bool"),
        Argument("encoding", "utf-8", hint="str"),
        Argument("vocabulary_size", None, hint="int | None", attribute="_size_in_config"),
    )
    max_tokens: int | None
    standardize: Any
    split: Any
    ngrams: Any
    output_mode: str
    output_sequence_length: int | None
    pad_to_max_tokens: bool
    vocabulary: Any
    idf_weights: Any
    sparse: bool
    ragged: bool
    encoding: str
    _size_in_config: int | None

    def _passed_on(self, given: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        dropped = {"has_input_vocabulary"} | ({"dtype"} if kwargs.get("dtype") == "string" else set())
        kwargs = {name: value for name, value in kwargs.items() if name not in dropped}
        return super()._passed_on(given, kwargs | {"autocast": False})

    def _begin(self) -> None:
        for wrong, why in (
            (
                self.output_mode != "int" and self.output_sequence_length is not None,
                "output_sequence_length takes",
            ),
            (self.output_mode != "int" and self.ragged, "ragged takes"),
        ):
            if wrong:
                raise ValueError(
                    f"TextVectorization: {why} output_mode='int', received {self.output_mode!r}{at_user_location()}"
                )
        shared = (
            "max_tokens",
            "pad_to_max_tokens",
            "vocabulary",
            "idf_weights",
            "output_mode",
            "sparse",
            "encoding",
        )
        more = {name: getattr(self, name) for name in shared}
        self._lookup_layer = StringLookup(mask_token="", vocabulary_size=self._size_in_config, **more)
        self.vocabulary, self.idf_weights = self._lookup_layer.vocabulary, self._lookup_layer.idf_weights

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(as_inputs(inputs), *args, **kwargs)

    # ---- the vocabulary

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes a vocabulary of the words in data, the most frequent first, and forgets what it knew.

        Args:
            data: an array or a list of texts, a dataset of texts or of batches, or an iterable of batches.
            batch_size: of the batches that an array is cut into; None: it is one.
            steps: how many batches to look at; None: all.
        """
        self._lookup_layer.adapt_by(self.update_state, data, batch_size, steps)

    def update_state(self, data: Any) -> None:
        """Counts the words of a batch of data."""
        texts = as_inputs(data)
        if not self._is_plain or isinstance(texts, CompositeTensor):
            self._lookup_layer.update_state(self._tokens(texts))
            return
        array = np.asarray(self._lone(texts))
        texts = array.reshape(-1).tolist()
        self._lookup_layer.update_texts(texts, self.standardize, self.split, self._widths)

    def finalize_state(self) -> None:
        """Makes the vocabulary of what was counted."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forgets the data."""
        self._lookup_layer.reset_state()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list:
        """Returns the words in the order of their numbers."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are, those of padding and of unknown words included."""
        return self._lookup_layer.vocabulary_size()

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Sets the words, in the order of their numbers; see `StringLookup.set_vocabulary`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    # ---- texts to tokens

    @property
    def _is_plain(self) -> bool:
        """Whether one op does all."""
        return isinstance(self.split, str) and not callable(self.standardize)

    @property
    def _widths(self) -> tuple[int, ...] | None:
        return tuple(range(1, self.ngrams + 1)) if isinstance(self.ngrams, int) else self.ngrams

    def _lone(self, inputs: Any) -> Any:
        """Returns texts without the axis of size 1 at their end."""
        if self.split is None or len(inputs.shape) < 2:
            return inputs
        if inputs.shape[-1] != 1:
            raise ValueError(
                f"{self.name}: texts that are split have the shape (batch,) or (batch, 1), received "
                f"{tuple(inputs.shape)}{at_user_location()}"
            )
        return inputs[..., 0]

    def _tokens(self, inputs: Any) -> Any:
        """Returns the words of texts, step by step: ragged where they are split."""
        if callable(self.standardize):
            inputs = self.standardize(inputs)
        elif self.standardize is not None:
            inputs = _on_strings(inputs, lambda flat: standardize_text(flat, standardize=self.standardize))
        inputs = self._lone(inputs)
        if callable(self.split):
            inputs = self.split(inputs)
        elif self.split is not None:
            split = find("tf.strings", "split" if self.split == "whitespace" else "unicode_split")
            inputs = split(inputs) if self.split == "whitespace" else split(inputs, "UTF-8")
        return inputs if self._widths is None else find("tf.strings", "ngrams")(inputs, self._widths)

    # ---- texts to numbers

    def call(self, inputs: Any) -> Any:
        if self._is_plain and not isinstance(inputs, CompositeTensor) and self.output_mode != "one_hot":
            return self._at_once(self._lone(inputs))
        numbers = self._lookup_layer(self._tokens(inputs))
        return numbers if self.output_mode != "int" else self._of_length(numbers)

    def _at_once(self, texts: Any) -> Any:
        look = self._lookup_layer
        look.check_known(texts)
        options = {
            "table": look._ready,
            "default": look._first_unknown,
            "standardize": self.standardize,
            "split": self.split,
            "ngrams": self._widths,
        }
        if self.output_mode != "int":
            return self._counted(texts, options)
        length, rank = self.output_sequence_length, len(texts.shape)
        if not self.ragged or rank == 0:
            return vectorize_text(texts, length=length, **options)
        if rank > 1:
            return self._of_length(look(self._tokens(texts)))
        splits, numbers = vectorize_text_ragged(texts, length=length, **options)
        return find("tf", "RaggedTensor").from_row_splits(numbers, splits, validate=False)

    def _counted(self, texts: Any, options: dict) -> Any:
        look = self._lookup_layer
        weights = look._weights_now() if self.output_mode == "tf_idf" else None
        counts = count_text(
            texts,
            weights,
            depth=look.depth(),
            binary=self.output_mode == "multi_hot",
            dtype=settings.floatx,
            **options,
        )
        return sparse_of(counts) if self.sparse else counts

    def _of_length(self, numbers: Any) -> Any:
        """Returns numbers cut and padded as was asked for."""
        length = self.output_sequence_length
        ragged: Any = numbers if isinstance(numbers, CompositeTensor) else None
        if ragged is not None:
            if self.ragged:
                return ragged if length is None else ragged[..., :length]
            return ragged.to_tensor(default_value=0, shape=[*list(ragged.shape)[:-1], length])
        if length is None:
            return numbers
        cut = numbers[..., :length]
        if self.ragged:
            return cut
        missing = length - cut.shape[-1]
        return pad(cut, [[0, 0]] * (len(cut.shape) - 1) + [[0, missing]])

    # ---- keeping

    def get_weights(self) -> list:
        """Returns the weights; in Keras 2 a vocabulary that was adapted is one."""
        return self._lookup_layer.get_weights()

    def set_weights(self, weights: list) -> None:
        """Sets what `get_weights` returned."""
        self._lookup_layer.set_weights(weights)

    def get_config(self) -> dict:
        size = self._lookup_layer.get_config()["vocabulary_size"]
        return super().get_config() | {"vocabulary_size": size}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        check_config(cls, config)
        steps = ("standardize", "split")
        made = {
            name: deserialize_keras_object(config[name])
            for name in steps
            if isinstance(config.get(name), dict)
        }
        return cls(**(config | made))

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary into a folder, where it is not in the config."""
        self._lookup_layer.save_assets(dir_path)

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary that `save_assets` wrote."""
        self._lookup_layer.load_assets(dir_path)

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the weights of "tf_idf" into `store`."""
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)


def _on_strings(inputs: Any, function: Any) -> Any:
    """Applies a function to strings, or to those that a ragged tensor holds."""
    if isinstance(inputs, CompositeTensor):
        ragged: Any = inputs
        return ragged.with_flat_values(function(ragged.flat_values))
    return function(inputs)
