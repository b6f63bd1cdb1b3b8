"""`keras.Model`: layers with a training loop.

Three ways to make one: functional (`Model(inputs, outputs)`), subclassed (`call` written by hand), `Sequential`.
"""

from __future__ import annotations

import contextlib
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import OperatorNotAllowedInGraphError, at_user_location, suggest
from dovetail.base.settings import state
from dovetail.engine import is_tracer
from dovetail.graph.recording import recording
from dovetail.graph.replay import Graph
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.core.added_metric import AddMetric
from dovetail.keras.layers.machinery import in_graphs, weights
from dovetail.keras.layers.machinery.calling import has_tensor
from dovetail.keras.layers.machinery.context import calls
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.masks import mask_of, set_mask
from dovetail.keras.models.config import functional_config, functional_from_config, is_functional_config
from dovetail.keras.models.copying import copy_model
from dovetail.keras.models.members import Members
from dovetail.keras.models.pickling import reduce_model
from dovetail.keras.models.plans import CallPlans
from dovetail.keras.models.quantizing import quantize
from dovetail.keras.models.reporting import Reporting
from dovetail.keras.registration import CustomObjectScope
from dovetail.keras.training.outputs import distinct
from dovetail.keras.training.steps import Steps
from dovetail.keras.training.trainer import Trainer
from dovetail.tensor.composite import CompositeTensor, is_composite
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import string
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike

# What a model holds that is no part of its checkpoints: its graph, and what training makes anew.
_NOT_SAVED = frozenset(
    (
        *("layers", "_stack", "_graph", "_run_graph", "_members", "_loss_outputs", "history"),
        *(
            "_inputs_structure",
            "_outputs_structure",
            "_compile_config",
            "_compiled_loss",
            "_compiled_metrics",
        ),
        "_loss_tracker",
    )
)


