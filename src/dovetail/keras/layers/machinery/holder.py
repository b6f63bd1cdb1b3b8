"""What a layer holds: weights, sublayers, losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.base.told import Told
from dovetail.base.trackable import Found, Trail, attributes, below, containers, held, unique
from dovetail.base.versions import Versioned
from dovetail.engine import is_tracer
from dovetail.graph.recording import recording
from dovetail.keras.layers.machinery import weights
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.layers.machinery.in_graphs import in_session
from dovetail.keras.metrics import Mean, Metric
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import Variable

# Attributes that refer to things the layer does not own.
SKIP = frozenset(
    {
        "_nodes",
        "_build_dtype",
        "_built_for",
        "_build_shapes",
        "_init_arguments",
        "_losses",
        "_own_weights",
        "_input_shape_hint",
        "_found",
        "_plans",
        "_flags_of_compile",
        "_executors",
        "_found_metrics",
    }
)


class Holder(Told, Versioned):
    """The half of `Layer` that answers for its state.  Only `Layer` derives from it."""

    _held_as = "apart"  # a layer answers for its weights itself

    _told_methods: ClassVar[tuple[str, ...]] = ("__init__", "set_weights")

    _names_in_checkpoints: ClassVar[dict[str, str]] = {}  # of attributes that have other names there

    name: str
    built: bool
    trainable: Any
    _own_weights: list[Variable]
    _losses: list
    _losses_call: int
    _found: Any

    def __children__(self) -> list[tuple[str, Any]]:
        """Returns what the layer holds: see `dovetail.base.trackable`."""
        return attributes(self, SKIP)

    def __saved_children__(self) -> list[tuple[str, Any]]:
        """Returns what the layer holds by the names that checkpoints of Keras 2 have for it."""
        names = self._names_in_checkpoints
        return [(names.get(name, name), child) for name, child in self.__children__()]

    def _sublayers(self) -> list[Any]:
        """Returns the layers this one holds directly, in order."""
        return unique(item for item in held(self) if isinstance(item, Holder) and item is not self)

    def _flatten_layers(self, include_self: bool = True) -> list[Any]:
        """Returns this layer and all below it."""
        layers = self._remembered("layers", self._find_layers)
        return layers if include_self else layers[1:]

    def _held_variables(self) -> list[Variable]:
        """Returns the weights this layer itself holds: those of `add_weight`, then plain `tf.Variable` attributes."""
        return unique([*self._own_weights, *(item for item in held(self) if isinstance(item, Variable))])

    def _stored_variables(self) -> list[Variable]:
        """Returns `_held_variables` in the order of weights files: those made to be trained first."""
        return _trained_first(self._held_variables())

    def save_own_variables(self, store: dict[str, Any]) -> None:
        """Puts the values of the layer's own variables into `store`.  Override it to put more there."""
        for index, variable in enumerate(self._stored_variables()):
            store[str(index)] = np.array(variable._plain()._value)

    def load_own_variables(self, store: Any) -> None:
        """Assigns what `save_own_variables` has put into `store`.

        Raises:
            ValueError: another number of values, or one of another shape; nothing is assigned then.
        """
        variables = self._stored_variables()
        values = [store[name] for name in sorted((n for n in store if n.isdecimal()), key=int)]
        weights.assign_all(self, variables, values)

    @property
    def variables(self) -> list[Variable]:
        """All state but that of metrics: weights, and the state of random generators."""
        items = [item for layer in self._flatten_layers() for item in held(layer)]
        states = [item for item in items if getattr(type(item), "_held_as", None) == "state"]
        inside = (variable for item in states for variable in held(item) if isinstance(variable, Variable))
        return unique([*self.weights, *inside])

    @property
    def weights(self) -> list[Variable]:
        """The variables that define the layer, those of its sublayers after its own."""
        return self._remembered("weights", self._find_weights)

    @property
    def trainable_variables(self) -> list[Variable]:
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list[Variable]:
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.variables if id(v) not in trained]

    @property
    def trainable_weights(self) -> list[Variable]:
        if state.trainable_of is not None:
            return self._find_trainable(Trail())
        return self._remembered("trainable", self._find_trainable)

    def _remembered(self, what: str, find: Callable[[Trail], list]) -> list:
        """Returns what a walk finds, walking only when something on its way has changed.

        Args:
            what: name of the walk.
            find: walks, and notes what it passes.
        """
        if self._found is None:
            object.__setattr__(self, "_found", {})
        found = self._found.get(what)
        if found is None or not found.holds():
            trail = Trail()
            found = self._found[what] = Found(find(trail), trail)
        return list(found.items)

    def _note_on(self, trail: Trail) -> None:
        trail.walked.append(self)
        trail.grown.append(self._own_weights)
        trail.boxes.extend(containers(self))

    def _find_layers(self, trail: Trail) -> list[Holder]:
        layers = below(self, lambda layer: layer._sublayers())
        for layer in layers:
            layer._note_on(trail)
        return layers

    def _find_weights(self, trail: Trail) -> list[Variable]:
        found = unique(v for layer in self._find_layers(trail) for v in layer._stored_variables())
        trail.walked.extend(found)  # a variable of the user's that is frozen goes to the end
        return found

    def _find_trainable(self, trail: Trail) -> list[Variable]:
        variables: list[Variable] = []
        for layer in below(self, lambda layer: layer._sublayers() if layer.trainable else ()):
            if not layer.trainable:
                trail.walked.append(layer)
                continue
            layer._note_on(trail)
            found = layer._held_variables()
            trail.walked.extend(found)
            variables.extend(v for v in found if v.trainable)
        return unique(variables)

    @property
    def non_trainable_weights(self) -> list[Variable]:
        trained = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trained]

    def count_params(self) -> int:
        """Returns the number of scalars in the weights."""
        if not self.built:
            raise ValueError(
                f"{self.name}: count_params() needs the weights; build the layer or call it on data first"
            )
        return sum(int(np.prod(v.shape)) for v in self.weights)

    @in_session
    def get_weights(self) -> list[np.ndarray]:
        """Returns the weights as NumPy arrays, in the order of `weights`."""
        return [np.array(v._plain()._value) for v in self.weights]

    @in_session
    def set_weights(self, weights_list: Any) -> None:
        """Assigns NumPy arrays to the weights, in the order of `weights`.

        Raises:
            ValueError: another number of arrays, or one of another shape; nothing is assigned then.
        """
        weights.assign_all(self, self.weights, list(weights_list))

    # ---- losses

    def add_loss(self, loss: Any, **kwargs: Any) -> None:
        """Adds a scalar (or a list of them) to `losses` of the current call.

        Differs from Keras 2: functions without arguments are evaluated whenever `losses` is read.
        """
        if kwargs:
            raise TypeError(f"add_loss: unknown arguments {sorted(kwargs)}")
        for value in loss if isinstance(loss, list | tuple) else [loss]:
            self._store_loss(value)
            if state.scope is not None and isinstance(value, TensorLike):
                state.scope.give_out(value, self._store_loss, self._drop_loss)

    def _store_loss(self, value: Any) -> None:
        if not callable(value) and self._losses_call != calls.call_id:
            self._losses = [item for item in self._losses if callable(item)]
            self._losses_call = calls.call_id
        self._losses.append(value)

    def _drop_loss(self, value: Any) -> None:
        self._losses = [item for item in self._losses if item is not value]

    @property
    def losses(self) -> list:
        """The scalars added by the last call, and the penalties of regularized weights."""
        layers = self._flatten_layers()
        newest = max((layer._losses_call for layer in layers), default=0)
        result = []
        for layer in layers:
            for value in layer._losses:
                if callable(value) and not isinstance(value, TensorLike):
                    result.append(value())
                elif layer._losses_call == newest and _is_alive(value):
                    result.append(value)
        for variable in self.weights:
            penalty = getattr(variable, "regularizer", None)
            if penalty is not None and variable.trainable:
                result.append(penalty(variable))
        return result

    def _has_losses(self) -> bool:
        """Whether a call has added losses that still have values."""
        return any(isinstance(value, TensorLike) and _is_alive(value) for value in self._losses)

    # ---- metrics

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that the layer and those below it hold."""
        return unique(
            item for layer in self._flatten_layers() for item in held(layer) if isinstance(item, Metric)
        )

    @property
    def metrics_variables(self) -> list[Variable]:
        return [variable for metric in self.metrics for variable in metric.variables]

    def add_metric(
        self, value: Any, name: str | None = None, aggregation: str | None = "mean", **kwargs: Any
    ) -> None:
        """Reports the mean of a tensor over the batches of an epoch, beside the loss (Keras 2).

        Args:
            value: a tensor, or the result of calling a metric that the layer holds, which is reported anyway.
            name: in the logs.
            aggregation: "mean"; None for the results of metrics.

        Raises:
            ValueError: no name, and the layer holds no metric either; another aggregation.
        """
        if kwargs:
            raise TypeError(f"add_metric: unknown arguments {sorted(kwargs)}{at_user_location()}")
        if aggregation not in ("mean", None):
            raise ValueError(
                f"add_metric: aggregation must be 'mean' or None, received {aggregation!r}{at_user_location()}"
            )
        added = self.__dict__.get("_added_metrics", {})
        metrics = [item for item in held(self) if isinstance(item, Metric)]
        if name is None and not metrics:
            raise ValueError(f"{self.name}: add_metric needs a name for the metric{at_user_location()}")
        if name not in added:
            if name is None or any(metric.gave(value) or metric.name == name for metric in metrics):
                return
            added = {**added, name: Mean(name=name)}
            self._added_metrics = added
        if not isinstance(value, SymbolicTensor) or recording() is not None:
            added[name].update_state(value)


def _trained_first(variables: list[Variable]) -> list[Variable]:
    """Puts what was made to be trained first; freezing a layer does not change the order of its weights."""
    return sorted(variables, key=lambda v: not getattr(v, "_declared_trainable", v.trainable))


def _is_alive(value: Any) -> bool:
    """True unless the loss belongs to a finished trace or recording."""
    if type(value) is SymbolicTensor:
        return recording() is not None or value.node is None or value.node.name is None
    return state.scope is not None or not (isinstance(value, Tensor) and is_tracer(value._value))
