"""Which Keras a program is written for: what is decided by it stands here, one function a decision.

The sign is `settings.keras`: 2 by `TF_USE_LEGACY_KERAS=1`, `import tf_keras` or `dovetail run --keras 2`, 3 by
`dovetail run --keras 3`, None when the program gave none; then what serves most programs counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dovetail.base.settings import settings
from dovetail.keras.naming import auto_name, get_uid, to_snake_case, unique_name

# The names that the state of optimizers has in Keras 2, where they differ.
_SLOTS = {"momentum": "m", "velocity": "v", "velocity_hat": "vhat", "norm": "u"}
_SLOTS_AS_THEY_ARE = frozenset({"RMSprop"})


def is_keras_2() -> bool:
    """Returns whether the program is written for Keras 2."""
    return settings.keras == 2


def weight_name(name: str, owners: Sequence[Any]) -> str:
    """Returns what a weight of a layer is called: "kernel", in Keras 2 "dense/kernel:0".

    Args:
        name: that the layer gave it.
        owners: the layers around it, outermost first, its own last.
    """
    if not is_keras_2():
        return name
    # Models that are made of layers open no scope there: their layers exist before they do.
    scopes, wrapped = [], False
    for owner in owners:
        if not wrapped and (owner is owners[-1] or not owner._is_made_of_layers):
            scopes.append(owner.name)
        wrapped = owner._builds_in_its_scope
    return "/".join([*scopes, f"{name}:0"])


def state_name(name: str) -> str:
    """Returns what a variable of an optimizer that belongs to no weight is called."""
    return f"{name}:0" if is_keras_2() else name


def layer_name(kind: type) -> str:
    """Returns the name of a layer or model that was given none, such as "dense_1"."""
    name = to_snake_case(kind.__name__)
    if name == "input_layer" and is_keras_2():
        return f"input_{get_uid('input')}"
    return unique_name("model" if name == "functional" and is_keras_2() else name)


def with_states(outputs: Sequence[Any], states: Sequence[Any]) -> Any:
    """Returns what a recurrent layer with `return_state` gives: a tuple, in Keras 2 a list.

    Programs for Keras 2 add lists to parts of it: `layer([x] + encoder(y)[1:])`.
    """
    return [*outputs, *states] if is_keras_2() else (*outputs, *states)


def optimizer_name(kind: type) -> str:
    """Returns the name of an optimizer that was given none: "adam", in Keras 2 "Adam"."""
    return kind.__name__ if is_keras_2() else auto_name(kind.__name__)


def slot_name(optimizer: str, scoped: bool, slot: str, variable: Any, path: str) -> str:
    """Returns what a variable of an optimizer's state is called: "dense_kernel_momentum", "Adam/m/dense/kernel:0".

    Args:
        optimizer: name of the optimizer.
        scoped: whether a step creates it, and not `build`: in Keras 2 the optimizer's name stands before it then.
        slot: what it is in the optimizer.
        variable: the variable that it belongs to.
        path: that variable's.
    """
    if not is_keras_2():
        return f"{path.replace('/', '_')}_{slot}"
    kind = slot if optimizer in _SLOTS_AS_THEY_ARE else _SLOTS.get(slot, slot)
    scope = f"{optimizer}/" if scoped else ""
    return f"{scope}{kind}/{str(variable.name).removesuffix(':0')}"


def rate_in_logs() -> str:
    """Returns the name of the learning rate in the logs."""
    return "lr" if is_keras_2() else "learning_rate"


def entropy_offset() -> float:
    """Returns what binary cross-entropies add to the probabilities whose logarithm they take."""
    return settings.epsilon if is_keras_2() else 0.0


def conv_lstm_gate() -> str:
    """Returns the activation of a convolutional LSTM's gates when none is given."""
    return "hard_sigmoid" if is_keras_2() else "sigmoid"


def is_steep_hard_sigmoid() -> bool:
    """Returns whether `hard_sigmoid` is `0.2 * x + 0.5` clipped, as Keras 2 has it, instead of `x / 6 + 0.5`."""
    return is_keras_2()


def backward_name(name: str) -> str:
    """Returns what `Bidirectional` calls a backward layer that was given to it."""
    return f"backward_{name}" if is_keras_2() else name


# Arguments of recurrent layers that one Keras has and the other cannot read, with their defaults.
_RECURRENT: dict[int, dict[str, Any]] = {
    2: {"time_major": False, "implementation": 2},
    3: {"use_cudnn": "auto"},
}


def recurrent_config(config: dict[str, Any]) -> dict[str, Any]:
    """Returns a recurrent layer's config without what nobody has set and the program's Keras would not write."""
    hidden = _RECURRENT[3] if is_keras_2() else _RECURRENT[2] | _RECURRENT[3]
    return {name: value for name, value in config.items() if name not in hidden or value != hidden[name]}


def layers_own_generators() -> bool:
    """Returns whether layers without a seed draw from generators of their own, and not from the global one.

    The first makes a model's draws its own; the second lets `tf.random.set_seed` start them anew at any time.
    """
    return not is_keras_2()


def last_values_in_progress() -> bool:
    """Returns whether the last line of a progress bar shows the last values; Keras 2 goes on averaging them."""
    return not is_keras_2()
