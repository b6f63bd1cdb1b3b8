"""`tf.data.Options`: how a pipeline may run.

`deterministic=False` lets maps and interleaves with several threads give elements as they are ready;
`experimental_distribute` says how datasets are divided.  What the others say about threads and graph rewrites in
TensorFlow's runtime has no counterpart, and elements never depend on it; the values are checked, kept and merged.
"""

from __future__ import annotations

import enum
from typing import Any

from dovetail.base.errors import at_user_location, suggest


class AutoShardPolicy(enum.IntEnum):
    """How a distributed input is split between workers."""

    OFF = -1
    AUTO = 0
    FILE = 1
    DATA = 2
    HINT = 3


class AutotuneAlgorithm(enum.Enum):
    """How TensorFlow's runtime looks for numbers of threads."""

    DEFAULT = 0
    HILL_CLIMB = 1
    GRADIENT_DESCENT = 2
    MAX_PARALLELISM = 3
    STAGE_BASED = 4


class ExternalStatePolicy(enum.Enum):
    """What to do with stateful steps when a pipeline is saved."""

    WARN = 0
    IGNORE = 1
    FAIL = 2


class _Group:
    """Named settings, None until set; an unknown name raises AttributeError, a value of another type TypeError.

    Attributes:
        _fields: what each setting is at first; a class: an object of it.
        _types: of what type each may be.
    """

    _fields: dict[str, Any] = {}
    _types: dict[str, type] = {}

    def __init__(self) -> None:
        for name, default in self._fields.items():
            object.__setattr__(self, name, default() if isinstance(default, type) else default)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._fields:
            raise AttributeError(
                f"Cannot set the property {name} on {type(self).__name__}. It has {', '.join(self._fields)}."
                f"{suggest(name, self._fields)}"
            )
        kind = self._types.get(name)
        if kind is not None and (not isinstance(value, kind) or (kind is int and type(value) is bool)):
            raise TypeError(
                f'Property "{name}" must be of type {kind}, got: {value!r:.60} (type: {type(value)})'
                f"{at_user_location()}"
            )
        object.__setattr__(self, name, value)

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._fields}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        raise TypeError(f"{type(self).__name__} can change, and so has no hash")

    def __repr__(self) -> str:
        given = {name: value for name, value in self._values().items() if value != self._default(name)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def _default(self, name: str) -> Any:
        default = self._fields[name]
        return default() if isinstance(default, type) else default

    def merge(self, other: Any) -> Any:
        """Returns a new group with what `other` sets, and what this one sets where `other` does not."""
        result = type(self)()
        for name in self._fields:
            mine, theirs = getattr(self, name), getattr(other, name)
            if isinstance(mine, _Group):
                value = mine.merge(theirs)
            else:
                value = mine if theirs == self._default(name) else theirs
            object.__setattr__(result, name, value)
        return result


class ThreadingOptions(_Group):
    """Sizes of thread pools in TensorFlow's runtime."""

    _types: dict[str, type] = dict.fromkeys(("max_intra_op_parallelism", "private_threadpool_size"), int)
    _fields = dict.fromkeys(_types)


class AutotuneOptions(_Group):
    """Budgets of TensorFlow's autotuner."""

    _types: dict[str, type] = {
        "autotune_algorithm": AutotuneAlgorithm,
        "cpu_budget": int,
        "enabled": bool,
        "initial_parallelism": int,
        "min_parallelism": int,
        "ram_budget": int,
    }
    _fields = dict.fromkeys(_types)


class DistributeOptions(_Group):
    """How `tf.distribute` splits the dataset."""

    _types: dict[str, type] = {"auto_shard_policy": AutoShardPolicy, "num_devices": int}
    _fields = {"auto_shard_policy": AutoShardPolicy.AUTO, "num_devices": None}


class OptimizationOptions(_Group):
    """Graph rewrites of TensorFlow's runtime."""

    _types: dict[str, type] = dict.fromkeys(
        (
            "apply_default_optimizations",
            "filter_fusion",
            "filter_parallelization",
            "inject_prefetch",
            "map_and_batch_fusion",
            "map_and_filter_fusion",
            "map_fusion",
            "map_parallelization",
            "noop_elimination",
            "parallel_batch",
            "seq_interleave_prefetch",
            "shuffle_and_repeat_fusion",
        ),
        bool,
    )
    _fields = dict.fromkeys(_types)


class Options(_Group):
    """Options of a dataset, given with `dataset.with_options(options)`.

    Example:
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        dataset = dataset.with_options(options)
    """

    _fields = {
        "autotune": AutotuneOptions,
        "dataset_name": None,
        "deterministic": None,
        "experimental_distribute": DistributeOptions,
        "experimental_external_state_policy": None,
        "experimental_optimization": OptimizationOptions,
        "experimental_slack": None,
        "experimental_symbolic_checkpoint": None,
        "experimental_warm_start": None,
        "framework_type": None,
        "threading": ThreadingOptions,
    }

    _types: dict[str, type] = {
        "autotune": AutotuneOptions,
        "dataset_name": str,
        "deterministic": bool,
        "experimental_distribute": DistributeOptions,
        "experimental_external_state_policy": ExternalStatePolicy,
        "experimental_optimization": OptimizationOptions,
        "experimental_slack": bool,
        "experimental_symbolic_checkpoint": bool,
        "experimental_warm_start": bool,
        "framework_type": list,
        "threading": ThreadingOptions,
    }

    _aliases = {"experimental_deterministic": "deterministic", "experimental_threading": "threading"}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(self._aliases.get(name, name), value)

    def __getattr__(self, name: str) -> Any:
        if name in Options._aliases:
            return getattr(self, Options._aliases[name])
        raise AttributeError(f"Options has no property {name!r}.{suggest(name, self._fields)}")
