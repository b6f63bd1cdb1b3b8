"""Programs as StableHLO modules: what XLA compiles, in the form that files and other runtimes hold.

A module serves any sizes where its shapes have names in place of numbers, such as "d0, 3".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import export

from dovetail.base.errors import UnimplementedError, at_user_location
from dovetail.engine import kernels
from dovetail.engine.platforms import USUAL_PLATFORMS, serve

# What a module calls besides its own operations: names that are no plain words stand in quotes.
_LIBRARIES = re.compile(r'(?:custom_call\s*@|call_target_name\s*=\s*)("(?:[^"\\]|\\.)*"|[\w.$-]+)')
# Operations by which a program exchanges data with what is outside of it, in the form "stablehlo.outfeed"(...).
_CHANNELS = re.compile(r'"?stablehlo\.(infeed|outfeed|send|recv)\b')
_PORTABLE = re.compile(r"stablehlo\.[\w.]+|shape_assertion|Sharding")
_READ = re.compile(r"mhlo\.(erf|topk)")  # as well in modules of others: operations of XLA itself


is_named_size = export.is_symbolic_dim


class Module(NamedTuple):
    """A program.

    Attributes:
        version: of the convention by which it is called.
        content: the module, serialized.
        kept: which of the arguments it takes.
        results: the shapes that it gives, as texts.
    """

    version: int
    content: bytes
    kept: tuple[int, ...]
    results: tuple[str, ...] = ()


def as_module(function: Callable, shapes: list[str], dtypes: list[Any]) -> Module:
    """Returns a function of arrays as a module.

    Args:
        function: returns a list of arrays.
        shapes: of its arguments, as texts with names or numbers for sizes.
        dtypes: of them.

    Raises:
        NotImplementedError: it depends on sizes in a way that is not known for names, or has effects.
    """
    scope = export.SymbolicScope()
    examples = [
        jax.ShapeDtypeStruct(export.symbolic_shape(shape, scope=scope), dtype)
        for shape, dtype in zip(shapes, dtypes, strict=True)
    ]
    try:
        with kernels.made_for(kernels.ANY):
            made = export.export(jax.jit(function, keep_unused=True), platforms=USUAL_PLATFORMS)(*examples)
    except Exception as error:  # bodies are written for numbers, and fail in their own ways on names
        raise NotImplementedError(f"it depends on sizes that are not known: {error!r:.200}") from error
    targets = foreign(made)
    if targets:
        raise NotImplementedError(f"it calls {', '.join(targets)}, which only XLA's own programs have")
    if made.ordered_effects or made.unordered_effects:
        raise NotImplementedError("the program has effects")
    results = tuple(", ".join(map(str, one.shape)) for one in made.out_avals)
    return Module(
        made.calling_convention_version, made.mlir_module_serialized, made.module_kept_var_idx, results
    )


def foreign(made: export.Exported) -> list[str]:
    """Returns what a module reaches outside of it: functions of the process by name, channels by their operations."""
    text = made.mlir_module()
    names = {one.strip('"') for one in _LIBRARIES.findall(text)}
    return sorted({one for one in names if not _PORTABLE.fullmatch(one)} | set(_CHANNELS.findall(text)))


def unreadable(made: export.Exported) -> list[str]:
    """Returns those of them for which a module is not run."""
    return [one for one in foreign(made) if not _READ.fullmatch(one)]


def _checked(made: export.Exported) -> None:
    """Refuses a module that calls what it must not, or that is for other devices.

    Raises:
        ValueError: it is damaged.
        UnimplementedError: it is not run.
    """
    try:
        names = unreadable(made)
    except Exception as error:  # MLIR has its own errors, which are not public
        raise ValueError(f"the module is damaged: {error!r:.200}") from error
    if names:
        raise UnimplementedError(
            f"XlaCallModule: the module calls {', '.join(map(repr, names))} in this process, which is not its own "
            f"operation, and is not run{at_user_location()}"
        )
    backend = jax.default_backend()
    if not serve(made.platforms, backend):
        raise UnimplementedError(
            f"XlaCallModule: the module was compiled for {', '.join(made.platforms)}, and the program runs on "
            f"{backend}{at_user_location()}"
        )


def function_of(
    module: Module,
    shapes: list[str],
    dtypes: list[Any],
    results: list[tuple[str, Any]],
    platforms: Sequence[str] = (),
) -> Any:
    """Returns the function of arrays that a module is; its arguments and results as `as_module` has had them.

    Args:
        platforms: the kinds of devices that it is for, where it says them.

    Raises:
        ValueError: the module is damaged.
        UnimplementedError: it calls other functions in the process, or is for other devices.
    """
    scope = export.SymbolicScope()

    def described(shape: str, dtype: Any) -> Any:
        sizes = export.symbolic_shape(shape, scope=scope)
        return jax.core.ShapedArray(sizes, np.dtype(dtype))

    inputs = tuple(described(*pair) for pair in zip(shapes, dtypes, strict=True))
    outputs = tuple(described(*pair) for pair in results)
    made = export.Exported(
        fun_name="module",
        in_tree=jax.tree_util.tree_structure((tuple(inputs), {})),
        in_avals=inputs,
        out_tree=jax.tree_util.tree_structure(list(outputs)),
        out_avals=outputs,
        _has_named_shardings=False,
        _in_named_shardings=(None,) * len(inputs),
        _out_named_shardings=(None,) * len(outputs),
        in_shardings_hlo=(None,) * len(inputs),
        out_shardings_hlo=(None,) * len(outputs),
        nr_devices=1,
        platforms=tuple(one.lower() for one in platforms) or USUAL_PLATFORMS,
        ordered_effects=(),
        unordered_effects=(),
        disabled_safety_checks=(),
        mlir_module_serialized=module.content,
        calling_convention_version=module.version,
        module_kept_var_idx=module.kept,
        uses_global_constants=any(one.isalpha() for shape in shapes for one in shape),
        _get_vjp=None,
    )
    _checked(made)
    return made.call
