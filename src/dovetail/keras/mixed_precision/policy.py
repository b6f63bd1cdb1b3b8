"""Dtype policies: the dtype a layer computes in, and the dtype of its variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.keras.registration import own, own_object
from dovetail.tensor import dtype as dt

_MIXED = {"mixed_float16": ("float16", "float32"), "mixed_bfloat16": ("bfloat16", "float32")}
_global: list[Policy] = []
_by_start: list[tuple[str, Callable[[str], Any]]] = []  # further kinds of names, by how they start


def read_names(start: str, read: Callable[[str], Any]) -> None:
    """Lets names that start so mean the policies that `read(name)` returns."""
    _by_start.append((start, read))


class DTypePolicy:
    """The dtypes of a layer (Keras 2 calls it `Policy`).

    Args:
        name: a dtype, for both; or "mixed_float16", "mixed_bfloat16": 16-bit computation on float32 variables.
            None: the global policy's.

    Attributes:
        compute_dtype: name of the dtype that inputs and variables are cast to for a call.
        variable_dtype: name of the dtype of variables.

    Example:
        >>> DTypePolicy("mixed_bfloat16").compute_dtype
        'bfloat16'
    """

    quantization_mode = None

    def __init__(self, name: Any = None) -> None:
        if name is None:
            name = global_policy().name
        if not isinstance(name, str):
            raise TypeError(
                f"Policy: name must be a string such as 'mixed_float16', received {name!r}{at_user_location()}"
            )
        self._name = name
        self._compute_dtype, self._variable_dtype = dtypes_of(name)

    @property
    def name(self) -> str:
        return self._name

    @property
    def compute_dtype(self) -> str:
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self._variable_dtype

    def of_layer(self, path: str) -> DTypePolicy:
        """Returns the policy of the layer at a path: this one, unless a subclass tells paths apart."""
        return self

    def get_config(self) -> dict[str, Any]:
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DTypePolicy:
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


Policy = DTypePolicy
own("keras", {"DTypePolicy": DTypePolicy, "FloatDTypePolicy": DTypePolicy})
own("keras.mixed_precision", {"Policy": DTypePolicy})


def dtypes_of(name: str) -> tuple[str, str]:
    if name in _MIXED:
        return _MIXED[name]
    try:
        found = dt.as_dtype(name).name
    except TypeError:
        known = [*_MIXED, *(dtype.name for dtype in dt.ALL)]
        raise ValueError(
            f"Policy: {name!r} is no dtype and no policy.{suggest(name, known)} "
            f"Policies are {', '.join(_MIXED)} and the names of dtypes{at_user_location()}"
        ) from None
    return found, found


def get(identifier: Any) -> DTypePolicy:
    """Returns the policy for None (the global one), a policy, a dtype or the name of either, or a config."""
    if identifier is None:
        return global_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        kind = own_object(identifier.get("class_name", "DTypePolicy"), "keras.dtype_policies") or DTypePolicy
        return kind.from_config(identifier.get("config", identifier))
    if isinstance(identifier, str):
        return next(
            (read(identifier) for start, read in _by_start if identifier.startswith(start)), None
        ) or (DTypePolicy(identifier))
    if isinstance(identifier, dt.DType | np.dtype | type):
        return DTypePolicy(dt.as_dtype(identifier).name)
    raise ValueError(
        f"expected a dtype, a policy or the name of one, received {identifier!r:.80}{at_user_location()}"
    )


def global_policy() -> DTypePolicy:
    """Returns the policy of layers that are given none: the one that was set, otherwise `floatx`."""
    return _global[0] if _global else DTypePolicy(settings.floatx)


def set_global_policy(policy: Any) -> None:
    """Sets the policy of layers created from now on.

    Args:
        policy: a policy or its name; None: back to `floatx`.
    """
    _global[:] = [] if policy is None else [get(policy)]


dtype_policy = global_policy
set_dtype_policy = set_global_policy
