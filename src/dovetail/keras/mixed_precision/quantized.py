"""Dtype policies of quantized layers, and policies by the path of a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras.mixed_precision.policy import DTypePolicy, dtypes_of, get, global_policy, read_names
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object

MODES = ("int8", "int4", "float8")
_REFUSED = ("gptq", "awq")


class QuantizedDTypePolicy(DTypePolicy):
    """The policy of a quantized layer; its name is such as "int8_from_float32".

    Args:
        mode: "int8", "int4" or "float8".
        source_name: name of the policy it had before; the global one when None.
    """

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        source = global_policy().name if source_name is None else source_name
        if mode.startswith(_REFUSED):
            raise NotImplementedError(
                f"{type(self).__name__}: mode {mode!r} is not supported; use {', '.join(MODES)}{at_user_location()}"
            )
        if self._kind_of(mode) not in MODES:
            raise ValueError(
                f"{type(self).__name__}: mode must be one of {', '.join(MODES)}, received {mode!r}{at_user_location()}"
            )
        self._name, self._mode, self._source_name = f"{mode}_from_{source}", mode, source
        self._compute_dtype, self._variable_dtype = dtypes_of(source)
        if self._compute_dtype == "float16" and mode == "int8":
            raise ValueError(
                f"{type(self).__name__}: int8 products do not fit into float16; take mixed_bfloat16{at_user_location()}"
            )

    def _kind_of(self, mode: str) -> str:
        return mode

    @property
    def quantization_mode(self) -> str:  # type: ignore[override]
        return self._kind_of(self._mode)

    def get_config(self) -> dict[str, Any]:
        return {"mode": self._mode, "source_name": self._source_name}

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.get_config() == other.get_config()

    __hash__ = DTypePolicy.__hash__


class QuantizedFloat8DTypePolicy(QuantizedDTypePolicy):
    """The policy of a layer whose products are of 8-bit floats.

    Args:
        mode: "float8".
        source_name: name of the policy it had before.
        amax_history_length: how many largest values decide the next scale.
    """

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024) -> None:
        super().__init__(mode, source_name)
        if not isinstance(amax_history_length, int):
            raise TypeError(
                f"QuantizedFloat8DTypePolicy: amax_history_length must be an integer, received "
                f"{amax_history_length!r}{at_user_location()}"
            )
        self.amax_history_length = amax_history_length

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"amax_history_length": self.amax_history_length}


class Int4DTypePolicy(QuantizedDTypePolicy):
    """The policy of a layer with a 4-bit kernel.

    Args:
        mode: "int4/128": the size of a block comes after the slash; -1: no blocks.
        source_name: name of the policy it had before.
    """

    def __init__(self, mode: str, source_name: str | None = None) -> None:
        kind, _, size = mode.partition("/")
        if kind != "int4" or not re.fullmatch(r"-1|[1-9]\d*", size):
            raise ValueError(
                f"Int4DTypePolicy: mode must be such as 'int4/128', or 'int4/-1', received {mode!r}{at_user_location()}"
            )
        self.block_size = int(size)
        super().__init__(mode, source_name)

    def _kind_of(self, mode: str) -> str:
        return mode.partition("/")[0]


class DTypePolicyMap(DTypePolicy):
    """Policies by the path of a layer, such as "block/dense"; keys may be regular expressions.

    Args:
        default_policy: of all other layers; the global one when None.
        policy_map: a dict from paths to policies.
    """

    def __init__(self, default_policy: Any = None, policy_map: dict[str, Any] | None = None) -> None:
        if policy_map is not None and not isinstance(policy_map, dict):
            raise TypeError(
                f"DTypePolicyMap: policy_map must be a dict, received {policy_map!r:.60}{at_user_location()}"
            )
        self._default = None if default_policy is None else get(default_policy)
        self._policies: dict[str, DTypePolicy] = {}
        for path, policy in (policy_map or {}).items():
            self[path] = policy

    @property
    def default_policy(self) -> DTypePolicy:
        return get(self._default)

    @property
    def name(self) -> str:
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:
        return self.default_policy.variable_dtype

    @property
    def quantization_mode(self) -> Any:  # type: ignore[override]
        return self.default_policy.quantization_mode

    def of_layer(self, path: str) -> DTypePolicy:
        return self[path]

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        found = [key for key in self._policies if re.fullmatch(key, path)]
        if len(found) > 1:
            raise ValueError(
                f"DTypePolicyMap: the path {path!r} matches several keys: {found}{at_user_location()}"
            )
        return self._policies[found[0]] if found else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        if path in self._policies:
            raise ValueError(f"DTypePolicyMap: {path!r} has a policy already{at_user_location()}")
        self._policies[path] = get(policy)

    def __delitem__(self, path: str) -> None:
        del self._policies[path]

    def __contains__(self, path: object) -> bool:
        return path in self._policies

    def __len__(self) -> int:
        return len(self._policies)

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def get_config(self) -> dict[str, Any]:
        return {
            "default_policy": None if self._default is None else serialize_keras_object(self._default),
            "policy_map": serialize_keras_object(self._policies),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> Any:
        default = config.get("default_policy")
        if isinstance(default, dict):
            default = deserialize_keras_object(default, custom_objects)
        return cls(default, deserialize_keras_object(config.get("policy_map") or {}, custom_objects))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, DTypePolicyMap) and self.get_config() == other.get_config()
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<DTypePolicyMap {self._policies}, otherwise {self.default_policy}>"


own(
    "keras.dtype_policies",
    [QuantizedDTypePolicy, QuantizedFloat8DTypePolicy, Int4DTypePolicy, DTypePolicyMap],
)


def _named(name: str) -> DTypePolicy:
    """Returns the policy of a name such as "int8_from_mixed_bfloat16"."""
    mode, found, source = name.partition("_from_")
    if not found:
        return DTypePolicy(name)  # "int8" is a dtype too
    kinds = {"float8": QuantizedFloat8DTypePolicy, "int4": Int4DTypePolicy}
    return kinds.get(mode.partition("/")[0], QuantizedDTypePolicy)(mode, source)


for _mode in (*MODES, *_REFUSED):
    read_names(_mode, _named)
