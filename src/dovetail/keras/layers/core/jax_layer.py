"""`JaxLayer` and `FlaxLayer`: functions and modules written for JAX, as layers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.engine import xla
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.random import SeedGenerator
from dovetail.keras.serialization import serialize_keras_object
from dovetail.ops.core import Op
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.tensor import TensorLike

__all__ = ["FlaxLayer", "JaxLayer"]

_OF_CALL = ("params", "state", "rng", "inputs", "training")
_OF_INIT = ("rng", "inputs", "training")


def _names(function: Callable, label: str, allowed: tuple[str, ...]) -> list[str]:
    names = list(inspect.signature(function).parameters)
    unknown = [name for name in names if name not in allowed]
    if unknown or "inputs" not in names:
        raise ValueError(
            f"JaxLayer: {label} takes 'inputs' and any of {', '.join(allowed)}, received a function of "
            f"({', '.join(names)}){at_user_location()}"
        )
    return names


class Tree:
    """A structure that JAX knows, whose arrays are weights.

    Attributes:
        variables: the weights, in JAX's order.
    """

    def __init__(self, leaves: list, structure: Any) -> None:
        self.leaves, self.structure = leaves, structure
        self.variables: list[Any] = [leaf for leaf in leaves if isinstance(leaf, TensorLike)]

    def filled(self, arrays: Any) -> Any:
        """Returns the structure with arrays in the places of the weights."""
        found = iter(arrays)
        leaves = [next(found) if isinstance(leaf, TensorLike) else leaf for leaf in self.leaves]
        return xla("a JAX function").unflatten_tree(self.structure, leaves)


class JaxLayer(Layer):
    """Computes a function that is written for JAX; its parameters are the layer's weights.

    Args:
        call_fn: `call_fn(params, state, rng, inputs, training)`, of which it takes any by name, `inputs` at least. It
            returns the outputs, or with a state `(outputs, new state)`.
        init_fn: `init_fn(rng, inputs, training)`; returns the params, or with a state `(params, state)`.
        params, state: what `init_fn` would return, trained and not trained.
        seed: of the random numbers that `call_fn` draws in training.
        native_serialization_platforms: accepted: nothing is converted here.

    Example:
        >>> layer = keras.layers.JaxLayer(lambda params, inputs: inputs @ params, params=np.ones((3, 2), "float32"))
        >>> layer(tf.ones((4, 3))).shape
        TensorShape([4, 2])
    """

    _holds_layers = True  # it runs what a user wrote

    def __init__(
        self,
        call_fn: Callable,
        init_fn: Callable | None = None,
        params: Any = None,
        state: Any = None,
        seed: int | None = None,
        native_serialization_platforms: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.call_fn, self.init_fn = call_fn, init_fn
        self._takes = _names(call_fn, "call_fn", _OF_CALL)
        self._init_takes = [] if init_fn is None else _names(init_fn, "init_fn", _OF_INIT)
        needs = {"params", "state"} & set(self._takes)
        if needs and init_fn is None and params is None and state is None:
            raise ValueError(
                f"JaxLayer: call_fn takes {' and '.join(sorted(needs))}: pass init_fn, params or state"
                f"{at_user_location()}"
            )
        self.seed_generator = SeedGenerator(seed) if "rng" in self._takes else None
        self._trees: dict[str, Tree] = {}
        self._ops: dict[tuple, Op] = {}
        if params is not None or state is not None or not needs:
            self._hold(params, state)
            self.built = True

    def _hold(self, params: Any, state: Any) -> None:
        for name, value in (("params", params), ("state", state)):
            leaves, structure = xla("a JAX function").flatten_tree(value)
            made = [self._weight(leaf, name == "params") for leaf in leaves]
            self._trees[name] = Tree(made, structure)

    def _weight(self, leaf: Any, trainable: bool) -> Any:
        if not isinstance(leaf, int | float) and not hasattr(leaf, "dtype"):
            return leaf  # a setting, not a number
        value = np.asarray(leaf)
        dtype = None if value.dtype.kind == "f" else str(value.dtype)
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype=None: value,
            dtype=dtype,
            trainable=trainable,
        )

    def build(self, input_shape: Any) -> None:
        if self._trees:
            return
        engine = xla("a JAX function")

        def ones(shape: Any) -> Any:
            return engine.asarray(np.ones([size or 1 for size in shape], self.compute_dtype))

        plain = isinstance(input_shape, list | tuple) and all(
            size is None or isinstance(size, int) for size in input_shape
        )
        inputs = (
            ones(input_shape)
            if plain or not nest.is_nested(input_shape)
            else nest.map_structure(ones, input_shape)
        )
        given = {"rng": self._get_init_rng(), "inputs": inputs, "training": True}
        found = self.init_fn(*(given[name] for name in self._init_takes))  # type: ignore[misc]
        params, state = found if "state" in self._takes else (found, None)
        self._hold(params, state)

    def _get_init_seed(self) -> Any:
        seed = np.asarray(SeedGenerator().next()).astype(np.uint32)
        return xla("a JAX function").asarray(seed.reshape(-1)[:2])

    def _get_init_rng(self) -> Any:
        """Returns the key, or structure of keys, that `init_fn` gets."""
        return self._get_init_seed()

    def _rng(self, key: Any, training: bool) -> Any:
        """Returns what `call_fn` gets as `rng` for a key: None when it does not train."""
        return key if training else None

    def call(self, inputs: Any, training: Any = False) -> Any:
        training = bool(training)
        leaves, structure = nest.flatten_spec(inputs)
        key = convert_to_tensor(self.seed_generator.next()) if self.seed_generator else None
        params, state = (self._trees[name] for name in ("params", "state"))
        arrays = [*params.variables, *state.variables, *([] if key is None else [key]), *leaves]
        op = self._op(training, structure, key is not None)
        made: list = list(op(*arrays))
        num_states = len(state.variables) if "state" in self._takes else 0
        for variable, value in zip(
            state.variables[:num_states], made[len(made) - num_states :], strict=False
        ):
            variable.assign(value)
        outputs = made[: len(made) - num_states]
        return outputs[0] if len(outputs) == 1 else nest.unflatten(self._structures[op.name], outputs)

    def _op(self, training: bool, structure: Any, has_key: bool) -> Op:
        """Returns the function as an op, whose gradient is JAX's."""
        name = f"{self.name}_{'train' if training else 'call'}_{structure}"
        found = self._ops.get((training, str(structure)))
        if found is not None:
            return found
        params, state = (self._trees[each] for each in ("params", "state"))
        counts = (len(params.variables), len(state.variables), int(has_key))

        def body(xp: Any, *arrays: Any) -> Any:
            first, second, third = counts[0], sum(counts[:2]), sum(counts)
            given = {
                "params": params.filled(arrays[:first]),
                "state": state.filled(arrays[first:second]),
                "rng": self._rng(arrays[second].astype(np.uint32).reshape(-1)[:2], training)
                if has_key
                else None,
                "inputs": nest.unflatten(structure, list(arrays[third:])),
                "training": training,
            }
            outputs = self.call_fn(*(given[each] for each in self._takes))
            states: list = []
            if "state" in self._takes:
                outputs, new = outputs
                states = [
                    new_leaf
                    for new_leaf, leaf in zip(xp.flatten_tree(new)[0], state.leaves, strict=True)
                    if isinstance(leaf, TensorLike)
                ]
            found, self._structures[name] = nest.flatten_spec(outputs)
            return [*found, *states]

        self._structures = getattr(self, "_structures", {})
        made = Op(name, body, same_dtype=0, engine="xla", several=True)
        self._ops[training, str(structure)] = made
        return made

    def get_config(self) -> dict:
        functions = {
            name: serialize_keras_object(value)
            for name, value in (("call_fn", self.call_fn), ("init_fn", self.init_fn))
        }
        return super().get_config() | functions


