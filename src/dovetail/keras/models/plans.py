"""Calling a small model again and again: the calls after the second repeat the host ops of the second.

A functional model whose layers are Keras' own runs the same ops for inputs of the same shape.  On the host engine most
of the time of such a call is spent on finding those ops; a plan (`function/host_plan.py`) remembers them.

`predict` of a small batch takes such a plan from the first time on, where it is short: nothing has to be compiled, and
all its calls give the same bits.

Where no plan can be, because ops run on XLA, the calls become those of one program: see `call_programs.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.bounded import Bounded
from dovetail.base.own import is_own, is_own_method
from dovetail.base.settings import settings, state
from dovetail.base.versions import Versions
from dovetail.engine import uses_xla
from dovetail.function.host_plan import HostPlan, record
from dovetail.graph.node import OpCall
from dovetail.keras.layers.core.lambda_layer import Lambda
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.masks import mask_of
from dovetail.keras.models.call_programs import NotedCall, TimedCalls
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
        # By signature: how often the model was called; then its plan or its timed calls; None: there can be neither.
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
        values: list[Any] = []
        key: list[Any] = [training, kind]
        small = True
        for one in x if kind is list or kind is tuple else (x,):
            value = _array_of(one)
            if value is None:
                small, value = False, one
                if not _is_large(one):
                    return None
            values.append(value)
            key += (value.shape, value.dtype)
        return self._outputs(model, x, options, values, tuple(key), small)

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

    def _outputs(self, model: Any, x: Any, options: dict, values: list, key: tuple, small: bool) -> Any:
        if not self._versions.hold() or self._limit != settings.active_limit:
            self._forget(model)
        found = self._found.get(key, 0)
        if type(found) is CallPlan:
            try:
                return found.run(values)
            except (ValueError, TypeError, IndexError):  # a bad value, such as an index out of range
                return None  # the ordinary call says what is wrong, and where
        if type(found) is TimedCalls:
            return found.run(lambda: Layer.__call__(model, x, **options), values)
        if found is not None and len(self._found) < _MOST_PLANS:
            self._found[key] = (
                found + 1 if found < _BEFORE_RECORDING else _repeated(model, x, values, options, small)
            )
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


def _is_large(x: Any) -> bool:
    """True for an array or a tensor of numbers that is too large for the host engine, or lies with XLA."""
    if type(x) is np.ndarray:
        return x.dtype.kind not in "OSU"
    return type(x) is Tensor and mask_of(x) is None and x.dtype.name != "string"


class CallPlan:
    """The ops of a model, and the call that says what Keras makes of their results."""

    __slots__ = ("_packed", "host")

    def __init__(self, host: HostPlan, call: NotedCall) -> None:
        self.host = host
        self._packed = None if call.spec is None and not call.kinds else call.packed

    def run(self, values: list) -> Any:
        """Returns the outputs for arrays like those of the recorded run; None when the plan cannot run now."""
        tensors = self.host.run(values)
        if tensors is None:
            return None
        return tensors[0] if self._packed is None else self._packed(tensors)


def _repeated(model: Any, x: Any, values: list, options: dict, small: bool) -> CallPlan | TimedCalls | None:
    """Returns what repeats a call: a plan where all of it is small, else calls that are timed."""
    if not _repeats(model):
        return None
    plan = _plan_of(model, x, values, options) if small else None
    heavy = plan is None or plan.host.num_elements > _MOST_ELEMENTS
    if heavy and uses_xla() and not settings.run_functions_eagerly and state.distribution is None:
        _watch(model)
        return TimedCalls(model, x, options)
    return plan


def _plan_of(model: Any, x: Any, values: list, options: dict) -> CallPlan | None:
    if not _repeats(model):
        return None
    _watch(model)
    call = NotedCall(model, x, options)
    host = record(call, [Tensor(value) for value in values])
    return None if host is None or call.masked else CallPlan(host, call)


def _watch(model: Any) -> None:
    """Lets the layers of a model count every attribute that is set on them."""
    for layer in model._flatten_layers(include_self=False):
        layer.__dict__["_planned"] = True


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
