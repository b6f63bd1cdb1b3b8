"""The protected methods by which optimizers were written for tf.keras before 2.11.

class MySGD(tf.keras.optimizers.Optimizer):
    def __init__(self, learning_rate=0.01, name="MySGD", **kwargs):
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
    def _create_slots(self, var_list):
        for var in var_list:
            self.add_slot(var, "m")
    def _resource_apply_dense(self, grad, var, apply_state=None):
        ...
    def _resource_apply_sparse(self, grad, var, indices, apply_state=None):  # of look-ups: some rows, each once
        ...
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.keras.optimizers import custom
from dovetail.keras.optimizers.hooks import Hooks
from dovetail.ops import arithmetic
from dovetail.ops.indexed_slices import IndexedSlices
from dovetail.tensor import dtype as dt
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

# What tf.keras called the slots that Keras 3 gives longer names.
_SLOT_NAMES = {
    "m": "momentum",
    "v": "velocity",
    "vhat": "velocity_hat",
    "rms": "velocity",
    "mg": "average_gradient",
}


class LegacyHooks(Hooks):
    """Hyperparameters and slots by name, and the rule on one variable."""

    _hyper: dict[str, Any]

    _HAS_AGGREGATE_GRAD = True
    _takes_repeated_rows = False  # True when the user's rule adds up the rows of one place itself
    _use_locking = False

    def _set_hyper(self, name: str, value: Any) -> None:
        """Notes a hyperparameter: a number, tensor, function without arguments, or (the learning rate) a schedule."""
        if name == "learning_rate":
            self._build_learning_rate(value)
        elif name == "decay":
            self._initial_decay = float(value)
        else:
            self._hyper[name] = value

    def _get_hyper(self, name: str, dtype: Any = None) -> Any:
        """Returns a hyperparameter, as a tensor of `dtype` when one is given."""
        if name == "learning_rate":
            value = self._learning_rate
        elif name == "decay":
            value = self._initial_decay
        elif name in self._hyper:
            value = self._hyper[name]
            value = value() if callable(value) and not isinstance(value, TensorLike) else value
        elif name in vars(self):
            value = vars(self)[name]
        else:
            known = ["learning_rate", "decay", *self._hyper]
            raise AttributeError(
                f"{type(self).__name__}: no hyperparameter {name!r}.{suggest(name, known)} "
                f"Set it with _set_hyper({name!r}, value) in __init__{at_user_location()}"
            )
        if dtype is None or callable(value):
            return value
        if not isinstance(value, TensorLike):
            return convert_to_tensor(np.asarray(value, dt.numpy_dtype(dtype)))
        return arithmetic.cast(value, dtype=dt.numpy_dtype(dtype))

    def _serialize_hyperparameter(self, name: Any) -> Any:
        """Returns a hyperparameter for `get_config`."""
        if name == "learning_rate" or not isinstance(name, str):
            return self._rate.config()
        value = self._get_hyper(name)
        return np.asarray(value).item() if isinstance(value, TensorLike) else value

    def _create_slots(self, var_list: list) -> None:
        """Override to call `add_slot` for each variable."""

    def add_slot(self, var: Any, slot_name: str, initializer: Any = "zeros", shape: Any = None) -> Any:
        """Creates the state `slot_name` of a variable, once, and returns it."""
        key = (var._unique_id, slot_name)
        found = self._state.named.get(key)
        if found is None:
            found = self.add_variable_from_reference(var, slot_name, initializer=initializer, shape=shape)
            self._state.named[key] = found
        return found

    def get_slot(self, var: Any, slot_name: str) -> Any:
        """Returns the state `slot_name` of a variable ("m" and "v" are the names of old, "momentum" Keras 3's)."""
        state = self._state
        found = state.named.get((var._unique_id, slot_name))
        if found is not None:
            return found
        name = slot_name if slot_name in state.slots else _SLOT_NAMES.get(slot_name, slot_name)
        if name in state.slots and state.knows(var):
            return state.slots[name][state.place(var)]
        raise KeyError(
            f"{type(self).__name__}: no slot {slot_name!r} for the variable {var.name}."
            f"{suggest(slot_name, self.get_slot_names())}{at_user_location()}"
        )

    def get_slot_names(self) -> list[str]:
        """Returns the names of all slots."""
        return [*self._state.slots, *dict.fromkeys(slot for _, slot in self._state.named)]

    def _prepare(self, var_list: list) -> dict:
        """Returns what `_prepare_local` notes for each (device, dtype) of the variables."""
        apply_state: dict = {}
        for key in {(var.device, var.dtype.base_dtype) for var in var_list}:
            apply_state[key] = {}
            self._prepare_local(*key, apply_state)
        return apply_state

    def _prepare_local(self, var_device: str, var_dtype: Any, apply_state: dict) -> None:
        """Notes the learning rate as "lr_t"; overrides add their own."""
        apply_state.setdefault((var_device, var_dtype), {})["lr_t"] = self._decayed_lr(var_dtype)

    def _fallback_apply_state(self, var_device: str, var_dtype: Any) -> dict:
        apply_state: dict = {(var_device, var_dtype): {}}
        self._prepare_local(var_device, var_dtype, apply_state)
        return apply_state[(var_device, var_dtype)]

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, handle: Any, indices: Any, **kwargs: Any
    ) -> Any:
        """Applies the rule to the rows `indices` of a variable, which may repeat: adds up those of one place first."""
        grad, indices = custom.summed_slices(grad, indices, handle)
        return self._resource_apply_sparse(grad, handle, indices, **kwargs)

    def _resource_apply_sparse(self, grad: Any, var: Any, indices: Any, apply_state: Any = None) -> Any:
        """Applies the rule to the rows `indices` of a variable, each once; overrides may touch those rows alone.

        Without an override, the built-in rule gets the rows, and a rule of the user's own the dense gradient.
        """
        slices = IndexedSlices(grad, indices, var.shape.as_list())
        if self._has_rule():  # type: ignore[attr-defined]
            return self.update_step(slices, var, self._decayed_lr(var.dtype))
        rule = self._resource_apply_dense
        state = {"apply_state": apply_state} if custom.takes_apply_state(rule) else {}
        return rule(convert_to_tensor(slices), var, **state)

    def _resource_scatter_add(self, x: Any, i: Any, v: Any) -> Any:
        """Adds the rows `v` to the rows `i` of a variable."""
        return x.scatter_add(IndexedSlices(v, i))

    def _resource_scatter_update(self, x: Any, i: Any, v: Any) -> Any:
        """Puts the rows `v` in the places `i` of a variable."""
        return x.scatter_update(IndexedSlices(v, i))

    def _resource_apply_dense(self, grad: Any, var: Any, apply_state: Any = None) -> Any:
        """Applies the built-in rule to one variable; overrides call it through `super()`."""
        return self.update_step(grad, var, self._decayed_lr(var.dtype))
