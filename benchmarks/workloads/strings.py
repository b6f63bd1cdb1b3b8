"""Functions of `tf.strings` on 25,000 made-up reviews of 200 words; a repeat is one call on all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.frameworks import Loaded
from benchmarks.kinds import Bar, BenchmarkError, Run, Side, Workload
from benchmarks.workloads.text import NUM_REVIEWS, reviews

_PUNCTUATION = r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~']"
_CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "lower": lambda strings, x: strings.lower(x),
    "regex_replace": lambda strings, x: strings.regex_replace(x, _PUNCTUATION, ""),
    "split": lambda strings, x: strings.split(x).flat_values,
    "to_hash_bucket_fast": lambda strings, x: strings.to_hash_bucket_fast(x, 10_000),
}


def _build(name: str, fw: Loaded) -> Run:
    texts = fw.tf.constant(reviews())

    def check(found: Any) -> None:
        if len(np.asarray(found)) < NUM_REVIEWS:
            raise BenchmarkError(f"{name}: {len(found)} results")

    return Run(lambda _: _CALLS[name](fw.tf.strings, texts), check, units=NUM_REVIEWS, warmups=1)


def _workload(name: str) -> Workload:
    build = functools.partial(_build, name)
    return Workload(
        name=f"strings_{name}",
        about=f"tf.strings.{name} on 25,000 strings of 200 words",
        unit="samples/s",
        sides=(Side("dovetail", "dovetail", build), Side("tensorflow", "tensorflow", build)),
        bars=(Bar("no slower than TensorFlow", than="tensorflow", at_least=1.0),),
    )


WORKLOADS = tuple(map(_workload, _CALLS))
