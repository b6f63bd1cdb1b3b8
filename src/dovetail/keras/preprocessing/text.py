"""`keras.preprocessing.text` of Keras 2: texts as sequences of numbers."""

from __future__ import annotations

import collections
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest

__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "freq", "tfidf")


def text_to_word_sequence(
    input_text: str, filters: str = _FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """Returns the words of a text.

    Args:
        input_text: the text.
        filters: characters that count as `split`.
        lower: make it lower case.
        split: what stands between words.

    Example:
        >>> text_to_word_sequence("Hello, World!")
        ['hello', 'world']
    """
    text = input_text.lower() if lower else input_text
    text = text.translate({ord(character): split for character in filters})
    return [word for word in text.split(split) if word]


def one_hot(
    input_text: str,
    n: int,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list] | None = None,
) -> list[int]:
    """Returns Python's hashes of the words of a text, in [1, n); see `hashing_trick`."""
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Any = None,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], list] | None = None,
) -> list[int]:
    """Returns a hash in [1, n) for each word of a text; two words may have the same.

    Args:
        hash_function: None: Python's, which differs from run to run; "md5", which does not; or a function.
        analyzer: returns the words; `text_to_word_sequence` with the other arguments by default.
    """
    if hash_function == "md5":
        hash_function = _md5
    words = analyzer(text) if analyzer else text_to_word_sequence(text, filters, lower, split)
    function = hash_function or hash
    return [function(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode()).hexdigest(), 16)


class Tokenizer:
    """Numbers words by how often they come: 1 is the most frequent one (after `oov_token`, if there is one).

    Args:
        num_words: only words with numbers below are kept in sequences; None: all.
        filters, lower, split: see `text_to_word_sequence`.
        char_level: number characters instead of words.
        oov_token: stands for unknown words; without one they are left out.
        analyzer: returns the words of a text.
        document_count: number of texts seen.

    Attributes:
        word_counts: how often each word came.
        word_docs, index_docs: in how many texts each word, each number, came.
        word_index, index_word: the number of a word, the word of a number.

    Example:
        >>> tokenizer = keras.preprocessing.text.Tokenizer()
        >>> tokenizer.fit_on_texts(["the cat", "the dog"])
        >>> tokenizer.texts_to_sequences(["a dog the"])
        [[3, 1]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], list] | None = None,
        document_count: int = 0,
    ) -> None:
        self.num_words, self.filters, self.lower, self.split = num_words, filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.document_count = document_count
        self.word_counts: collections.OrderedDict = collections.OrderedDict()
        self.word_docs: collections.defaultdict = collections.defaultdict(int)
        self.index_docs: collections.defaultdict = collections.defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def _words(self, text: Any) -> list:
        if self.analyzer is not None:
            return self.analyzer(text)
        if not isinstance(text, str):  # words already
            return [word.lower() for word in text] if self.lower else list(text)
        if self.char_level:
            return list(text.lower() if self.lower else text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable) -> None:
        """Counts the words of texts, or of lists of words, and numbers them."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] += 1
        by_count = sorted(self.word_counts.items(), key=lambda item: item[1], reverse=True)
        first = [] if self.oov_token is None else [self.oov_token]
        names = [*first, *(word for word, _ in by_count)]
        self.word_index = {name: number for number, name in enumerate(names, 1)}
        self.index_word = {number: name for name, number in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Iterable) -> None:
        """Counts in how many sequences each number comes, for `sequences_to_matrix`."""
        for sequence in sequences:
            self.document_count += 1
            for number in set(sequence):
                self.index_docs[number] += 1

    def texts_to_sequences(self, texts: Iterable) -> list[list[int]]:
        """Returns the numbers of the words of texts."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable) -> Iterator[list[int]]:
        """Yields what `texts_to_sequences` returns."""
        for text in texts:
            numbers = (self._known(self.word_index.get(word), self.word_index) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def _known(self, number: int | None, numbers: dict) -> int | None:
        """Returns a number that is kept, the number of `oov_token` for others, None where there is none."""
        if number is not None and not (self.num_words and number >= self.num_words):
            return number
        return numbers.get(self.oov_token)

    def sequences_to_texts(self, sequences: Iterable) -> list[str]:
        """Returns the words of numbers, with spaces between."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable) -> Iterator[str]:
        """Yields what `sequences_to_texts` returns."""
        for sequence in sequences:
            numbers = (
                self._known(number if number in self.index_word else None, self.word_index)
                for number in sequence
            )
            yield " ".join(self.index_word[number] for number in numbers if number is not None)

    def texts_to_matrix(self, texts: Iterable, mode: str = "binary") -> np.ndarray:
        """Returns a row for each text; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Any, mode: str = "binary") -> np.ndarray:
        """Returns a row for each sequence, with a column for each number.

        Args:
            sequences: lists of numbers.
            mode: "binary": whether the number comes; "count": how often; "freq": the share of the sequence; "tfidf":
                `(1 + log(count)) * log(1 + texts / (1 + texts with the number))`.

        Returns:
            float64 array of shape (sequences, num_words).
        """
        if mode not in _MODES:
            raise ValueError(
                f"sequences_to_matrix: mode must be one of {', '.join(_MODES)}, received {mode!r}."
                f"{suggest(str(mode), _MODES)}{at_user_location()}"
            )
        if not self.num_words and not self.word_index:
            raise ValueError(
                f"sequences_to_matrix: call fit_on_texts first, or pass num_words= to Tokenizer{at_user_location()}"
            )
        if mode == "tfidf" and not self.document_count:
            raise ValueError(f"sequences_to_matrix: call fit_on_texts before 'tfidf'{at_user_location()}")
        width = self.num_words or len(self.word_index) + 1
        result = np.zeros((len(sequences), width))
        for row, sequence in zip(result, sequences, strict=True):
            for number, count in collections.Counter(n for n in sequence if n < width).items():
                row[number] = self._weight(mode, number, count, len(sequence))
        return result

    def _weight(self, mode: str, number: int, count: int, length: int) -> float:
        if mode == "tfidf":
            rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
            return (1 + np.log(count)) * rarity
        return {"binary": 1.0, "count": count, "freq": count / length}[mode]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments and what was counted, dicts as JSON."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in _COUNTED},
        }

    def to_json(self, **kwargs: Any) -> str:
        """Returns the tokenizer as JSON; `kwargs` go to `json.dumps`."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


# What a tokenizer has counted, and whether the keys are numbers, which JSON makes strings of.
_COUNTED = {
    "word_counts": False,
    "word_docs": False,
    "index_docs": True,
    "index_word": True,
    "word_index": False,
}


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Returns the tokenizer that `Tokenizer.to_json` wrote."""
    config = json.loads(json_string)["config"]
    counted = {name: json.loads(config.pop(name)) for name in _COUNTED}
    tokenizer = Tokenizer(**config)
    for name, is_numbered in _COUNTED.items():
        values = {int(key) if is_numbered else key: value for key, value in counted[name].items()}
        kind = type(getattr(tokenizer, name))
        setattr(tokenizer, name, kind(int, values) if kind is collections.defaultdict else kind(values))
    return tokenizer
