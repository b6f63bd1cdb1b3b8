"""Calling a small model again and again: the calls after the second repeat the host ops of the second.

A functional model whose layers are Keras' own runs the same ops for inputs of the same shape.  On the host engine most
of the time of such a call is spent on finding those ops; a plan (`function/host_plan.py`) remembers them.

`predict` of a small batch takes such a plan from the first time on, where it is short: nothing has to be compiled, and
all its calls give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.own import is_own, is_own_method
from dovetail.base.settings import settings, state
from dovetail.base.versions import Versions
from dovetail.function.host_plan import HostPlan, record
from dovetail.graph.node import OpCall
from dovetail.keras.layers.core.lambda_layer import Lambda
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.logits import keep_logits, logits_of
from dovetail.keras.masks import mask_of
from dovetail.ops.attrs import is_symbolic
from dovetail.tensor.tensor import Tensor

_BEFORE_RECORDING = 2  # calls with one signature before a plan is made
_MOST_PLANS = 16
# What a plan does faster than a compiled program, whose call takes about as long as thirty NumPy calls.
_MOST_STEPS = 24
_MOST_ELEMENTS = 1 << 14  # of what goes in and of what the steps make
_MOST_PRODUCTS = 1 << 20  # rows times weights
_NO_CALL = ("_initializer", "_regularizer", "_constraint")  # functions that a built layer does not call


class CallPlans:
    """The plans of one model, by the shape and dtype of its input."""

    def __init__(self) -> None:
        # By signature: how often the model was called; then its plan, or None when there can be none.
        self._found: dict[tuple, Any] = {}
        self._short: Bounded = Bounded(2 * _MOST_PLANS)  # those of `predict`
        self._limit = 0
        self._versions = Versions([])

    def run(self, model: Any, x: Any, options: dict) -> Any:
        """Returns the outputs of `model(x, **options)` if there is a plan for it, else None."""
        training = options.get("training")
        if training is None:
            training = calls.training if calls.training is not None else calls.learning_phase
        if training is not None and training is not False:
            return None
        if state.autocast is not None or state.device is not None:
            return None
        for name, option in options.items():
            if option is not None and name != "training":
                return None
        kind = type(x)
        values: list[np.ndarray] = []
        key: list[Any] = [training, kind]
        for one in x if kind is list or kind is tuple else (x,):
            value = _array_of(one)
            if value is None:
                return None
            values.append(value)
            key += (value.shape, value.dtype)
        return self._outputs(model, x, options, values, tuple(key))

    def predict(self, model: Any, x: np.ndarray) -> Any:
        """Returns the outputs of `model(x, training=False)` if there is a short plan for it, else None."""
        if state.autocast is not None or state.device is not None or x.size > settings.active_limit:
            return None
        if not self._versions.hold() or self._limit != settings.active_limit:
            self._forget(model)
        key = (x.shape, x.dtype)
        found = self._short.get(key, self)
        try:
            if found is self:
                found = self._short.put(key, _short_plan_of(model, x))
                self._note(model)  # building may have moved the layers' versions
            return None if found is None else found.run([x])
        except (ValueError, TypeError, IndexError):  # a bad value, such as an index out of range
            return None  # the ordinary way says what is wrong, and where

    def _forget(self, model: Any) -> None:
        """Forgets the plans: what they stand on has changed."""
        self._found.clear()
        self._short.clear()
        self._note(model)

    def _outputs(self, model: Any, x: Any, options: dict, values: list, key: tuple) -> Any:
        if not self._versions.hold() or self._limit != settings.active_limit:
            self._forget(model)
        found = self._found.get(key, 0)
        if type(found) is CallPlan:
            try:
                return found.run(values)
            except (ValueError, TypeError, IndexError):  # a bad value, such as an index out of range
                return None  # the ordinary call says what is wrong, and where
        if found is not None and len(self._found) < _MOST_PLANS:
            self._found[key] = found + 1 if found < _BEFORE_RECORDING else _plan_of(model, x, values, options)
            self._note(model)  # building may have moved them
        return None

    def _note(self, model: Any) -> None:
        """Notes what the plans stand on."""
        self._limit, self._versions = settings.active_limit, Versions(model._flatten_layers())


def _array_of(x: Any) -> np.ndarray | None:
    """Returns the array of an input that a plan can take: a small one that nobody will change, without a mask."""
    if type(x) is np.ndarray:
        return x.copy() if x.size <= settings.active_limit and x.dtype.kind not in "OSU" else None
    if type(x) is not Tensor or mask_of(x) is not None:
        return None
    value = x._value
    return value if type(value) is np.ndarray and value.size <= settings.active_limit else None


class CallPlan:
    """The ops of a model, and what Keras makes of their results.

    Attributes:
        spec: how the outputs are packed; None: there is one.
        kinds: which outputs have logits, and of which kind; the logits come after the outputs, in this order.
    """

    __slots__ = ("host", "kinds", "spec")

    def __init__(self, host: HostPlan, spec: Any, kinds: list[tuple[int, Any]]) -> None:
        self.host, self.spec, self.kinds = host, spec, kinds

    def run(self, values: list) -> Any:
        """Returns the outputs for arrays like those of the recorded run; None when the plan cannot run now."""
        tensors = self.host.run(values)
        if tensors is None:
            return None
        if self.kinds:
            for place, kind in reversed(self.kinds):
                keep_logits(tensors[place], tensors.pop(), kind)
        return tensors[0] if self.spec is None else nest.unflatten(self.spec, tensors)


def _plan_of(model: Any, x: Any, values: list, options: dict) -> CallPlan | None:
    if not _repeats(model):
        return None
    for layer in model._flatten_layers(include_self=False):
        layer.__dict__["_planned"] = True
    pack = type(x) if isinstance(x, list | tuple) else None
    facts: list = []

    def run(*inputs: Tensor) -> tuple[list, list]:
        outputs = Layer.__call__(model, inputs[0] if pack is None else pack(inputs), **options)
        leaves, spec = ([outputs], None) if type(outputs) is Tensor else nest.flatten_spec(outputs)
        known = [(place, logits_of(leaf)) for place, leaf in enumerate(leaves)]
        facts[:] = (
            spec,
            [(i, of[0]) for i, of in known if of is not None],
            any(mask_of(leaf) is not None for leaf in leaves),
        )
        return leaves, [of[1] for _, of in known if of is not None]

    host = record(run, [Tensor(value) for value in values])
    if host is None:
        return None
    spec, kinds, masked = facts
    return None if masked else CallPlan(host, spec, kinds)


def _short_plan_of(model: Any, x: np.ndarray) -> CallPlan | None:
    """Returns the plan of `model(x, training=False)`; None when a compiled program may well be faster."""
    num_weights = sum(variable._array.size for variable in model.variables)
    if (
        x.size > _MOST_ELEMENTS
        or len(model._graph.nodes) > _MOST_STEPS
        or len(x) * num_weights > _MOST_PRODUCTS
    ):
        return None
    plan = _plan_of(model, Tensor(x), [x], {"training": False})
    fits = (
        plan is not None and len(plan.host.steps) <= _MOST_STEPS and plan.host.num_elements <= _MOST_ELEMENTS
    )
    return plan if fits else None


def _repeats(model: Any) -> bool:
    """True when the shape of the input decides which ops a model runs: all of it is Keras' own code."""
    return (
        model._graph is not None
        and is_own_method(model, "call")
        and is_own_method(type(model), "__call__")
        and model.activity_regularizer is None
        and not model._loss_outputs
        and all(_is_known(node.operation, node.kwargs) for node in model._graph.nodes)
    )


def _is_known(operation: Any, kwargs: dict) -> bool:
    if type(operation) is OpCall:
        return not any(is_symbolic(value) for value in kwargs.values())
    if not isinstance(operation, Layer) or isinstance(operation, Lambda):
        return False
    if hasattr(operation, "_graph_layers"):
        return _repeats(operation)
    return (
        (operation._is_leaf or (operation._calls_own_alone and is_own(type(operation))))
        and operation.activity_regularizer is None
        and all(
            is_own(value) and (not isinstance(value, Layer) or _is_known(value, {}))
            for name, value in vars(operation).items()
            if callable(value) and not name.endswith(_NO_CALL)
        )
    )
