"""`tf.GradientTape`: records the ops that run while it is active, and differentiates the record.

Nothing is differentiated while recording.  `gradient` walks back: common ops have a rule written in ops (so the walk
can itself be recorded by an outer tape), the others use JAX's VJP of their body, compiled once per signature.
"""

from __future__ import annotations

import enum
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from dovetail.autodiff.backward import SAME, passes_gradient, reachable, walk_back
from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.joints import Joint
from dovetail.base.observer import Observer
from dovetail.base.own import declare
from dovetail.base.settings import state
from dovetail.base.told import Told
from dovetail.engine import dtypes, uses_xla, xla
from dovetail.ops import array, create, shapes
from dovetail.ops.indexed_slices import added, dense
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import ReadTensor, Variable

_LOOP_LIMIT = 8


class UnconnectedGradients(enum.Enum):
    """What `gradient` returns for a source that the target does not depend on."""

    NONE = "none"
    ZERO = "zero"


_recorder = Joint("record_tape", set_by="dovetail.graph.taped", called_by="tf.GradientTape in a function")


def use_tape_recorder(recorder_for: Callable) -> None:
    """Tells what stands in for tapes in functions that are recorded: `recorder_for(tape, the one so far)`, or None."""
    _recorder.set(recorder_for)


@declare
class GradientTape(Told, Observer):
    """Records ops for differentiation.

    Args:
        persistent: `gradient` may be called more than once.
        watch_accessed_variables: watch every trainable variable that is read.

    Example:
        >>> x = tf.Variable(3.0)
        >>> with tf.GradientTape() as tape:
        ...     y = x * x
        >>> tape.gradient(y, x)
        <tf.Tensor: shape=(), dtype=float32, numpy=6.0>
    """

    _told_methods: ClassVar[tuple[str, ...]] = ("__init__", "watch", "gradient", "jacobian", "batch_jacobian")

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_accessed = watch_accessed_variables
        self._recording = False
        self._recorder: Any = None
        self._clear()
        if self._home is not None:
            self._meet_recording()

    def _clear(self) -> None:
        self._entries: list = []
        self._tracked: set[int] = set()
        self._watched: dict[int, Any] = {}
        self._reads: defaultdict[int, list] = defaultdict(list)
        self._variables: dict[int, Variable] = {}
        self._used = False
        self._home = state.scope

    def _release(self) -> None:
        """Lets go of what a used tape has no use for: the memory of variables can be used again."""
        self._entries, self._tracked = [], set()
        self._watched, self._reads = {}, defaultdict(list)

    def _require_unused(self, method: str) -> None:
        """Raises RuntimeError when the tape has served the one call that it serves."""
        if self._used and not self._persistent:
            raise RuntimeError(
                f"GradientTape.{method} was called a second time. A tape serves one call (of gradient, jacobian or "
                f"batch_jacobian); use tf.GradientTape(persistent=True) for several{at_user_location()}"
            )

    def _spend(self) -> None:
        """Notes that the tape has served its call; not so in a branch, which may be traced more than once."""
        if not self._persistent and state.scope is self._home:
            self._used = True
            self._release()

    def _meet_recording(self) -> None:
        """Finds out whether a function is being recorded; where no scope is active, none is."""
        self._recorder = _recorder.target(self, self._recorder)

    def __enter__(self) -> GradientTape:
        self._home = state.scope
        if self._home is not None or self._recorder is not None:
            self._meet_recording()
            if self._recorder is not None:
                self._recorder.enter()
                return self
        if self._used and not self._persistent:
            self._clear()
        self._push()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._recorder is not None:
            self._recorder.exit()
        elif self._recording:
            self._pop()

    def _push(self) -> None:
        if self._recording:
            raise ValueError("GradientTape: the tape is already recording")
        state.tapes = (*state.tapes, self)
        self._recording = True

    def _pop(self) -> None:
        if not self._recording:
            raise ValueError("GradientTape: the tape is not recording")
        state.tapes = tuple(tape for tape in state.tapes if tape is not self)
        self._recording = False

    # ---- what dispatch calls

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        """Notes a call if it depends on something watched."""
        tracked = self._tracked
        for tensor in inputs:
            if id(tensor) in tracked:
                break
        else:
            return
        self._entries.append((call, inputs, outputs))
        for out in outputs:
            if out._value.dtype in dtypes.DIFFERENTIABLE:
                tracked.add(id(out))

    def read_variable(self, variable: Variable, tensor: Tensor) -> None:
        """Notes that `tensor` is what `variable` holds."""
        if id(tensor) in self._watched:
            return
        key = id(variable)
        if key not in self._variables:
            if not (self._watch_accessed and variable.trainable):
                return
            self._variables[key] = variable
        if passes_gradient(tensor):
            self._watched[id(tensor)] = tensor
            self._reads[key].append(tensor)
            self._tracked.add(id(tensor))

    def alias(self, tensor: Tensor, other: Tensor) -> None:
        """Notes that `other` is another object for the same value."""
        self.record(SAME, (tensor,), (other,))

    def tracks(self, tensor: Any) -> bool:
        return id(tensor) in self._tracked

    # ---- what users call

    def watch(self, tensor: Any) -> None:
        """Makes the tape follow `tensor` (or every tensor of a structure)."""
        if self._recorder is not None:
            self._recorder.watch(tensor)
            return
        for leaf in nest.flatten(tensor):
            if isinstance(leaf, CompositeTensor):
                self.watch([part for part in nest.flat(leaf) if has_gradients(part)])
                continue
            if isinstance(leaf, SymbolicTensor):
                raise ValueError("GradientTape.watch: a symbolic tensor has no value to differentiate at")
            if not isinstance(leaf, TensorLike):
                raise ValueError(f"GradientTape.watch: expected a tensor, received {type(leaf).__name__}")
            if not has_gradients(leaf):
                warnings.warn(
                    f"GradientTape.watch: the tensor has dtype {leaf.dtype.name}; gradients need a floating dtype",
                    stacklevel=2,
                )
                continue
            if isinstance(leaf, Variable):
                self._variables.setdefault(id(leaf), leaf)
                self.read_variable(leaf, leaf._plain())
            else:
                self._watched[id(leaf)] = leaf
                self._tracked.add(id(leaf))

    def watched_variables(self) -> tuple:
        """Returns the variables the tape follows, in order of first use."""
        if self._recorder is not None:
            return self._recorder.watched_variables()
        return tuple(self._variables.values())

    def stop_recording(self) -> _Paused:
        """Returns a context in which this tape does not record."""
        if self._recorder is not None:
            return self._recorder.stop_recording()
        return _Paused((self,))

    def reset(self) -> None:
        """Forgets everything recorded and watched."""
        if self._recorder is not None:
            self._recorder.reset()
            return
        self._clear()

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: Any = "none"
    ) -> Any:
        """Returns the gradient of `target` (summed over its elements) with respect to each source.

        Args:
            target: tensor, variable or structure of them.
            sources: tensors or variables, in any structure; the result has the same structure.
            output_gradients: one tensor a target, shaped like it: the factors of its elements; ones when None.  In a
                list, None leaves a target out, as in TensorFlow.
            unconnected_gradients: "none" gives None for sources that the target does not depend on, "zero" zeros.

        Raises:
            RuntimeError: a second call on a tape that is not persistent.
        """
        if self._recorder is not None:
            return self._recorder.gradient(target, sources, output_gradients, unconnected_gradients)
        self._require_unused("gradient")
        unconnected = UnconnectedGradients(unconnected_gradients)
        leaves, spec = nest.closed(sources)
        tensors = _tensors_among(leaves)
        seeds = self._seeds(nest.flat(target), output_gradients)
        context = _Paused((self,) if self._recording and not self._persistent else ())
        with context:
            found = self._differentiate(seeds, tensors)
        self._spend()
        if unconnected is UnconnectedGradients.ZERO:
            found = [
                create.zeros_like(source) if g is None else g
                for g, source in zip(found, tensors, strict=True)
            ]
        return nest.unflatten(spec, found if tensors is leaves else composed(leaves, iter(found)))

    def _seeds(self, targets: list, output_gradients: Any) -> dict[int, Any]:
        given = (
            [None] * len(targets)
            if output_gradients is None
            else nest.flat(nest.map_structure(dense, output_gradients))
        )
        seeds: dict[int, Any] = {}
        for target, seed in zip(targets, given, strict=True):
            if not isinstance(target, TensorLike):
                raise TypeError(
                    f"GradientTape.gradient: the target must be a tensor or tensors, received {target!r:.60}"
                    f"{at_user_location()}"
                )
            tensor = target if isinstance(target, Tensor) else target._plain()
            if isinstance(target, Variable):
                self.read_variable(target, tensor)  # one that no op has read is its own derivative
            if not passes_gradient(tensor) or (
                seed is None and output_gradients is not None and len(given) > 1
            ):
                continue
            seed = _ones_like(tensor) if seed is None else convert_to_tensor(seed, dtype_hint=tensor.dtype)
            before = seeds.get(id(tensor))
            seeds[id(tensor)] = seed if before is None else before + seed
        return seeds

    def _differentiate(self, seeds: dict[int, Any], sources: list) -> list:
        tensors = [self._tensors_of(source) for source in sources]
        live = reachable(self._entries, {id(t) for group in tensors for t in group})
        gradients = walk_back(self._entries, dict(seeds), live)
        return [_total([gradients.get(id(t)) for t in group]) for group in tensors]

    def _tensors_of(self, source: Any) -> list:
        """Returns the tensors that stood for a source while the tape recorded."""
        if isinstance(source, Variable):
            return self._reads.get(id(source), [])
        if isinstance(source, ReadTensor):  # `v.value` is another object each time
            value = source._value
            return [t for reads in self._reads.values() for t in reads if t._value is value] or [source]
        return [source]

    def jacobian(
        self,
        target: Any,
        sources: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Returns d target / d source for each source: shape `target.shape + source.shape`.

        `parallel_iterations` has no effect here: the rows are computed as one vectorized program.
        """
        if self._recorder is not None:
            return self._recorder.jacobian(target, sources, unconnected_gradients)
        self._require_unused("jacobian")
        unconnected = UnconnectedGradients(unconnected_gradients)
        tensor = target if isinstance(target, Tensor) else target._plain()
        flat = nest.flat(sources)
        count = math.prod(tensor.shape)
        with _Paused((self,) if self._recording and not self._persistent else ()):
            rows = self._rows(tensor, flat, np.eye(count, dtype=tensor._value.dtype), experimental_use_pfor)
        self._spend()
        result = []
        for source, stacked in zip(flat, rows, strict=True):
            shape = (*tensor.shape, *source.shape)
            if stacked is None:
                result.append(
                    create.zeros(shape, source.dtype) if unconnected is UnconnectedGradients.ZERO else None
                )
            else:
                result.append(shapes.reshape(stacked, shape=shape))
        return nest.pack(sources, result)

    def _rows(self, target: Tensor, sources: list, seeds: np.ndarray, vectorize: bool) -> list:
        """Returns, for each source, the gradients for every row of `seeds` stacked, or None."""
        if vectorize and len(seeds) > _LOOP_LIMIT and uses_xla():
            connected: list[bool] = []

            def one(seed: Any) -> list:
                found = self._differentiate({id(target): Tensor(seed.reshape(tuple(target.shape)))}, sources)
                found = [dense(g) for g in found]
                connected[:] = [g is not None for g in found]
                return [g._value for g in found if g is not None]

            stacked = iter(xla("jacobian").vmap(one)(seeds))
            return [Tensor(next(stacked)) if there else None for there in connected]
        each = [
            self._differentiate({id(target): Tensor(seed.reshape(tuple(target.shape)))}, sources)
            for seed in seeds
        ]
        return [
            None if not rows or rows[0] is None else array.stack(*map(dense, rows))
            for rows in zip(*each, strict=True)
        ]

    def batch_jacobian(
        self,
        target: Any,
        source: Any,
        unconnected_gradients: Any = "none",
        parallel_iterations: int | None = None,
        experimental_use_pfor: bool = True,
    ) -> Any:
        """Returns the Jacobian of each example: target (b, n...), source (b, m...) -> (b, n..., m...)."""
        if self._recorder is not None:
            return self._recorder.batch_jacobian(target, source, unconnected_gradients)
        self._require_unused("batch_jacobian")
        if target.shape.rank < 1 or source.shape.rank < 1 or target.shape[0] != source.shape[0]:
            raise ValueError(
                f"batch_jacobian: target {target.shape} and source {source.shape} must share their first axis"
            )
        batch, each = target.shape[0], math.prod(target.shape[1:])
        seeds = np.zeros((each, batch, each), target._value.dtype)
        seeds[np.arange(each), :, np.arange(each)] = 1
        with _Paused((self,) if self._recording and not self._persistent else ()):
            rows = self._rows(target, [source], seeds, experimental_use_pfor)[0]
        self._spend()
        if rows is None:
            zero = UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.ZERO
            return create.zeros((*target.shape, *source.shape[1:]), source.dtype) if zero else None
        moved = shapes.transpose(shapes.reshape(rows, shape=(each, batch, -1)), perm=(1, 0, 2))
        return shapes.reshape(moved, shape=(*target.shape, *source.shape[1:]))


def has_gradients(tensor: Any) -> bool:
    return tensor.dtype.is_floating or tensor.dtype.is_complex


def _tensors_among(sources: list) -> list:
    """Returns the tensors that sources consist of: the same list, if none is a composite tensor."""
    for source in sources:
        if isinstance(source, TensorLike):
            continue
        if isinstance(source, CompositeTensor):
            return [part for source in sources for part in _tensors_among(nest.flat(source))]
        raise TypeError(
            f"GradientTape.gradient: sources must be tensors or variables, received {source!r:.60}"
            f"{at_user_location()}"
        )
    return sources


def composed(sources: list, gradients: Iterator) -> list:
    """Returns a gradient a source, given those of the tensors that the sources consist of."""
    return [
        _composite(source, gradients) if isinstance(source, CompositeTensor) else next(gradients)
        for source in sources
    ]


def _composite(source: Any, given: Iterator) -> Any:
    """Returns the gradient of a composite source, one of the same kind; None when no component has a gradient.

    Its floating components are the gradients (zero where there is none), the others are the source's.
    """
    parts = nest.flat(source)
    gradients = [next(given) for _ in parts]
    if all(gradient is None for gradient in gradients):
        return None
    filled = [
        part
        if not has_gradients(part)
        else (create.zeros_like(part) if gradient is None else dense(gradient))
        for part, gradient in zip(parts, gradients, strict=True)
    ]
    return nest.pack(source, filled)


def _ones_like(tensor: Tensor) -> Tensor:
    value = tensor._value
    return Tensor(np.ones_like(value)) if type(value) is np.ndarray else create.ones_like(tensor)


def _total(parts: list) -> Any:
    result = None
    for part in parts:
        if part is not None:
            result = part if result is None else added(result, part)
    return result


class _Paused:
    """Takes tapes off the active list for a `with` block."""

    def __init__(self, tapes: tuple) -> None:
        self._tapes = tapes

    def __enter__(self) -> None:
        self._before = state.tapes
        state.tapes = tuple(tape for tape in state.tapes if tape not in self._tapes)

    def __exit__(self, *exc: object) -> None:
        state.tapes = self._before


def paused_recording() -> _Paused:
    """Returns a context in which no tape records."""
    return _Paused(state.tapes)