class Model(Trainer, Reporting, Layer):
    """A layer that can be trained: `compile`, `fit`, `evaluate`, `predict`.

    Args:
        inputs: symbolic tensor, or a list or dict of them (functional models).
        outputs: symbolic tensors computed from them, in any structure.
        name: name of the model.

    Example:
        >>> x = keras.Input((8,))
        >>> model = keras.Model(x, tf.nn.softmax(keras.layers.Dense(3)(x) * 2.0))
    """

    _holds_layers = True
    _is_stack = False  # whether the graph follows from a list of layers, which alone is copied and pickled
    _graph: Any = None

    @property
    def _is_made_of_layers(self) -> bool:  # type: ignore[override]
        return self._is_stack or self._graph is not None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is Model and _is_functional(args, kwargs):
            return super().__new__(Functional, *args, **kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        functional = _is_functional(args, kwargs)
        if functional:
            names = ("inputs", "outputs", "name")
            given = dict(zip(names, args, strict=False))
            inputs = (
                given.pop("inputs", None)
                if "inputs" in given
                else kwargs.pop("inputs", kwargs.pop("input", None))
            )
            outputs = (
                given.pop("outputs", None)
                if "outputs" in given
                else kwargs.pop("outputs", kwargs.pop("output", None))
            )
            kwargs |= given
            args = ()
        if args:
            raise TypeError(
                f"{type(self).__name__}: unexpected positional arguments {args!r}{at_user_location()}"
            )
        self._graph = None
        self._plans = CallPlans()
        self._loss_outputs: list[SymbolicTensor] = []
        self._inputs_structure: Any = None
        self._outputs_structure: Any = None
        self._graph_layers: list[Layer] | None = None
        Layer.__init__(self, **kwargs)
        Trainer.__init__(self)
        if functional:
            self._set_graph(inputs, outputs)

    def quantize(  # type: ignore[override]
        self, mode: str | None = None, config: Any = None, filters: Any = None, type_check: bool = True
    ) -> None:
        """Quantizes the layers that have a kernel.

        Args:
            mode: "int8", "int4" or "float8".
            config: a `keras.quantizers.QuantizationConfig`; the mode's default when None.
            filters: which layers, by name: a regular expression, several of them, or `f(layer) -> bool`; None: all.
            type_check: refuse subclasses of Keras' layers.

        Raises:
            ValueError: the model is not built.
        """
        quantize(self, mode, config, filters, type_check)

    # ---- the functional graph

    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        """Makes `self` compute `outputs` from `inputs`."""
        flat_inputs, flat_outputs = nest.flat(inputs), nest.flat(outputs)
        for what, tensors in (("inputs", flat_inputs), ("outputs", flat_outputs)):
            for tensor in tensors:
                if not isinstance(tensor, SymbolicTensor):
                    raise ValueError(
                        f"Model: {what} must be symbolic tensors (they come from keras.Input), received "
                        f"{tensor!r:.80}{at_user_location()}"
                    )
                in_graphs.require_made_by_layers(tensor, what)
        if len({id(tensor) for tensor in flat_inputs}) != len(flat_inputs):
            raise ValueError(f"Model: the same input is listed twice{at_user_location()}")
        if isinstance(outputs, list) and len(outputs) == 1:
            outputs = outputs[0]  # as in Keras: a list of one output counts as that output
        self._inputs_structure, self._outputs_structure = inputs, outputs
        self._graph = self._run_graph = Graph(flat_inputs, flat_outputs)
        self._loss_outputs = []
        self._simple = isinstance(inputs, SymbolicTensor)
        self._takes_composites = any(map(is_composite, nest.flatten(inputs)))
        self._simple_output = isinstance(outputs, SymbolicTensor)
        self._members = Members(self._graph)
        self._graph_layers = self._members.layers
        self.built = True

    @property
    def inputs(self) -> list | None:
        return None if self._graph is None else list(self._graph.inputs)

    @property
    def outputs(self) -> list | None:
        return None if self._graph is None else list(self._graph.outputs)

    @property
    def input(self) -> Any:
        if self._graph is None:
            return Layer.input.fget(self)  # type: ignore[attr-defined]
        return self._inputs_structure

    @property
    def output(self) -> Any:
        if self._graph is None:
            return Layer.output.fget(self)  # type: ignore[attr-defined]
        return self._outputs_structure

    @property
    def input_names(self) -> list[str]:
        return [] if self._graph is None else [self._members.name_of(t) for t in self._graph.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: dict keys, else the names of the layers that make them."""
        structure = self._outputs_structure
        if isinstance(structure, dict):
            return [str(key) for key in sorted(structure)]
        names = [] if self._graph is None else [self._members.name_of(t) for t in self._graph.outputs]
        return distinct(names) if is_keras_2() else names

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._graph is not None and len(args) == 1 and state.scope is None and not state.tapes:
            outputs = self._plans.run(self, args[0], kwargs)
            if outputs is not None:
                return outputs
        return super().__call__(*args, **kwargs)

    def _planned_outputs(self, x: Any) -> Any:
        """Returns what `predict_step` gives for an array when a plan gives it sooner than a program, else None."""
        if self._graph is None or state.scope is not None or state.tapes:
            return None
        if type(self).predict_step is not Steps.predict_step or "predict_step" in self.__dict__:
            return None
        return self._plans.predict(self, x)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Computes the outputs of a functional model.  Subclasses override it."""
        if self._graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no call() method. Define call(self, inputs), or make the model with "
                "keras.Model(inputs, outputs)"
            )
        values = [self._fitted(inputs)] if self._simple else self._arranged(inputs)
        if mask is not None:
            for value, one in zip(values, nest.flatten(mask), strict=False):
                if one is not None and mask_of(value) is None:
                    set_mask(value, one)
        results = self._run_graph.run(values)
        if self._loss_outputs:
            count = len(self._graph.outputs)
            pairs = zip(results[count:], self._loss_outputs, strict=True)
            kept = [value for value, described in pairs if not _is_metric(described)]
            known = recording() is not None
            super().add_loss([value for value in kept if known or not isinstance(value, SymbolicTensor)])
            results = results[:count]
        return results[0] if self._simple_output else nest.pack(self._outputs_structure, results)

    def add_loss(self, loss: Any, **kwargs: Any) -> None:
        """Adds a scalar (or a list of them) to the losses.

        A symbolic loss, made of tensors of a functional model, is computed anew in each call of the model.
        """
        given = list(loss) if isinstance(loss, list | tuple) else [loss]
        symbolic = [value for value in given if isinstance(value, SymbolicTensor)]
        if not symbolic or self._graph is None or calls.depth or recording() is not None:
            super().add_loss(given, **kwargs)
            return
        super().add_loss([value for value in given if not isinstance(value, SymbolicTensor)], **kwargs)
        graph = Graph(self._graph.inputs, [*self._graph.outputs, *self._loss_outputs, *symbolic])
        operations = {id(node.operation): node.operation for node in graph.nodes}
        layers = self._graph_layers or []
        new = [o for o in operations.values() if isinstance(o, Layer) and o not in layers]
        self._graph_layers = [*layers, *new]
        self._run_graph, self._loss_outputs = graph, [*self._loss_outputs, *symbolic]
        self._reset_programs()

    @property
    def losses(self) -> list:
        """The scalars of the last call, and the penalties of weights; before a call, the symbolic losses themselves."""
        found = super().losses
        if not self._loss_outputs or calls.depth or state.scope is not None or self._has_losses():
            return found
        return [*(loss for loss in self._loss_outputs if not _is_metric(loss)), *found]

    def add_metric(
        self, value: Any, name: str | None = None, aggregation: str | None = "mean", **kwargs: Any
    ) -> None:
        """Reports the mean of a tensor beside the loss: a symbolic one is computed anew in each call of the model."""
        is_new = self._graph is not None and not calls.depth and recording() is None
        if isinstance(value, SymbolicTensor) and is_new:
            self.add_loss(AddMetric(name, aggregation, **kwargs)(value))
        else:
            super().add_metric(value, name, aggregation, **kwargs)

    def _fitted(self, value: Any) -> Any:
        """Returns the only input's value: one tensor, possibly wrapped in a list or dict."""
        if isinstance(value, list | tuple | dict):
            leaves = nest.flatten(value)
            if len(leaves) != 1:
                raise ValueError(
                    f"{self.name}: the model has 1 input, {len(leaves)} were given{at_user_location()}"
                )
            value = leaves[0]
        return self._checked(value, self._graph.inputs[0])

    def _checked(self, value: Any, expected: SymbolicTensor) -> Any:
        """Checks one input's rank and sizes, and converts it to the input's dtype."""
        if not isinstance(value, TensorLike):
            value = convert_to_tensor(value)
        have, want = value.shape, expected.shape
        if len(have) != len(want):
            if len(have) == len(want) - 1 and want[-1] == 1:
                value = value[..., None]
            elif len(have) == len(want) + 1 and have[-1] == 1:
                value = value[..., 0]
            else:
                self._reject(have, want, expected)
        elif have != want and any(
            a is not None and b is not None and a != b for a, b in zip(have, want, strict=True)
        ):
            self._reject(have, want, expected)
        if value.dtype != expected.dtype:
            if (value.dtype == string) != (expected.dtype == string):
                self._reject_kind(value, expected)
            mask = mask_of(value)
            value = value._astype(expected.dtype)
            if mask is not None:
                set_mask(value, mask)
        return value

    def _reject_kind(self, value: Any, expected: SymbolicTensor) -> None:
        given, wanted = ("strings", "numbers") if value.dtype == string else ("numbers", "strings")
        first = ""
        if isinstance(value, Tensor) and not is_tracer(value._value) and value.shape.num_elements():
            first = f", such as {value.numpy().flat[0]!r},"
        raise ValueError(
            f"{self.name}: {given} of shape {tuple(value.shape)}{first} are given, the input "
            f"{self._members.name_of(expected)!r} takes {wanted} ({expected.dtype.name}){at_user_location()}"
        )

    def _reject(self, have: Any, want: Any, expected: SymbolicTensor) -> None:
        if tuple(have) == tuple(want)[1:]:
            hint = "It is one sample without the batch axis: pass x[None], or batch() the dataset"
        else:
            hint = f"Reshape the data, or build the model for it with keras.Input({tuple(have)[1:]})"
        shown = self._members.name_of(expected)
        raise ValueError(
            f"{self.name}: expected shape {want} for the input {shown!r}, received {have}. {hint}"
            f"{at_user_location()}"
        )

    def _arranged(self, inputs: Any) -> list:
        """Returns the inputs as a flat list in the order of the graph; dicts are matched by key or input name."""
        structure = self._inputs_structure
        if self._takes_composites:
            return self._taken_apart(inputs)
        names = sorted(structure) if isinstance(structure, dict) else self.input_names
        if isinstance(inputs, dict):
            keys = names if isinstance(structure, dict) else self.input_names
            missing = [key for key in keys if key not in inputs]
            if missing:
                raise ValueError(
                    f"{self.name}: the inputs {missing} are missing, received {sorted(inputs)}."
                    f"{suggest(missing[0], inputs)}{at_user_location()}"
                )
            flat = nest.flatten([inputs[key] for key in keys])
        else:
            flat = nest.flatten(inputs)
            if len(flat) != len(inputs) == len(self._graph.inputs):  # an input is a plain list of numbers
                flat = list(inputs)
        if len(flat) != len(self._graph.inputs):
            raise ValueError(
                f"{self.name}: the model has {len(self._graph.inputs)} inputs, "
                f"{len(flat)} were given{at_user_location()}"
            )
        return [
            self._checked(value, expected) for value, expected in zip(flat, self._graph.inputs, strict=True)
        ]

    def _taken_apart(self, inputs: Any) -> list:
        """Returns the components of inputs among which there are composite tensors, in the order of the graph."""
        wanted, given = nest.flatten(self._inputs_structure), nest.flatten(inputs)
        if len(given) != len(wanted):
            raise ValueError(
                f"{self.name}: the model has {len(wanted)} inputs, {len(given)} were given{at_user_location()}"
            )
        for value, expected in zip(given, wanted, strict=True):
            if isinstance(expected, CompositeTensor) and type(value) is not type(expected):
                raise ValueError(
                    f"{self.name}: expected a {type(expected).__name__}, received {value!r:.80}{at_user_location()}"
                )
        return [
            value if isinstance(value, TensorLike) else convert_to_tensor(value) for value in nest.flat(given)
        ]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if type(self).compute_output_shape is Model.compute_output_shape:
            return self._described_by_call(args, kwargs)
        return super().compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self._graph is not None and self._simple and self._simple_output:
            known = TensorShape(input_shape)
            if (
                known.is_compatible_with(self._graph.inputs[0].shape)
                and known[1:] == self._graph.inputs[0].shape[1:]
            ):
                return TensorShape([known[0], *self._graph.outputs[0].shape[1:]])
        return super().compute_output_shape(input_shape)

    # ---- copies and configuration

    def __reduce_ex__(self, protocol: Any) -> Any:
        return reduce_model(self)

    def __deepcopy__(self, memo: dict) -> Any:
        return copy_model(self, memo)

    def get_config(self) -> dict:
        """Returns what makes an equal model: the graph of a functional one, the arguments of a subclassed one."""
        if self._graph is not None and type(self).__init__ is Model.__init__:
            return functional_config(self)
        return super().get_config()

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        with CustomObjectScope(custom_objects):
            if is_functional_config(config):
                return functional_from_config(cls, config)
            return cls(**config)

    # ---- layers

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model; raw ops appear as `TFOpLambda` layers, as in tf.keras."""
        if self._graph_layers is not None:
            return list(self._graph_layers)
        return [layer for layer in self._sublayers() if not layer.is_input]

    def __children__(self) -> list[tuple[str, Any]]:
        listed = [] if self._graph_layers is None else [("layers", list(self._graph_layers))]
        return [*listed, *(item for item in super().__children__() if item[0] != "_graph_layers")]

    def __saved_children__(self) -> list[tuple[str, Any]]:
        """Returns the layers by the names that checkpoints of Keras 2 have for them, then what attributes hold."""
        named: list[tuple[str, Any]] = []
        num_with_weights = 0
        for index, layer in enumerate(self.layers if self._is_made_of_layers else ()):
            if layer.weights or layer.get_weights():  # in Keras 2 a vocabulary is a weight
                named.append((f"layer_with_weights-{num_with_weights}", layer))
                num_with_weights += 1
            named.append((f"layer-{index}", layer))
        return [*named, *(item for item in self.__children__() if item[0] not in _NOT_SAVED)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns a layer by name or by index.

        Raises:
            ValueError: there is none; the message names the nearest.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(
                    f"{self.name}: there is no layer {index}, the model has {len(self.layers)} layers"
                )
            return self.layers[index]
        if name is None:
            raise ValueError("get_layer: pass a name or an index")
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise ValueError(f"{self.name}: no layer is called {name!r}.{suggest(name, names)} Layers: {names}")

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights of a subclassed model for the shapes of its inputs, with the batch axis.

        Args:
            input_shape: a shape, or a list or dict of shapes.
        """
        self.built = True
        if self._graph is None and input_shape is not None:
            self.compute_output_spec(_symbolic(input_shape, self.compute_dtype))

    def _ensure_built(self, arguments: dict[str, Any]) -> None:
        """Builds a subclassed model by running `call` on symbolic tensors like the arguments."""
        self._built_for = {
            name: nest.map_structure(_spec_of, value)
            for name, value in arguments.items()
            if has_tensor(value)
        }
        if type(self).build is not Model.build or self._graph is not None:
            super()._ensure_built(arguments)
            return
        self._describe_call(arguments)

    def _describe_call(self, arguments: dict[str, Any]) -> None:
        """Runs `call` on symbolic tensors like the arguments, which builds the layers."""
        spec = call_spec(type(self).call)
        known = arguments if spec.any_keyword else {k: v for k, v in arguments.items() if k in spec.names}
        described = nest.map_structure(
            lambda leaf: SymbolicTensor(leaf.shape, leaf.dtype) if isinstance(leaf, TensorLike) else leaf,
            known,
        )
        self.built = True
        with in_graphs.building(), weights.owner(self), contextlib.suppress(OperatorNotAllowedInGraphError):
            # A call that looks at values cannot run on symbolic tensors; it makes the weights when it runs.
            self._described_by_call((), described)
        first = next(iter(described.values()), None)
        self._build_shapes = nest.map_structure(lambda leaf: leaf.shape, first)
        self._build_dtype = getattr(first, "dtype", None)
        self._after_build()

    def reset_states(self) -> None:
        """Resets the state of stateful layers."""
        for layer in self._flatten_layers(include_self=False):
            if hasattr(layer, "reset_states") and not isinstance(layer, Model):
                layer.reset_states()


class Functional(Model):
    """A model made of symbolic inputs and outputs; `keras.Model(inputs, outputs)` gives one."""


def _is_functional(args: tuple, kwargs: dict) -> bool:
    return (
        len(args) >= 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
        or ("input" in kwargs and "output" in kwargs)
    )


def _symbolic(shape: Any, dtype: Any) -> Any:
    """Makes symbolic tensors of a shape, or of a list or dict of shapes."""
    if isinstance(shape, dict):
        return {key: _symbolic(value, dtype) for key, value in shape.items()}
    if isinstance(shape, list | tuple) and shape and isinstance(shape[0], list | tuple | dict | TensorShape):
        return [_symbolic(value, dtype) for value in shape]
    return SymbolicTensor(TensorShape(shape), dtype)


def _is_metric(tensor: SymbolicTensor) -> bool:
    return tensor.node is not None and isinstance(tensor.node.operation, AddMetric)


def _spec_of(leaf: Any) -> Any:
    return TensorSpec(leaf.shape, leaf.dtype) if isinstance(leaf, TensorLike) else leaf
