"""`keras.layers.Bidirectional`: a recurrent layer run in both directions of time."""

from __future__ import annotations

from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.keras.idiom import backward_name, with_states
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.layers.recurrent.lengths import dense
from dovetail.keras.layers.recurrent.states import as_list
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import array, shapes
from dovetail.tensor.shape import TensorShape

__all__ = ["Bidirectional"]

# How the outputs of both directions are joined.
_JOINS = {
    "concat": lambda a, b: array.concat([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "ave": lambda a, b: (a + b) / 2,
    None: lambda a, b: (a, b),
}


class Bidirectional(Layer):
    """Runs one copy of a layer forwards and one backwards over time, and joins their outputs.

    Args:
        layer: a recurrent layer, or one with `go_backwards`, `return_sequences`, `return_state` and `stateful`; it
            serves as the pattern of the copies.
        merge_mode: "concat", "sum", "mul", "ave", or None for both outputs.
        weights: initial values, of the forward layer first.
        backward_layer: runs backwards instead of a copy of `layer`.

    Call arguments: sequences, initial_state (states of the forward layer, then of the backward layer), mask, training,
    constants.

    Outputs of masked steps are zero with `return_sequences`, as in Keras.

    Source: M. Schuster, K. Paliwal, 1997, "Bidirectional recurrent neural networks".
    """

    supports_masking = True
    _holds_layers = True

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Layer | None = None,
        **kwargs: Any,
    ) -> None:
        for name, given in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(given, Layer) and (name == "layer" or given is not None):
                raise ValueError(
                    f"Bidirectional: {name} must be a layer, received {given!r:.60}{at_user_location()}"
                )
        if merge_mode not in _JOINS:
            raise ValueError(
                f"Bidirectional: merge_mode must be one of {list(_JOINS)}, received {merge_mode!r}{at_user_location()}"
            )
        super().__init__(weights=weights, **kwargs)
        self.merge_mode = merge_mode
        self.forward_layer: Any = _copy(layer, "forward_")
        self.backward_layer: Any = backward_layer
        if backward_layer is None:
            self.backward_layer = _copy(layer, "backward_", go_backwards=not layer.go_backwards)  # type: ignore[attr-defined]
        else:
            backward_layer.name = backward_name(backward_layer.name)
        self._check_halves()
        for half in self._halves:
            if hasattr(half, "zero_output_for_mask"):
                half.zero_output_for_mask = half.return_sequences
        self.input_spec = layer.input_spec
        if not kwargs.get("trainable", layer.trainable):
            self.trainable = False

    def _check_halves(self) -> None:
        """Raises ValueError where the halves do not fit together."""
        forward, backward = self._halves
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                f"Bidirectional: both layers have go_backwards={forward.go_backwards}; one must go the other way"
                f"{at_user_location()}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            mine, other = getattr(forward, name), getattr(backward, name)
            if mine != other:
                raise ValueError(
                    f"Bidirectional: {name} is {mine} forwards and {other} backwards; it must be the same"
                    f"{at_user_location()}"
                )

    @property
    def _halves(self) -> tuple:
        return self.forward_layer, self.backward_layer

    @property
    def layer(self) -> Any:
        """The forward layer."""
        return self.forward_layer

    @property
    def return_sequences(self) -> bool:
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        return self.forward_layer.return_state

    @property
    def stateful(self) -> bool:
        return self.forward_layer.stateful

    @property
    def go_backwards(self) -> bool:
        return self.forward_layer.go_backwards

    @property
    def states(self) -> Any:
        """The variables of both stateful layers; None for others."""
        both = [half.states for half in self._halves]
        return None if both[0] is None else [*both[0], *both[1]]

    def reset_state(self) -> None:
        """Lets both stateful layers begin with zeros again."""
        for half in self._halves:
            half.reset_state()

    def reset_states(self, states: Any = None) -> None:
        """Lets both stateful layers begin with zeros again, or with the given states, half of them each."""
        if states is None:
            self.reset_state()
            return
        for half, own in zip(self._halves, _halved(states, self.name), strict=True):
            half.reset_states(own)

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for half in self._halves:
            if not half.built:
                half.build(sequences_shape)

    def call(
        self,
        sequences: Any,
        initial_state: Any = None,
        mask: Any = None,
        training: Any = None,
        constants: Any = None,
    ) -> Any:
        inputs, lengths = dense(sequences, mask, self.name)
        if isinstance(inputs, list) and len(inputs) > 1 and initial_state is None:  # Keras 2's way
            inputs, *initial_state = inputs
            mask = mask[0] if isinstance(mask, list) else mask
        states = (None, None) if initial_state is None else _halved(initial_state, self.name)
        further = {"mask": mask if lengths is None else lengths.mask, "training": training}
        if constants is not None:
            further["constants"] = constants
        found = [_called(half, inputs, own, further) for half, own in zip(self._halves, states, strict=True)]
        (y, *after), (other, *after_other) = found if self.return_state else [[one] for one in found]
        if self.return_sequences:
            other = shapes.reverse(
                other, axis=(0 if getattr(self.forward_layer, "time_major", False) else 1,)
            )
        output = _JOINS[self.merge_mode](y, other)
        if lengths is not None and self.return_sequences:
            output = nest.map_structure(lengths.ragged, output)
        if not self.return_state:
            return output
        return with_states(output if self.merge_mode is None else [output], [*after, *after_other])

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        masks = [one for one in nest.flatten(previous_mask) if one is not None]
        mask = masks[0] if masks and self.return_sequences else None
        outputs = [mask] if self.merge_mode is not None else [mask, mask]
        if self.return_state:
            return [*outputs, *[None] * (2 * len(self.forward_layer.state_size))]
        return outputs if self.merge_mode is None else mask

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        found = [half.compute_output_shape(sequences_shape) for half in self._halves]
        (y, *states), (other, *states_other) = found if self.return_state else [[one] for one in found]
        outputs: list = [y]
        if self.merge_mode == "concat":
            outputs = [TensorShape([*tuple(y)[:-1], y[-1] + other[-1]])]
        elif self.merge_mode is None:
            outputs = [y, other]
        if self.return_state:
            return (*outputs, *states, *states_other)
        return outputs[0] if self.merge_mode is not None else tuple(outputs)

    def get_config(self) -> dict:
        return super().get_config() | {
            "merge_mode": self.merge_mode,
            "layer": serialize_keras_object(self.forward_layer),
            "backward_layer": serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Any:
        config = dict(config)
        config.pop("num_constants", None)
        for name in ("layer", "backward_layer"):
            if isinstance(config.get(name), dict):
                config[name] = deserialize_keras_object(config[name], custom_objects)
        return cls(**config)


def _copy(layer: Any, prefix: str, **changes: Any) -> Any:
    """Returns a fresh layer like a given one, under a name with a prefix."""
    config = layer.get_config() | changes
    config["name"] = prefix + config["name"].removeprefix(prefix)
    return type(layer).from_config(config)


def _halved(states: Any, name: str) -> tuple[list, list]:
    states = as_list(states)
    half = len(states) // 2
    if len(states) != 2 * half:
        raise ValueError(
            f"{name}: expected as many states for either direction, received {len(states)}{at_user_location()}"
        )
    return states[:half], states[half:]


def _called(half: Any, inputs: Any, states: Any, further: dict) -> Any:
    """Calls one direction with what its `call` takes."""
    spec = call_spec(type(half).call)
    given = {
        name: value
        for name, value in further.items()
        if value is not None and (name in spec.names or spec.any_keyword)
    }
    return half(inputs, initial_state=states, **given) if states is not None else half(inputs, **given)