class FlaxLayer(JaxLayer):
    """Computes a Flax module; its parameters are the layer's weights.

    Args:
        module: the module.
        method: which of its methods, or its name; `__call__` when None.
        variables: a dict of the module's variables, instead of those that its `init` makes.

    A method with a parameter `training` is told.
    """

    def __init__(self, module: Any, method: Any = None, variables: dict | None = None, **kwargs: Any) -> None:
        self.module, self.method = module, method
        function = module.__call__ if method is None else method
        function = getattr(module, function) if isinstance(function, str) else function
        told = "training" in inspect.signature(function).parameters
        params, state = _parted(variables or {}) if variables else (None, None)

        def call_fn(params: Any, state: Any, rng: Any, inputs: Any, training: Any) -> tuple:
            more = {"training": training} if told else {}
            outputs, changed = module.apply(
                {"params": params or {}, **(state or {})},
                inputs,
                rngs=rng,
                method=method,
                mutable=list(state or {}),
                **more,
            )
            return outputs, {**(state or {}), **changed}

        def init_fn(rng: Any, inputs: Any, training: Any) -> tuple:
            more = {"training": training} if told else {}
            return _parted(module.init(rng, inputs, method=method, **more))

        super().__init__(call_fn, init_fn, params, state, **kwargs)

    def _get_init_rng(self) -> dict:
        return {name: self._get_init_seed() for name in ("params", "dropout")}

    def _rng(self, key: Any, training: bool) -> Any:
        return {"dropout": key} if training else {}

    def get_config(self) -> dict:
        raise NotImplementedError(
            f"{self.name}: a Flax module cannot be written into a config; make the layer again and load its weights"
        )


def _parted(variables: Any) -> tuple[dict, dict]:
    """Returns the parameters, and the other collections."""
    return dict(variables).get("params", {}), {k: v for k, v in dict(variables).items() if k != "params"}
