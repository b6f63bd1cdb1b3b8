"""Rows of programs that were compiled by others: StableHLO modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.bounded import Bounded
from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.engine import modules
from dovetail.ops.core import Op
from dovetail.raw_ops.row import raw
from dovetail.tensor.dtype import as_dtype

_OPS = Bounded(256)


def _text(shape: Any) -> str:
    """Returns a shape that is known as text."""
    if shape.rank is None or None in tuple(shape):
        raise UnimplementedError(
            f"XlaCallModule: the file does not say how its sizes depend on each other: {shape}{at_user_location()}"
        )
    return ", ".join(map(str, shape))


@raw("XlaCallModule")
def call_module(
    args: list,
    *,
    version: int,
    module: Any,
    Sout: Any,
    Tout: Any,
    dim_args_spec: Any = (),
    platforms: Any = (),
    function_list: Any = (),
    has_token_input_output: bool = False,
    disabled_checks: Any = (),
    use_shardy_partitioner: bool = False,
    _shapes: Any = None,
    _results: Any = None,
    _kept: Any = None,
) -> list:
    """Runs a module; it has no gradient.  What we have written ourselves says how unknown sizes go together."""
    if function_list or has_token_input_output:
        raise UnimplementedError(f"XlaCallModule: a module that calls functions{at_user_location()}")
    content = module.encode("utf-8", "surrogateescape") if isinstance(module, str) else module
    kinds = tuple(np.dtype(one.dtype.numpy_dtype) for one in args)
    shapes = tuple(_shapes) if _shapes is not None else tuple(_text(one.shape) for one in args)
    results = tuple(_results) if _results is not None else tuple(_text(one) for one in Sout)
    kept = tuple(range(len(args))) if _kept is None else tuple(int(one) for one in _kept)
    devices = tuple(map(str, platforms))
    key = (version, content, kinds, shapes, results, kept, devices)
    op = _OPS.get(key)
    if op is None:
        types = [np.dtype(as_dtype(one).numpy_dtype) for one in Tout]
        made = modules().Module(int(version), content, kept)
        returned = list(zip(results, types, strict=True))
        run = modules().function_of(made, list(shapes), list(kinds), returned, devices)
        op = _OPS.put(key, _op(run, list(Sout), types))
    found = op(*args)
    return list(found) if isinstance(found, list | tuple) else [found]


def _op(run: Any, shapes: list, types: list) -> Op:
    def body(xp: Any, *arrays: Any) -> tuple:
        return tuple(run(*arrays))

    return Op(
        "xla_call_module",
        body,
        same_dtype=0,
        differentiable=False,
        engine="xla",
        several=True,
        shape=lambda *_: [tuple(shape) for shape in shapes],
        dtype=lambda *_: list(types),
    )
