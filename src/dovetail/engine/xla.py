"""The XLA engine: `jax.numpy` under the names of `engine/host.py`, and everything that compiles or differentiates.

Every name that is not defined here is `jax.numpy`'s.  Importing this module imports JAX; only `dovetail.engine.xla()`
does it.
"""

from __future__ import annotations

import functools
import importlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dovetail.base.settings import settings
from dovetail.engine import (  # noqa: F401 - native is a name of this engine
    dtypes,
    host,
    jax_private,
    native,
    native_rows,
)
from dovetail.engine.native_batched import batched_product
from dovetail.engine.traced_body import TracedBody  # noqa: F401 - a name of this engine
from dovetail.engine.xla_array import (  # noqa: F401 - names of this engine
    add_rows,
    as_shift,
    bitcast,
    checked_indices,
    checked_places,
    dynamic_slice,
    dynamic_update,
    index_div,
    index_max,
    index_min,
    index_mul,
    look_up,
    repeat_each,
    rows_at,
    search_rows,
    set_rows,
    sizes,
    summed_rows,
    take,
    taken_from_nothing,
    unslice,
)
from dovetail.engine.xla_conv import compiler_options  # noqa: F401 - a name of this engine
from dovetail.engine.xla_einsum import einsum  # noqa: F401 - a name of this engine
from dovetail.engine.xla_epilogues import with_epilogues
from dovetail.engine.xla_layouts import with_axes_in_place
from dovetail.engine.xla_native import (  # noqa: F401 - names of this engine
    by_kernel,
    leaving_values,
    product,
    product_over_rows,
    product_with_rows,
)
from dovetail.engine.xla_nn import (  # noqa: F401 - names of this engine
    computed_before,
    computed_once,
    conv,
    conv_input_gradient,
    conv_kernel_gradient,
    depthwise_by_groups,
    keep_where,
    pick_labels,
    scan,
    spread,
    window_reduce,
)
from dovetail.engine.xla_ordering import with_updates_last
from dovetail.engine.xla_segments import (  # noqa: F401 - names of this engine
    reduce_columns,
    reduce_rows,
    row_ids,
    segment_reduce,
)
from dovetail.engine.xla_special import special  # noqa: F401 - a name of this engine
from dovetail.engine.xla_updates import with_steps_as_one

name = "xla"
newaxis = None

jax.config.update("jax_enable_x64", True)

Tracer = jax.core.Tracer
Array = jax.Array
ShapeDtypeStruct = jax.ShapeDtypeStruct
jit = jax.jit
vjp = jax.vjp
vmap = jax.vmap
jvp = jax.jvp
eval_shape = jax.eval_shape
stop_gradient = lax.stop_gradient
LeakedTracerError = jax.errors.UnexpectedTracerError


def __getattr__(attribute: str) -> Any:
    value = getattr(jnp, attribute)
    globals()[attribute] = value
    return value


def use_compilation_cache(directory: str | None) -> None:
    """Keeps compiled programs in `directory` between processes; None or "" switches it off."""
    if not directory:
        jax.config.update("jax_enable_compilation_cache", False)
        return
    jax.config.update("jax_compilation_cache_dir", directory)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def default_cache_dir() -> str:
    """Returns DOVETAIL_CACHE_DIR, or the platform's cache folder + "dovetail/xla"."""
    if settings.cache_dir is not None:
        return settings.cache_dir
    base = os.environ.get("XDG_CACHE_HOME") or (pathlib.Path.home() / ".cache")
    return str(pathlib.Path(base) / "dovetail" / "xla")


use_compilation_cache(default_cache_dir())


put_on_device = jax.device_put


def lives_on_host(array: Any) -> bool:
    """True when NumPy can look at the array without a transfer."""
    return _default_platform() == "cpu" or array.device.platform == "cpu"


@functools.cache
def _default_platform() -> str:
    return jax.default_backend()


def platform() -> str:
    """Returns "cpu", "gpu" or "tpu": where arrays live by default."""
    return jax.default_backend()


def describe_devices() -> list[dict]:
    """Returns one row a device: kind ("CPU", "GPU", "TPU"), platform, id, name."""
    return [
        {
            "kind": device.platform.upper(),
            "platform": device.platform,
            "id": device.id,
            "name": device.device_kind,
        }
        for device in jax.devices()
    ]


default_device = jax.default_device
update_config = jax.config.update
effects_barrier = jax.effects_barrier


def num_cpu_devices() -> int:
    return len(jax.devices("cpu"))


def find_device(platform: str | None, index: int) -> Any:
    """Returns device `index` of a platform, of the default one for None."""
    return jax.devices(platform)[index]


