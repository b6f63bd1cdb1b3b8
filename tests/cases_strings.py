"""Calls of `tf.strings`, and of other functions on strings: name -> f(tf, drawn strings)."""

import numpy as np

# What strings are drawn from: ASCII, white space, letters of other alphabets, emoji, malformed UTF-8, nothing.
_PIECES = [
    b"a",
    b"Bc",
    b" ",
    b"\t\n",
    b"1",
    b"-2.5",
    b"_",
    b".,!?",
    b"\\",
    b"\x00",
    b"\x0b",
    b"\x1c",
    b"\x7f",
]
_PIECES += [
    text.encode() for text in ("é", "ß", "Ω", "σς", "日本", "İ", "ǆ", "😀", "\u0301", "\ufffd", "\u00a0", "K")
]
_MALFORMED = [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\x80"]


def draw(rng, count, malformed=True, longest=7):
    """Returns drawn strings; the first is empty."""
    pieces = _PIECES + (_MALFORMED if malformed else [])
    return [b""] + [b"".join(rng.choice(pieces, rng.integers(0, longest))) for _ in range(count - 1)]


PATTERNS = [
    r"[!-/]",
    r"\s+",
    r"a",
    r"é",
    r".",
    r"[^a]",
    r"\W+",
    r"\d+",
    r"(B)(c)|a",
    r"(?i)bC",
    r"(?s).+",
    r"x*",
    r"$",
    r"^a?",
    r"\bB",
    r"[[:space:]]",
    r"\pL+",
    r"\p{Greek}",
    r"(?i)k",
    r"(a|Bc)+",
    r"[^\s]{2,3}",
    r"a{,2}",
    r"\x41|\.",
    r"日?本",
    r"(\w)(\w)?",
    r"[\w-]+",
    r"[]a]",
    r"(?m)^.",
    r"\z",
    r"\C",
    r"a+?",
    r"(?:a|B)\d",
    r"[+\-.]",
    r"\S",
    r"\D",
    r"\\\\",
]
REWRITES = ["", "-", " ", r"<\0>", r"\\", "é%s"]


EACH = {
    "upper": lambda tf, x: tf.strings.upper(x),
    "upper utf-8": lambda tf, x: tf.strings.upper(x, encoding="utf-8"),
    "lower": lambda tf, x: tf.strings.lower(x),
    "lower utf-8": lambda tf, x: tf.strings.lower(x, encoding="utf-8"),
    "strip": lambda tf, x: tf.strings.strip(x),
    "length": lambda tf, x: tf.strings.length(x),
    "length utf-8": lambda tf, x: tf.strings.length(x, unit="UTF8_CHAR"),
    "substr": lambda tf, x: tf.strings.substr(x, 0, 3),
    "substr to the end": lambda tf, x: tf.strings.substr(x, 0, -1),
    "substr utf-8": lambda tf, x: tf.strings.substr(x, 0, 2, unit="UTF8_CHAR"),
    "hash": lambda tf, x: tf.strings.to_hash_bucket(x, 2**40),
    "hash fast": lambda tf, x: tf.strings.to_hash_bucket_fast(x, 2**62),
    "hash strong": lambda tf, x: tf.strings.to_hash_bucket_strong(x, 2**62, [-5, 2**62]),
    "as_string": lambda tf, x: tf.strings.as_string(x, width=12, fill="-"),
    "join": lambda tf, x: tf.strings.join([x, "+", x], separator="|"),
    "transcode": lambda tf, x: tf.strings.unicode_transcode(x, "UTF-8", "UTF-16-BE"),
    "transcode ignoring": lambda tf, x: tf.strings.unicode_transcode(
        x, "UTF-8", "UTF-8", errors="ignore", replace_control_characters=True
    ),
    "transcode latin": lambda tf, x: tf.strings.unicode_transcode(x, "ISO-8859-1", "UTF-32-BE"),
    "transcode 1252": lambda tf, x: tf.strings.unicode_transcode(
        x, "windows-1252", "UTF-8", replacement_char=63, replace_control_characters=True
    ),
    "transcode utf-16": lambda tf, x: tf.strings.unicode_transcode(x, "UTF-16-LE", "UTF-8"),
    "equal": lambda tf, x: tf.equal(x, x),
    "add": lambda tf, x: x + b"." + x,
    "scripts": lambda tf, x: tf.strings.unicode_script(tf.strings.unicode_decode(x, "UTF-8")),
    "split": lambda tf, x: tf.strings.split(x),
    "split once": lambda tf, x: tf.strings.split(x, maxsplit=1),
    "split twice": lambda tf, x: tf.strings.split(x, maxsplit=2),
    "not split": lambda tf, x: tf.strings.split(x, maxsplit=0),
    "split at": lambda tf, x: tf.strings.split(x, "a"),
    "split at, once": lambda tf, x: tf.strings.split(x, "a", 1),
    "bytes": lambda tf, x: tf.strings.bytes_split(x),
    "characters": lambda tf, x: tf.strings.unicode_split(x, "UTF-8"),
    "characters ignoring": lambda tf, x: tf.strings.unicode_split(x, "UTF-8", errors="ignore"),
    "characters utf-16": lambda tf, x: tf.strings.unicode_split(x, "UTF-16-BE"),
    "codes": lambda tf, x: tf.strings.unicode_decode(x, "UTF-8", replacement_char=233),
    "codes ignoring": lambda tf, x: tf.strings.unicode_decode(
        x, "UTF-8", errors="ignore", replace_control_characters=True
    ),
    "codes utf-32": lambda tf, x: tf.strings.unicode_decode(x, "UTF-32-BE"),
    "codes, offsets": lambda tf, x: tf.strings.unicode_decode_with_offsets(x, "UTF-8"),
    "codes, offsets, ignoring": lambda tf, x: tf.strings.unicode_decode_with_offsets(
        x, "UTF-8", errors="ignore", replace_control_characters=True
    ),
    "codes, offsets, utf-16": lambda tf, x: tf.strings.unicode_decode_with_offsets(x, "UTF-16-BE"),
    "characters, offsets": lambda tf, x: tf.strings.unicode_split_with_offsets(x, "UTF-8"),
    "there and back": lambda tf, x: tf.strings.unicode_encode(
        tf.strings.unicode_decode(x, "UTF-8"), "UTF-16-BE"
    ),
    "join bytes": lambda tf, x: tf.strings.reduce_join(tf.strings.bytes_split(x), axis=-1, separator="·"),
}

# Those on rows of strings.
ROWS = {
    "ngrams": lambda tf, x: tf.strings.ngrams(x, 2),
    "ngrams, several": lambda tf, x: tf.strings.ngrams(x, [3, 1], separator="é", pad_values="P"),
    "ngrams, padding": lambda tf, x: tf.strings.ngrams(x, 4, pad_values=("L", "R"), padding_width=2),
    "ngrams, short": lambda tf, x: tf.strings.ngrams(x, 3, preserve_short_sequences=True),
    "ngrams, short and padded": lambda tf, x: tf.strings.ngrams(
        x, 9, pad_values=("L", "R"), padding_width=1, preserve_short_sequences=True
    ),
    "reduce_join": lambda tf, x: tf.strings.reduce_join(x, separator="|"),
    "reduce_join -1": lambda tf, x: tf.strings.reduce_join(x, axis=-1),
    "reduce_join 1": lambda tf, x: tf.strings.reduce_join(x, axis=1, separator="|", keepdims=True),
    "reduce_join 0": lambda tf, x: tf.strings.reduce_join(x, axis=0, separator="|"),
    "reduce_join 0, 1": lambda tf, x: tf.strings.reduce_join(x, axis=[1, 0], separator="|"),
}

# Those on vectors of 6 strings.
VECTORS = {
    "segments": lambda tf, x: tf.strings.unsorted_segment_join(x, [2, 0, 2, 3, 0, 2], 5, separator="+"),
    "segments of rows": lambda tf, x: tf.strings.unsorted_segment_join(tf.reshape(x, [3, 2]), [1, 0, 1], 2),
    "segments of all": lambda tf, x: tf.strings.unsorted_segment_join(
        tf.reshape(x, [3, 2]), [[1, 0], [1, 1], [0, 1]], 2, ":"
    ),
    "reduce_join 0": lambda tf, x: tf.strings.reduce_join(tf.reshape(x, [3, 2]), 0, separator=","),
    "reduce_join 0, 1": lambda tf, x: tf.strings.reduce_join(tf.reshape(x, [3, 2]), [0, 1], True, ","),
    "reduce_join 1, 0": lambda tf, x: tf.strings.reduce_join(tf.reshape(x, [1, 3, 2]), [2, 0], separator=","),
    "no axes": lambda tf, x: tf.strings.reduce_join(x, []),
    "grams of a matrix": lambda tf, x: tf.strings.ngrams(tf.reshape(x, [2, 3]), 2),
    "substr, each": lambda tf, x: tf.strings.substr(x + b"abc", [0, 1, 2, -1, -2, -3], [1, 2, 3, 1, -1, 0]),
    "format": lambda tf, x: tf.strings.format("{} and {}", [x, tf.reshape(x, [2, 3])], summarize=2),
    "fingerprint": lambda tf, x: tf.fingerprint(tf.reshape(x, [3, 2])),
    "unique": lambda tf, x: tf.unique(tf.concat([x, x[:2]], 0)),
    "unique_with_counts": lambda tf, x: tf.unique_with_counts(tf.concat([x, x[::-1]], 0)),
    "where": lambda tf, x: tf.where(x == x[1], x[1], x),
    "pad": lambda tf, x: tf.pad(x, [[1, 2]]),
    "pad with": lambda tf, x: tf.pad(tf.reshape(x, [2, 3]), [[0, 1], [1, 0]], constant_values="é"),
    "scatter": lambda tf, x: tf.scatter_nd([[1], [0], [1], [4], [4], [4]], x, [6]),
    "scatter update": lambda tf, x: tf.tensor_scatter_nd_update(x, [[1], [3]], ["x", "y"]),
    "count_nonzero": lambda tf, x: tf.math.count_nonzero(x),
    "stack": lambda tf, x: tf.unstack(tf.stack([x, x[::-1]], 1), axis=1),
    "tile": lambda tf, x: tf.tile(tf.transpose(tf.reshape(x, [2, 3])), [1, 2]),
    "gather": lambda tf, x: tf.gather(tf.reshape(x, [2, 3]), [[2], [0]], axis=1, batch_dims=1),
    "gather_nd": lambda tf, x: tf.gather_nd(tf.reshape(x, [2, 3]), [[1, 0], [0, 2]]),
    "reverse": lambda tf, x: tf.reverse(tf.expand_dims(x, 0), [1]),
    "boolean_mask": lambda tf, x: tf.boolean_mask(x, tf.strings.length(x) > 2),
    "dynamic_partition": lambda tf, x: tf.dynamic_partition(x, [0, 1, 0, 2, 1, 0], 3),
    "broadcast": lambda tf, x: tf.broadcast_to(x, [2, 6]),
    "like": lambda tf, x: [tf.zeros_like(x), tf.zeros([2, 0], tf.string), tf.fill([2], x[1])],
    "variable": lambda tf, x: tf.Variable(x)[1:3].assign(["p", "q"]),
    "one_hot": lambda tf, x: tf.one_hot([[0], [3]], 2, on_value=x[0], off_value="é", axis=0),
    "one_hot_python": lambda tf, x: tf.one_hot([0, 1], 2, "yes", b"no"),
    "sets": lambda tf, x: tf.sets.size(tf.sets.union(x[None], tf.constant([["a", "Bc"]]))),
    "to_number": lambda tf, x: tf.strings.to_number(["1", " -2.5e3 ", "0x1F", "nan", "-Inf", ".5", "1e400"]),
    "to_number, int": lambda tf, x: tf.strings.to_number(["1", " -25 ", "+7", "2147483647"], tf.int32),
    "as_string, floats": lambda tf, x: tf.strings.as_string(
        tf.constant([1.5, -2.25, np.inf, -np.inf, np.nan, 1e20, -0.0]), precision=2, width=9, fill="0"
    ),
    "as_string, shortest": lambda tf, x: tf.strings.as_string(
        tf.constant([0.1, 1e10, -1e-9], tf.float64), shortest=True, width=8, fill="-"
    ),
    "as_string, scientific": lambda tf, x: tf.strings.as_string(
        tf.constant([0.1, 123456.0]), scientific=True
    ),
    "as_string, half": lambda tf, x: tf.strings.as_string(tf.constant([0.1, 3.0], tf.bfloat16)),
    "as_string, ints": lambda tf, x: tf.strings.as_string([5, -5], width=4, fill="+"),
    "as_string, complex": lambda tf, x: tf.strings.as_string(
        tf.constant([1 + 2j, np.nan]), 1, width=6, fill="0"
    ),
    "encode": lambda tf, x: tf.strings.unicode_encode([[97, 0xD800], [0x110000, -1]], "UTF-8"),
    "encode ignoring": lambda tf, x: tf.strings.unicode_encode(
        [[[97, 0xD800]], [[0x1F600, -1]]], "UTF-16-BE", errors="ignore"
    ),
    "encode nothing": lambda tf, x: tf.strings.unicode_encode(tf.zeros([2, 0], tf.int32), "UTF-8"),
    "scripts": lambda tf, x: tf.strings.unicode_script(tf.range(-1, 0x110001, 37)),
}

# What both refuse, with InvalidArgumentError or another ValueError or TypeError.
REFUSED = {
    "pattern": lambda tf: tf.strings.regex_replace("a", "(", ""),
    "look-ahead": lambda tf: tf.strings.regex_full_match("a", "a(?=b)"),
    "back-reference": lambda tf: tf.strings.regex_full_match("aa", r"(a)\1"),
    "position": lambda tf: tf.strings.substr(["abc"], 4, 1),
    "character position": lambda tf: tf.strings.substr(["é"], -2, 1, unit="UTF8_CHAR"),
    "unit": lambda tf: tf.strings.length("a", unit="CHAR"),
    "encoding of case": lambda tf: tf.strings.lower("a", encoding="latin1"),
    "no number": lambda tf: tf.strings.to_number(["1", "1_0"]),
    "no integer": lambda tf: tf.strings.to_number("1.5", tf.int32),
    "too large": lambda tf: tf.strings.to_number("2147483648", tf.int32),
    "negative": lambda tf: tf.strings.to_number("-1", tf.uint32),
    "type of numbers": lambda tf: tf.strings.to_number("1", tf.uint8),
    "strict": lambda tf: tf.strings.unicode_decode([b"a", b"\xff"], "UTF-8", errors="strict"),
    "strict code": lambda tf: tf.strings.unicode_encode([0xD800], "UTF-8", errors="strict"),
    "errors": lambda tf: tf.strings.unicode_decode("a", "UTF-8", errors="what"),
    "encoding": lambda tf: tf.strings.unicode_decode("a", "nonsense"),
    "output encoding": lambda tf: tf.strings.unicode_transcode("a", "UTF-8", "latin1"),
    "replacement": lambda tf: tf.strings.unicode_encode([97], "UTF-8", replacement_char=0x110000),
    "scalar of codes": lambda tf: tf.strings.unicode_encode(97, "UTF-8"),
    "segment": lambda tf: tf.strings.unsorted_segment_join(["a"], [1], 1),
    "negative segment": lambda tf: tf.strings.unsorted_segment_join(["a"], [-1], 1),
    "shape of segments": lambda tf: tf.strings.unsorted_segment_join(["a"], [0, 0], 1),
    "axis": lambda tf: tf.strings.reduce_join([["a"]], axis=2),
    "axis twice": lambda tf: tf.strings.reduce_join([["a"]], axis=[0, 0]),
    "width": lambda tf: tf.strings.ngrams(["a"], 0),
    "padding": lambda tf: tf.strings.ngrams(["a"], 2, padding_width=1),
    "scalar of grams": lambda tf: tf.strings.ngrams("a", 2),
    "buckets": lambda tf: tf.strings.to_hash_bucket_fast("a", 0),
    "key": lambda tf: tf.strings.to_hash_bucket_strong("a", 5, [1]),
    "fill": lambda tf: tf.strings.as_string(5, fill="*"),
    "precision": lambda tf: tf.strings.as_string(5, precision=3),
    "notations": lambda tf: tf.strings.as_string(1.5, scientific=True, shortest=True),
    "placeholders": lambda tf: tf.strings.format("{} {}", tf.constant(1)),
    "shapes": lambda tf: tf.strings.join([["a", "b"], ["a", "b", "c"]]),
    "no list": lambda tf: tf.strings.join("abc"),
    "numbers": lambda tf: tf.strings.lower([1]),
    "ones": lambda tf: tf.ones([2], tf.string),
    "ones_like": lambda tf: tf.ones_like(tf.constant(["a"])),
    "diagonal": lambda tf: tf.linalg.diag(["a"]),
    "rows": lambda tf: tf.constant([["a"], ["b", "c"]]),
    "mixed": lambda tf: tf.constant(["a", 1]),
}
