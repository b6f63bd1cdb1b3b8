"""What the cells of recurrent layers share: their weights, dropout with one mask for all steps, and states."""

from __future__ import annotations

from typing import Any

from dovetail.base.settings import state
from dovetail.keras import activations
from dovetail.keras.idiom import layers_own_generators, recurrent_config
from dovetail.keras.layers.machinery.declared import Declared
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.recurrent.states import batch_of, requested, size_shape, zero_states
from dovetail.keras.random import SeedGenerator
from dovetail.ops import arithmetic, create, linalg, random
from dovetail.ops.recurrent.common import ACTIVATIONS

__all__ = ["AbstractRNNCell"]

_FUSED = {getattr(activations, name): name for name in ACTIVATIONS}


class AbstractRNNCell(Layer):
    """Base of users' cells (Keras 2).  Subclasses define `call(inputs, states)`, `state_size` and `output_size`."""

    def call(self, inputs: Any, states: Any) -> Any:
        """Returns the output of one step and the new states, a list.  Subclasses override it."""
        raise NotImplementedError(f"{type(self).__name__}: define call(self, inputs, states)")

    @property
    def state_size(self) -> Any:
        """Size of the state, or sizes of the states.  Subclasses override it."""
        raise NotImplementedError(f"{type(self).__name__}: define the property state_size")

    @property
    def output_size(self) -> Any:
        """Size of the output.  Subclasses override it."""
        raise NotImplementedError(f"{type(self).__name__}: define the property output_size")

    def get_initial_state(self, inputs: Any = None, batch_size: Any = None, dtype: Any = None) -> Any:
        """Returns zeros for a batch."""
        return zero_states(self.state_size, *requested(batch_size, inputs, dtype, self))


class DropoutCell(Declared):
    """A cell with dropout: the masks of a sequence are drawn once and serve all of its steps."""

    dropout: float
    recurrent_dropout: float
    seed: Any

    def _begin(self) -> None:
        own = self.seed is not None or layers_own_generators()
        self.seed_generator = SeedGenerator(self.seed) if own else None
        self._masks: dict[str, tuple] = {}

    def _ones_dropped(self, rate: float, sizes: Any, dtype: Any) -> Any:
        ones = create.ones(sizes, dtype)
        return random.draw_dropout(ones, rate=rate, seed=self.seed_generator)

    def _mask(self, role: str, rate: float, like: Any) -> Any:
        """Returns the mask of this sequence, drawn when it is first asked for; None where nothing is dropped."""
        if not 0 < rate < 1:
            return None
        found = self._masks.get(role)
        if found is None or found[0] is not state.scope:  # one drawn in another trace is gone with it
            sizes = [batch_of(like), *like.shape[1:]]
            found = state.scope, self._ones_dropped(rate, sizes, like.dtype)
            self._masks[role] = found
        return found[1]

    def get_dropout_mask(self, step_input: Any) -> Any:
        """Returns the mask of the inputs, the same one until `reset_dropout_mask`; None without dropout."""
        return self._mask("inputs", self.dropout, step_input)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """Returns the mask of the first state; None without recurrent dropout."""
        return self._mask("state", self.recurrent_dropout, step_input)

    def reset_dropout_mask(self) -> None:
        self._masks.pop("inputs", None)

    def reset_recurrent_dropout_mask(self) -> None:
        self._masks.pop("state", None)

    def forget_masks(self) -> None:
        """Lets the next sequence draw masks of its own."""
        self._masks.clear()

    def _dropped_inputs(self, x: Any, training: Any) -> Any:
        """Returns a whole sequence (time, batch, ...) with the same elements dropped at every step."""
        if not training or not 0 < self.dropout < 1:
            return x
        shape = (1, *(-1,) * (len(x.shape) - 1))
        return random.draw_dropout(x, rate=self.dropout, noise_shape=shape, seed=self.seed_generator)

    def _masked(self, x: Any, mask: Any) -> Any:
        return x if mask is None else x * mask

    def _thinned(self, inputs: Any, h: Any, training: Any) -> tuple:
        """Returns the inputs and the first state of one step, in training without what dropout takes."""
        if not training:
            return inputs, h
        inputs = self._masked(inputs, self.get_dropout_mask(inputs))
        return inputs, self._masked(h, self.get_recurrent_dropout_mask(h))

    def get_config(self) -> dict:
        return recurrent_config(super().get_config())


