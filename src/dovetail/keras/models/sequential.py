"""`keras.Sequential`: layers one after the other."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.graph.recording import recording
from dovetail.keras.layers.core.input_layer import Input, InputLayer
from dovetail.keras.layers.machinery import in_graphs
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.weights import owner
from dovetail.keras.models.model import Model
from dovetail.keras.models.older import as_layer
from dovetail.keras.registration import CustomObjectScope
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.tensor.composite import is_composite
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.spec import with_shapes
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import enter_scope


class Sequential(Model):
    """A stack of layers.  It is built as soon as the input shape is known, or on its first call.

    Args:
        layers: layers to add, or none.
        name: name of the model.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3, activation="softmax")])
    """

    _is_stack = True

    def __init__(self, layers: Any = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []
        self._guessed = False  # the input shape is that of the first call, which later ones may differ from
        for layer in [layers] if isinstance(layers, Layer) else layers or []:
            self._append(layer)
        self._rebuild()

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer on top.

        Raises:
            ValueError: not a layer, a name that is taken, or an input that is not the first.
        """
        self._append(layer)
        if rebuild:
            self._rebuild()

    def _append(self, layer: Any) -> None:
        layer = _input_layer_of(layer) or layer
        if not isinstance(layer, Layer):
            raise ValueError(f"Sequential: expected a layer, received {layer!r:.80}{at_user_location()}")
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"Sequential: the name {layer.name!r} is taken by another layer{at_user_location()}"
            )
        if layer.is_input and self._stack:
            raise ValueError(
                f"Sequential: an input must come first, the model has layers already{at_user_location()}"
            )
        if not self._stack and not layer.is_input:
            start = self._start_of(layer)
            if start is not None:
                self._stack.append(start)
        self._stack.append(layer)

    def _start_of(self, layer: Layer) -> Layer | None:
        """Returns an input layer when the first layer states its input shape."""
        if layer._input_shape_hint is not None:
            return InputLayer(batch_shape=layer._input_shape_hint, dtype=_input_dtype(layer))
        if isinstance(layer, Model) and layer.inputs and len(layer.inputs) == 1:
            return InputLayer(batch_shape=tuple(layer.inputs[0].shape), dtype=layer.inputs[0].dtype)
        return None

    def pop(self, rebuild: bool = True) -> Layer:
        """Takes the top layer off, and returns it."""
        if not self._stack or (len(self._stack) == 1 and self._stack[0].is_input):
            raise TypeError("Sequential.pop: there are no layers in the model")
        layer = self._stack.pop()
        if rebuild:
            self._rebuild()
        return layer

    def _rebuild(self) -> None:
        """Makes the graph when the input shape is known."""
        self._graph = self._graph_layers = None
        self.built = False
        if self._stack and self._stack[0].is_input and len(self._stack) > 1:
            tensor = self._stack[0].output
            start = tensor
            # The model's own graph is no part of one around.
            scope = None if recording() else state.scope
            with in_graphs.building(), enter_scope(scope), owner(self):
                for layer in self._stack[1:]:
                    tensor = layer(tensor)
            self._set_graph(start, tensor)
        self._reset_programs()

    @property
    def layers(self) -> list[Layer]:
        return [layer for layer in self._stack if not layer.is_input]

    def __children__(self) -> list[tuple[str, Any]]:
        others = [item for item in super().__children__() if item[0] not in ("layers", "_stack")]
        return [("layers", self._stack), *others]

    def build(self, input_shape: Any = None) -> None:
        """Builds the layers for an input shape, with the batch axis."""
        if self._graph is not None or input_shape is None:
            self.built = self._graph is not None
            return
        if not self._stack:
            raise ValueError("Sequential.build: there are no layers yet")
        self._start(Input(batch_shape=tuple(input_shape), dtype=_input_dtype(self._stack[0])))

    def _ensure_built(self, arguments: dict[str, Any]) -> None:
        """Builds the layers; a dict of inputs, which the first layer takes whole, makes no graph."""
        if isinstance(arguments.get("inputs"), dict):
            self._describe_call(arguments)
        else:
            super()._ensure_built(arguments)

    def _start(self, value: Any) -> None:
        """Makes the graph, for an input that `Input` made."""
        if self._stack and self._stack[0].is_input:
            self._stack.pop(0)
        self._stack.insert(0, _input_layer_of(value))
        self._rebuild()

    def __call__(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        if self._stack and (self._graph is None or self._guessed):
            self._guess(inputs)
        return super().__call__(inputs, training=training, mask=mask, **kwargs)

    def _guess(self, inputs: Any) -> None:
        """Begins the model with an input like what it is called on, and anew when that is of another kind."""
        start = None if self._graph is None else self._stack[0].output
        if is_composite(inputs):
            if type(start) is not type(inputs):
                self._start(Input(type_spec=with_shapes(inputs._type_spec, _of_any_batch)))
                self._guessed = True
        elif start is None or is_composite(start):
            self._guess_dense(inputs)
        else:
            self._relax(tuple(getattr(inputs, "shape", ())))

    def _guess_dense(self, inputs: Any) -> None:
        leaf = inputs if isinstance(inputs, TensorLike) else None
        shape = tuple(getattr(leaf if leaf is not None else inputs, "shape", ()))
        if not shape or not (leaf is None or isinstance(leaf, Tensor | SymbolicTensor)):
            return
        dtype = getattr(inputs, "dtype", None)
        kept = dtype is not None and getattr(dtype, "numpy_dtype", dtype).kind in "iubO"
        first = self._stack[1 if self._stack[0].is_input else 0]
        self._start(Input(batch_shape=(None, *shape[1:]), dtype=dtype if kept else _input_dtype(first)))
        self._guessed = True

    def _relax(self, shape: tuple) -> None:
        """Forgets the sizes in which `shape` differs from the first call's, when the layers do without them."""
        known = tuple(self._graph.inputs[0].shape)
        relaxed = tuple(a if a == b else None for a, b in zip(known, shape, strict=False))
        if len(shape) != len(known) or relaxed[1:] == known[1:]:
            return
        before = list(self._stack)
        try:
            for sizes in (shape[1:], relaxed[1:]):  # the layers check the sizes that they are given
                self._start(Input(batch_shape=(None, *sizes), dtype=self._graph.inputs[0].dtype))
        except ValueError:
            self._stack = before
            self._rebuild()
            raise

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        if self._graph is not None:
            return super().call(inputs, training=training, mask=mask)
        outputs = inputs
        for layer in self._stack:
            outputs = layer(outputs)
        return outputs

    def get_config(self) -> dict:
        """Returns what makes an equal model: its layers and the shape of its input."""
        config = Layer.get_config(self)
        if type(self).__init__ is not Sequential.__init__:
            del config["dtype"]  # which Sequential.__init__ does not take
            return config
        config["layers"] = [serialize_keras_object(layer) for layer in self._stack]
        if self._graph is not None and self._simple:
            config["build_input_shape"] = tuple(self._graph.inputs[0].shape)
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        if cls.__init__ is not Sequential.__init__:
            return cls(**config)
        with CustomObjectScope(custom_objects):
            layers = [deserialize_keras_object(as_layer(entry)) for entry in config["layers"]]
        model = cls(layers, trainable=config.get("trainable", True), name=config.get("name"))
        shape = config.get("build_input_shape")
        if not model.built and shape and not isinstance(shape, dict):
            model.build(tuple(shape))
        return model

    @property
    def input_shape(self) -> Any:
        self._need_graph("input_shape")
        return super().input_shape

    @property
    def output_shape(self) -> Any:
        self._need_graph("output_shape")
        return super().output_shape

    def _need_graph(self, what: str) -> None:
        if self._graph is None:
            raise AttributeError(
                f"Sequential {self.name!r} has no {what} yet: start it with keras.Input(shape), or call it on data"
            )


def _input_dtype(layer: Layer) -> Any:
    """Returns the dtype that a model beginning with `layer` takes."""
    return getattr(layer, "expected_input_dtype", None) or layer.compute_dtype


def _plain_dtype(dtype: Any) -> Any:
    """Returns a dtype of integers or strings; NumPy's strings have one for each length."""
    return "string" if getattr(dtype, "numpy_dtype", dtype).kind in "OSU" else dtype


def _input_layer_of(value: Any) -> Any:
    """Returns the layer behind what `keras.Input` returned, a symbolic tensor or a composite of them; else None."""
    if not isinstance(value, SymbolicTensor) and not is_composite(value):
        return None
    node = getattr(nest.flat(value)[0], "node", None)
    return node.operation if node is not None and node.operation.is_input else None


def _of_any_batch(shape: TensorShape) -> TensorShape:
    return TensorShape([None, *shape[1:]]) if shape.rank else shape