# ---- the names of engine/host.py ------------------------------------------------------------------------------


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return jnp.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return jnp.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    if x.dtype.kind in "iub":
        total = jnp.sum(x, axis=axis, keepdims=keepdims, dtype=np.int64)
        count = np.int64(np.maximum(x.size // np.maximum(total.size, 1), 1))
        return lax.div(total, jnp.broadcast_to(count, total.shape)).astype(x.dtype)
    return jnp.mean(x, axis=axis, keepdims=keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return jnp.max(x, axis=axis, keepdims=keepdims, initial=None if x.size else _lowest(x.dtype))


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return jnp.min(x, axis=axis, keepdims=keepdims, initial=None if x.size else _highest(x.dtype))


def _lowest(dtype: Any) -> Any:
    if dtype.kind == "b":
        return False
    return jnp.iinfo(dtype).min if dtype.kind in "iu" else -jnp.inf


def _highest(dtype: Any) -> Any:
    if dtype.kind == "b":
        return True
    return jnp.iinfo(dtype).max if dtype.kind in "iu" else jnp.inf


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return jnp.all(x, axis=axis, keepdims=keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return jnp.any(x, axis=axis, keepdims=keepdims)


def cumsum(x: Any, axis: int) -> Any:
    return jnp.cumsum(x, axis=axis, dtype=x.dtype)


def cumprod(x: Any, axis: int) -> Any:
    return jnp.cumprod(x, axis=axis, dtype=x.dtype)


def rewritten(closed: Any) -> Any:
    """Returns a traced program with what is better done as one, or in place, which is known once it has been traced."""
    return with_updates_last(with_steps_as_one(with_epilogues(with_axes_in_place(closed))))


def cast(x: Any, dtype: np.dtype) -> Any:
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    return x.astype(dtype)


def matmul(a: Any, b: Any) -> Any:
    """Returns `a @ b` over the last two axes; the others broadcast."""
    return batched_product(a, b)


def divide(a: Any, b: Any) -> Any:
    if a.dtype.kind in "iub":
        return jnp.true_divide(a.astype(np.float64), b.astype(np.float64))
    return jnp.true_divide(a, b)


erf = lax.erf
erfc = lax.erfc
erfinv = lax.erf_inv
lgamma = lax.lgamma
digamma = lax.digamma
rsqrt = lax.rsqrt
logistic = lax.logistic


def softplus(x: Any) -> Any:
    return jnp.logaddexp(x, jnp.zeros((), x.dtype))


def index_set(x: Any, index: Any, values: Any) -> Any:
    return jnp.asarray(x).at[index].set(values)


def index_add(x: Any, index: Any, values: Any) -> Any:
    return jnp.asarray(x).at[index].add(values)


def floordiv(x: Any, y: Any) -> Any:
    return jnp.floor_divide(x, y) if x.dtype.kind in "iu" else jnp.floor(jnp.true_divide(x, y))


def floormod(x: Any, y: Any) -> Any:
    return jnp.remainder(x, y)


def truncatediv(x: Any, y: Any) -> Any:
    return lax.div(*jnp.broadcast_arrays(x, y)) if x.dtype.kind in "iu" else jnp.trunc(jnp.true_divide(x, y))


def cumlogsumexp(x: Any, axis: int) -> Any:
    return lax.cumlogsumexp(x, axis=axis)


top_k = lax.top_k


def triangular_solve(matrix: Any, rhs: Any, lower: bool) -> Any:
    batch = jnp.broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2])
    matrix = jnp.broadcast_to(matrix, batch + matrix.shape[-2:])
    rhs = jnp.broadcast_to(rhs, batch + rhs.shape[-2:])
    return lax.linalg.triangular_solve(matrix, rhs, left_side=True, lower=lower)


expm = jax.scipy.linalg.expm


def lu_factor(x: Any) -> tuple:
    return jax.scipy.linalg.lu_factor(x)


# ---- tracing ---------------------------------------------------------------------------------------------------


def zero_cotangent(value: Any) -> Any:
    """Returns the zero cotangent of a value: float0 zeros for integers, zeros of the same kind otherwise."""
    if value.dtype in dtypes.DIFFERENTIABLE:
        return jnp.zeros(value.shape, value.dtype)
    return np.zeros(value.shape, jax.dtypes.float0)


def flatten_tree(value: Any) -> tuple[list, Any]:
    """Returns the leaves of a structure that JAX knows, and what puts them back."""
    return jax.tree_util.tree_flatten(value)


def unflatten_tree(structure: Any, leaves: Any) -> Any:
    return jax.tree_util.tree_unflatten(structure, leaves)


def in_trace() -> bool:
    """True while JAX traces in this thread."""
    return jax_private.in_trace()


def outside_of_traces() -> Any:
    """Returns a context in which ops run at once, whatever is being traced around it."""
    return jax_private.outside_of_traces()


def block_until_ready(values: Any) -> Any:
    return jax.block_until_ready(values)


def debug_callback(function: Callable, *values: Any) -> None:
    """Calls `function` on the host with the run-time values, in program order."""
    places = [i for i, value in enumerate(values) if isinstance(value, Tracer)]

    def call(*concrete: Any) -> None:
        given = list(values)  # what is known already may be strings, which XLA cannot pass
        for place, value in zip(places, concrete, strict=True):
            given[place] = value
        function(*given)

    jax.debug.callback(call, *(values[i] for i in places), ordered=True)


def meshes() -> Any:
    """Returns `engine/mesh.py`: values on several devices."""
    return importlib.import_module("dovetail.engine.mesh")


def rows() -> Any:
    """Returns `engine/rows.py`: a program of one row for many."""
    return importlib.import_module("dovetail.engine.rows")


def stepping() -> Any:
    """Returns `engine/stepping.py`: many steps in one program."""
    return importlib.import_module("dovetail.engine.stepping")
