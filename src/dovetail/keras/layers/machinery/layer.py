"""`keras.layers.Layer`: state and computation, and the call that joins them to the rest.

A layer's `call` is written in tensor ops.  The same `call` runs on eager tensors, inside compiled functions and on
symbolic tensors; what it gives on symbolic ones is how its output shape is known.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import state
from dovetail.base.trackable import AWAITING, PLAIN, attached
from dovetail.graph.node import Node
from dovetail.keras import constraints, initializers, mixed_precision, regularizers
from dovetail.keras.idiom import layer_name
from dovetail.keras.layers.machinery import in_graphs, weights
from dovetail.keras.layers.machinery.called import Called
from dovetail.keras.layers.machinery.calling import Calling, has_tensor
from dovetail.keras.layers.machinery.holder import SKIP, Holder
from dovetail.keras.layers.machinery.init_arguments import (
    LEGACY_SHAPES,
    legacy_input_shape,
    refuse_quantization,
)
from dovetail.keras.layers.machinery.shapes import plain_shapes, shape_of
from dovetail.keras.layers.machinery.signature import build_arguments, own_parameters
from dovetail.keras.rematerialization import current as current_remat
from dovetail.keras.serialization import serialize_keras_object
from dovetail.tensor import dtype as dt
from dovetail.tensor.variable import StatelessScope, Variable, enter_scope

# Arguments that every layer has, and the attributes that they set.
_BASE_ARGUMENTS = {"name": "name", "trainable": "trainable", "dtype": "dtype_policy"}


class Layer(Calling, Holder, Called):
    """Base of all layers.  Subclasses define `__init__`, `build` (weights) and `call` (computation).

    Args:
        activity_regularizer: penalty on the outputs, added to `losses` in each call.
        trainable: whether the weights are trained.
        dtype: dtype or policy of computation and weights; the global policy when None.
        autocast: cast floating inputs to the compute dtype.
        name: unique name; made from the class name when None.
        input_shape, batch_input_shape, input_dim, batch_size: shape of the input, as Keras 2 takes it.
        weights: initial values, as Keras 2 takes them.

    Example:
        >>> class Linear(keras.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.w = self.add_weight(shape=(input_shape[-1], 4), name="w")
        ...     def call(self, inputs):
        ...         return tf.matmul(inputs, self.w)
    """

    supports_masking = False
    supports_jit = True
    is_input = False
    is_op = False  # stands for a raw op in a functional model
    _holds_layers = False
    _is_leaf = False  # one of ours that calls no other layer: it needs no context for those inside
    _is_made_of_layers = False  # a model whose layers exist before it does
    _builds_in_its_scope = False  # a wrapper, which builds the layer that it holds without calling it
    _calls_own_alone = False  # it calls layers, all of which are ours and among its attributes
    _init_arguments: tuple
    _planned: bool  # set while a plan of a model repeats what the layer did: every attribute matters to it
    updates = in_graphs.Updates()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        instance = super().__new__(cls)
        object.__setattr__(instance, "_init_arguments", (args, kwargs))
        return instance

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._is_leaf = False
        if "build" in cls.__dict__:
            cls.build = _marks_built(cls.__dict__["build"])  # type: ignore[method-assign]

    @classmethod
    def _become_own(cls) -> None:
        super()._become_own()
        cls._is_leaf = cls is not Layer and not cls._holds_layers

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{type(self).__name__}: name must be a string, received {name!r}")
        if name is not None and "/" in name:
            raise ValueError(f"{type(self).__name__}: a layer's name cannot contain '/', received {name!r}")
        self._name = name or layer_name(type(self))
        self.autocast = autocast
        self._remat = current_remat()
        self.dtype_policy = dtype
        self._trainable = bool(trainable)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.built = self._is_leaf and type(self).build is Layer.build  # it has nothing to build
        self.input_spec: Any = None
        self._own_weights: list[Variable] = []
        self._losses: list = []
        self._losses_call = 0
        self._nodes: list[Node] = []
        self._found: Any = None
        self._build_shapes: Any = None
        self._build_dtype: Any = None
        self._input_shape_hint = legacy_input_shape(type(self).__name__, kwargs)
        self._initial_weights = kwargs.pop("weights", None)
        kwargs.pop("dynamic", None)
        refuse_quantization(type(self).__name__, kwargs)
        if kwargs:
            known = [*LEGACY_SHAPES, *inspect.signature(type(self).__init__).parameters]
            first = next(iter(kwargs))
            raise TypeError(
                f"{type(self).__name__}: unknown argument {first!r}.{suggest(first, known)}{at_user_location()}"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        counts = type(value) not in PLAIN or type(self.__dict__.get(name)) not in PLAIN
        object.__setattr__(self, name, value)
        if (counts or "_planned" in self.__dict__) and name not in SKIP:
            self._changed()
        if AWAITING in self.__dict__:
            attached(self)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._changed()

    # ---- names, dtypes, flags

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def path(self) -> str:
        return self._name

    @property
    def dtype_policy(self) -> Any:
        return self._given_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._given_policy = mixed_precision.get(value)
        self._policy = policy = self._given_policy.of_layer(weights.path_of(self))
        plain = (
            policy.compute_dtype == policy.variable_dtype
            and policy.compute_dtype is not None
            and self.autocast
            and self._remat is None
        )
        self._plain_dtype = dt.numpy_dtype(policy.compute_dtype) if plain else None

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self._policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self._policy.compute_dtype

    input_dtype = compute_dtype  # of the floating inputs of `call`

    @property
    def quantization_mode(self) -> str | None:
        """How the weights are quantized; None: not at all."""
        return self._policy.quantization_mode

    @property
    def trainable(self) -> bool:
        flag_of = state.trainable_of
        return self._trainable if flag_of is None else flag_of(self)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        self._changed()
        for variable in self._own_weights:
            if getattr(variable, "_declared_trainable", True):
                variable.trainable = self._trainable
        for layer in self._sublayers():
            layer.trainable = value

    # ---- weights

    def add_weight(
        self,
        *args: Any,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: Any = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
        synchronization: Any = None,
        use_resource: bool | None = None,
        experimental_autocast: bool | None = None,
    ) -> Variable:
        """Creates a weight of this layer.

        Args:
            args: shape, initializer, dtype and trainable by position, as in Keras 3; or name, shape, dtype and
                initializer, as in Keras 2, when the first is a string.
            shape: its shape; a scalar when None.
            initializer: name, initializer or function of `(shape, dtype)`; Glorot uniform for floats, zeros otherwise.
            dtype: the layer's variable dtype when None.
            trainable: whether optimizers update it.
            autocast: read it in the compute dtype inside `call`.
            regularizer: penalty on its value, part of `losses`.
            constraint: function applied to it after each update.
            name: its name.
            aggregation, synchronization: how replicas of a `tf.distribute` strategy share it (`tf.VariableAggregation`,
                `tf.VariableSynchronization`, or their names).
            use_resource: accepted; every variable is a resource.
        """
        if args:
            named = weights.by_position(args, shape=shape, initializer=initializer, dtype=dtype, name=name)
            trainable = named.pop("trainable", trainable)
            return self.add_weight(
                **named,
                trainable=trainable,
                autocast=autocast,
                regularizer=regularizer,
                constraint=constraint,
                aggregation=aggregation,
                synchronization=synchronization,
                experimental_autocast=experimental_autocast,
            )
        return weights.add(
            self,
            shape=shape,
            initializer=initializers.get(initializer),
            dtype=dt.as_dtype(dtype or self.variable_dtype),
            trainable=trainable,
            autocast=autocast if experimental_autocast is None else experimental_autocast,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
            name=name,
            aggregation=aggregation,
            synchronization=synchronization,
        )

    add_variable = add_weight

    # ---- building

    def build(self, input_shape: Any) -> None:
        """Creates the weights for an input shape.  Subclasses override it."""
        self.built = True

    def _ensure_built(self, arguments: dict[str, Any]) -> None:
        """Builds the layer for the shapes of the call's tensor arguments."""
        tensors = {name: value for name, value in arguments.items() if has_tensor(value)}
        shapes = {name: nest.map_structure(shape_of, value) for name, value in tensors.items()}
        first = next(iter(shapes.values()), None)
        with in_graphs.building(), enter_scope(_building_scope()), weights.owner(self):
            if type(self).build is Layer.build and type(self).call is not Layer.call and self._sublayers():
                self.built = True
            else:
                self.build(**build_arguments(type(self).build, shapes, first))
            self.built = True
        self._after_build()

    def _adapt(self) -> None:
        """Called when `build` is done: a layer may replace its weights, see `machinery/adaptable.py`."""

    def quantize(self, mode: str | None = None, type_check: bool = True, config: Any = None) -> None:
        """Quantizes the weights; see `machinery/adaptable.py`.

        Raises:
            NotImplementedError: the layer has no kernel that it can quantize.
        """
        raise NotImplementedError(
            f"{self.name}.quantize: {type(self).__name__} cannot be quantized{at_user_location()}"
        )

    def _after_build(self) -> None:
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    # ---- configuration

    def get_config(self) -> dict:
        """Returns the arguments that make an equal layer: the base arguments, and those of a subclass's `__init__`.

        Raises:
            NotImplementedError: the subclass takes arguments that cannot be written down; override `get_config`.
        """
        config = {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": serialize_keras_object(self._given_policy),
        }
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if type(self).__init__ is not Layer.__init__ and not self._is_own:
            config |= weights.written_arguments(self, *self._init_arguments)
        return config

    @classmethod
    def from_config(cls, config: dict) -> Any:
        given, rest = weights.accepted_arguments(cls, weights.without_facts(cls, config))
        layer = cls(**given)
        for name, value in rest.items():
            setattr(layer, _BASE_ARGUMENTS[name], value)
        return layer

    def __getstate__(self) -> dict:
        """Returns the attributes without the places in graphs, which belong to models."""
        return {name: value for name, value in vars(self).items() if name not in ("_nodes", "_found")}

    def __setstate__(self, facts: dict) -> None:
        self.__dict__.update(facts, _nodes=[], _found=None)

    def get_build_config(self) -> dict | None:
        """Returns the shapes that the layer was built for, None when it is not built or was built without any."""
        shapes = self._build_shapes
        if not self.built or shapes is None:
            return None
        if isinstance(shapes, dict) and set(shapes) != {"input_shape"}:
            return {"shapes_dict": {name: plain_shapes(value) for name, value in shapes.items()}}
        return {"input_shape": plain_shapes(shapes["input_shape"] if isinstance(shapes, dict) else shapes)}

    def build_from_config(self, config: dict) -> None:
        """Builds the layer for the shapes that `get_build_config` returned.

        Keras 2 notes one shape of several; such a layer is built by its first call.
        """
        if not config or self.built:
            return
        shapes = config.get("shapes_dict")
        if shapes is None and sum(one.default is one.empty for one in own_parameters(type(self).build)) > 1:
            return
        self.build(config["input_shape"]) if shapes is None else self.build(**shapes)
        self._after_build()

    def __repr__(self) -> str:
        name, built = (
            getattr(self, "_name", None),
            getattr(self, "built", False),
        )  # before super().__init__() too
        return f"<{type(self).__name__} name={name}, built={built}>"


def _marks_built(build: Callable) -> Callable:
    """Wraps a `build` method so that it records its shapes and marks the layer as built, whoever calls it."""
    if getattr(build, "_marks_built", False):
        return build

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self._build_shapes is None:
            self._build_shapes = kwargs or (args[0] if args else None)
        with weights.owner(self):
            result = build(self, *args, **kwargs)
            self.built = True
            if type(self).build is wrapped:
                self._adapt()
        return result

    wrapped.__name__, wrapped.__doc__, wrapped.__wrapped__ = "build", build.__doc__, build  # type: ignore[attr-defined]
    wrapped._marks_built = True  # type: ignore[attr-defined]
    return wrapped


def _building_scope() -> Any:
    """Returns the scope for `build`: eager, but for what the variables are while a call is described or stateless."""
    return state.scope if isinstance(state.scope, StatelessScope) else None
