"""Writers of random numbers.

A key is two integers, which TensorFlow's stateless operations take as a seed: the same key gives the same numbers each
time, others than here.  Keys come from the state of a generator that the model holds, or, where it holds none, from
TensorFlow's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.graph.walking import Written
from dovetail.ops.random_keys import is_shared
from dovetail.saved_model.writing.nodes import INT32, INT64
from dovetail.saved_model.writing.table import writes, z
from dovetail.tensor.dtype import as_dtype
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.variable import Variable

_FLOAT32 = as_dtype("float32")
_LARGEST = 2**62
_KEY = TensorShape([2])


@writes("random_key")
def _next_key(w: Any, seed: Any = None) -> Written:
    """Writes the draw of a key; a generator that the model holds moves on."""
    state = seed if isinstance(seed, Variable) else getattr(seed, "state", None)
    if isinstance(state, Variable) and not is_shared(state):
        key = w.read(state)
        w.assign(state, z(w, "AddV2", key, np.array([0, 1], np.int64), INT64))
        return key._replace(shape=_KEY)
    bounds = [w.ref(np.int64(one)) for one in (0, _LARGEST)]
    given = {"Tout": INT64, "T": INT32, "seed": int(seed) if isinstance(seed, int) else 0, "seed2": 0}
    shape = w.whole([2])
    found = w.effect("RandomUniformInt", {"output": INT64}, [shape, *bounds], **given)
    return found[0]._replace(shape=_KEY)


def _stateless(w: Any, kind: str, key: Any, shape: Any, dtype: Any) -> Written:
    given = {"dtype": dtype, "T": INT32, "Tseed": INT64}
    return w.ops(kind, {"output": dtype}, [w.sizes(shape), key], **given)[0]


def _scaled(w: Any, numbers: Any, factor: Any, shift: Any, dtype: Any) -> Written:
    if factor != 1:
        numbers = z(w, "Mul", numbers, factor, dtype)
    return numbers if shift == 0 else z(w, "AddV2", numbers, shift, dtype)


def _floating(kind: str, names: tuple[str, str]) -> Any:
    """Returns the writer of a distribution that is shifted and scaled."""

    def write(w: Any, key: Any, *, shape: Any, dtype: Any = _FLOAT32, **bounds: Any) -> Written:
        dtype = as_dtype(dtype)
        found = _stateless(w, kind, key, shape, dtype)
        first, second = bounds.get(names[0], 0.0), bounds.get(names[1], 1.0)
        factor, shift = (second - first, first) if names[0] == "low" else (second, first)
        return _scaled(w, found, factor, shift, dtype)

    return write


_FLOATING = {
    "uniform": ("StatelessRandomUniform", ("low", "high")),
    "normal": ("StatelessRandomNormal", ("mean", "stddev")),
    "truncated_normal": ("StatelessTruncatedNormal", ("mean", "stddev")),
}


def _drawn(write: Any) -> Any:
    """Returns the writer of an op that draws its key itself."""

    def with_key(w: Any, *args: Any, seed: Any = None, **how: Any) -> Written:
        return write(w, _next_key(w, seed), *args, **how)

    return with_key


def _integers(w: Any, key: Any, low: Any, high: Any, *, shape: Any, dtype: Any) -> Written:
    dtype = as_dtype(dtype)
    if dtype not in (INT32, INT64):
        raise w.not_written(f"random integers of {dtype.name}")
    bounds = [w.ref(one, dtype) for one in (low, high)]
    given = {"dtype": dtype, "T": INT32, "Tseed": INT64}
    return w.ops("StatelessRandomUniformInt", {"output": dtype}, [w.sizes(shape), key, *bounds], **given)[0]


def _bernoulli(w: Any, key: Any, probability: Any, *, shape: Any, dtype: Any = _FLOAT32) -> Written:
    drawn = _stateless(w, "StatelessRandomUniform", key, shape, _FLOAT32)
    hit = w.op("Less", "z", [drawn, w.ref(probability, _FLOAT32)], T=_FLOAT32)
    return w.op("Cast", "y", [hit], SrcT=as_dtype("bool"), DstT=as_dtype(dtype))


def _dropout(w: Any, key: Any, x: Any, *, rate: float, noise_shape: Any = None) -> Written:
    if not isinstance(rate, int | float):
        raise w.not_written("a dropout rate that is a tensor")
    dtype = w.dtype(x)
    own = w.op("Shape", "output", [x], T=dtype, out_type=INT32)
    shape: Any = own
    if noise_shape is not None:
        shape = [
            w.inline(lambda sizes, axis=axis: sizes[axis], [own._replace(shape=TensorShape([x.shape.rank]))])[
                0
            ]
            if size in (-1, None)
            else size
            for axis, size in enumerate(noise_shape)
        ]
    drawn = _stateless(w, "StatelessRandomUniform", key, shape, _FLOAT32)
    kept = w.op("GreaterEqual", "z", [drawn, w.ref(float(rate), _FLOAT32)], T=_FLOAT32)
    w.kept_by_dropout[id(w.node)] = kept
    scaled = z(w, "Mul", x, 1 / (1 - rate) if rate < 1 else 0.0, dtype)
    return w.op("SelectV2", "output", [kept, scaled, w.ref(0.0, dtype)], T=dtype)


def _categorical(w: Any, key: Any, logits: Any, *, num_samples: int, dtype: Any = INT64) -> Written:
    given = {"T": w.dtype(logits), "Tseed": INT64, "output_dtype": as_dtype(dtype)}
    inputs = [logits, w.whole(num_samples), key]
    return w.ops("StatelessMultinomial", {"output": as_dtype(dtype)}, inputs, **given)[0]


def _same_key(w: Any, key: Any) -> Written:
    return w.ref(key)


# Of ops that take a key, by their names, and by the names of those that draw it themselves.
_PURE = {
    **{name: (_floating(*how), f"random_{name}") for name, how in _FLOATING.items()},
    "integers": (_integers, "random_integers"),
    "bernoulli": (_bernoulli, "random_bernoulli"),
    "stateless_categorical": (_categorical, "random_categorical"),
    "stateless_dropout": (_dropout, "dropout"),
}
DROPOUT = "stateless_dropout"
# Ops whose numbers are others each time that they run, or others here than there.
DRAWING = frozenset({"random_key", *_PURE, *(drawing for _, drawing in _PURE.values())} - {DROPOUT})
writes("stateless_key")(_same_key)
for _name, (_write, _drawing) in _PURE.items():
    writes(_name)(_write)
    writes(_drawing)(_drawn(_write))