class FusedCell(DropoutCell):
    """A cell that one op can run over a whole sequence, where it knows the activations."""

    use_bias: bool
    activation: Any
    kernel: Any
    recurrent_kernel: Any
    _num_states = 1

    def _begin(self) -> None:
        super()._begin()
        self.bias: Any = None

    def _projected(self, x: Any) -> Any:
        """Returns the products of the inputs of one step, or of all, with their bias."""
        raise NotImplementedError

    def _sequence(self, z: Any, states: list | None, dropped: Any, mask: Any, more: dict) -> Any:
        """Returns what the op gives for the projected inputs."""
        raise NotImplementedError

    def _recurrent_sizes(self, z: Any) -> tuple:
        """Returns the shape of an example's first state, given the projected inputs."""
        return size_shape(self.output_size)

    @property
    def output_size(self) -> Any:
        raise NotImplementedError

    def _fused_names(self) -> tuple | None:
        """Returns the names of the activations where one op can run a sequence with them, else None."""
        names = tuple(_FUSED.get(getattr(self, role)) for role in self._activation_roles)
        return None if None in names else names

    _activation_roles: tuple[str, ...] = ("activation", "recurrent_activation")

    def runs_sequences(self) -> bool:
        """True where `over_time` can run all steps as one op."""
        return self._fused_names() is not None

    def _recurrent_mask(self, z: Any, training: Any) -> Any:
        """Returns the mask of the state for a whole sequence (time, batch, ...)."""
        if not training or not 0 < self.recurrent_dropout < 1:
            return None
        sizes = [batch_of(z, 1), *self._recurrent_sizes(z)]
        return self._ones_dropped(self.recurrent_dropout, sizes, z.dtype)

    def over_time(
        self, x: Any, states: list | None, mask: Any, training: Any, sequence: bool
    ) -> tuple[Any, list]:
        """Runs the cell over a sequence, as one op.

        Args:
            x: inputs (time, batch, ...).
            states: the first ones; None: zeros.
            mask: booleans (time, batch); where False the states stay.
            training: whether dropout acts.
            sequence: False where nobody reads the outputs of single steps.

        Returns:
            the first state after each step, and all states after the last.
        """
        z = self._projected(self._dropped_inputs(x, training))
        names = dict(zip(self._activation_roles, self._fused_names() or (), strict=False))
        more = {"kept": bool(state.tapes), "sequence": sequence, **names}
        outputs, *last = self._sequence(z, states, self._recurrent_mask(z, training), mask, more)
        return outputs, last[: self._num_states]


class UnitsCell(FusedCell):
    """A cell whose weights are matrices, with `gates` gates side by side.

    Weights: kernel (input size, gates * units), recurrent_kernel (units, gates * units), bias (gates * units,).
    """

    gates = 1
    units: int

    @property
    def state_size(self) -> Any:
        return self.units

    @property
    def output_size(self) -> int:
        return self.units

    def get_initial_state(self, batch_size: Any = None, inputs: Any = None, dtype: Any = None) -> Any:
        """Returns zeros for a batch.  Keras 2's order of arguments, a tensor first, is understood too."""
        return zero_states(self.state_size, *requested(batch_size, inputs, dtype, self))

    def build(self, input_shape: Any) -> None:
        columns = self.gates * self.units
        self.kernel = self._add("kernel", (input_shape[-1], columns))
        self.recurrent_kernel = self._add("recurrent", (self.units, columns), "recurrent_kernel")
        if self.use_bias:
            self.bias = self._add_bias()

    def _add_bias(self) -> Any:
        return self._add("bias", (self.gates * self.units,))

    def _input_bias(self) -> Any:
        """Returns the bias of the projected inputs."""
        return self.bias

    def _projected(self, x: Any) -> Any:
        z = linalg.matmul(x, self.kernel)
        return z if self.bias is None else arithmetic.add(z, self._input_bias())
