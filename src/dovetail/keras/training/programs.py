"""Compiled steps of a model: traced once per batch signature, kept on the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.bounded import Bounded
from dovetail.base.errors import DataDependentShapeError
from dovetail.base.settings import state
from dovetail.base.step_times import COMPILING, spending
from dovetail.engine import jax_private_module, leaves_out_native, xla
from dovetail.function.frequency import Frequency
from dovetail.function.trace import Program
from dovetail.keras.training.gathering import MOST_BYTES
from dovetail.ops.random_keys import is_shared
from dovetail.tensor.tensor import Tensor
from dovetail.tensor.transaction import Transaction

_MOST_PROGRAMS = 128
_SHAPES_AT_ONCE = 2  # whole batches, and the last one of an epoch


class StepPrograms:
    """The programs of one kind of step (train, test or predict).

    Batches of shapes that come seldom run op by op on the host engine: see `function/frequency.py`.

    Args:
        step: `step(data) -> logs`, a method of the model written in tensor ops.
        facts: `facts() -> tuple`, what else a trace depends on, such as which variables are trained.

    Attributes:
        frequency: decides which shapes are compiled.
        op_by_op, why: whether the step cannot be compiled at all, and what says so.
    """

    def __init__(self, step: Callable, facts: Callable[[], tuple] = tuple) -> None:
        self._step = step
        self.facts = lambda: (*facts(), leaves_out_native())
        self._programs: Bounded = Bounded(_MOST_PROGRAMS)
        self._loops: Bounded = Bounded(_MOST_PROGRAMS)
        self._gathers: Bounded = Bounded(_MOST_PROGRAMS)
        self._num_compiled = 0
        self.frequency = Frequency(_SHAPES_AT_ONCE)
        self.op_by_op = False
        self.why: Exception | None = None

    def get(self, leaves: list, spec: Any, facts: tuple, times: int = 1) -> Program | None:
        """Returns the program for batches like `leaves` (None leaves stay None), tracing it if it is new.

        None: their shapes come too seldom; or the step cannot be compiled at all, because the shapes of its tensors
        depend on values, or because it calls Python functions; then `op_by_op` is True, and `why` says why.

        Args:
            leaves, spec: the batch, flat.
            facts: see the class.
            times: how many such batches are about to come.
        """
        if self.op_by_op:
            return None
        shapes = tuple([None if a is None else (a.shape, a.dtype) for a in leaves])
        program = self._programs.get((spec, facts, shapes))
        if program is None:
            family = (spec, facts, tuple([None if a is None else (a.ndim, a.dtype) for a in leaves]))
            if not self.frequency.compiles(family, shapes, times):
                return None
            program = self._traced(leaves, spec)
            if program is None:
                return None
            self.frequency.compiled(family)
            # A first trace builds the model, and so changes the facts that it is known by.
            self._programs.put((spec, facts, shapes), program)
            self._programs.put((spec, self.facts(), shapes), program)
        return program

    def _traced(self, leaves: list, spec: Any) -> Program | None:
        engine = xla("training")
        examples = [engine.ShapeDtypeStruct(a.shape, a.dtype) for a in leaves if a is not None]
        try:
            with spending(COMPILING):
                return Program(self._runner([a is None for a in leaves], spec), examples)
        except DataDependentShapeError as error:
            self.op_by_op, self.why = True, error
            return None

    @property
    def is_new(self) -> bool:
        """Whether nothing has been compiled yet."""
        return not self._programs and not self.op_by_op

    def compare(self, leaves: list, others: list) -> None:
        """Looks at the first two batches of a stream: when more than their numbers of rows differ, shapes change."""
        if [a is not None and a.shape[1:] for a in leaves] != [a is not None and a.shape[1:] for a in others]:
            self.frequency.expect_changes()

    def run_op_by_op(self, leaves: list, spec: Any) -> Any:
        """Runs one step on arrays without compiling it: all on the host engine, where nothing else rules that out."""
        held = int(not self.op_by_op)
        state.host_only += held
        try:
            return self._step(
                nest.unflatten(spec, [None if leaf is None else Tensor(leaf) for leaf in leaves])
            )
        finally:
            state.host_only -= held

    def _runner(self, absent: list[bool], spec: Any) -> Callable:
        def run(tensors: list) -> Any:
            given = iter(tensors)
            return self._step(nest.unflatten(spec, [None if none else next(given) for none in absent]))

        return run

    def may_gather(self, program: Program, leaves: list) -> bool:
        """Returns whether batches like `leaves` may wait for others, and run with them in one compiled loop.

        Not so where steps draw random numbers from generators that whatever makes the batches may draw from too: the
        order of the draws would depend on how many batches wait.
        """
        known, may = self._gathers.get(id(program), (None, False))
        if known is not program:
            size = sum(leaf.nbytes for leaf in leaves if leaf is not None)
            may = fits_a_loop(program) and not any(map(is_shared, program.reads)) and 2 * size <= MOST_BYTES
            self._gathers.put(id(program), (program, may))
        return may

    def has_loop(self, program: Program, batch_size: int | None) -> bool:
        """True when the loop over many such steps has been made."""
        return self._loops.get((id(program), batch_size), (None, None))[0] is program

    def loop(self, program: Program, batch_size: int | None, layout_of: Callable[[tuple], Any]) -> Callable:
        """Returns `f(data, order, start, stop) -> results of the last step`: the compiled loop over many steps.

        Args:
            program: one step.
            batch_size: rows of the data a step takes, by their numbers in `order`; None: the data are stacked batches.
            layout_of: tells how a batch's shape is divided over devices.
        """
        key = (id(program), batch_size)
        loop_of, found = self._loops.get(key, (None, None))
        if loop_of is not program:
            loop, written, kept = self._steps_of(program, batch_size, layout_of)
            transaction = Transaction(program.reads, program.donated, program.writes)

            def found(*what: Any) -> Sequence:
                def run(*state: Any) -> list:
                    given = [state[position] for position in written]
                    new, outputs = loop(given, [state[position] for position in kept], *what)
                    return [*outputs, *new]

                return transaction.run(run)[: program.num_results]

            self._loops.put(key, (program, found))
        return found

    def _steps_of(
        self, program: Program, batch_size: int | None, layout_of: Callable[[tuple], Any]
    ) -> tuple[Callable, list[int], list[int]]:
        """Returns the compiled function of many steps, and the positions of the state that it writes and only reads."""
        positions = {id(variable): i for i, variable in enumerate(program.reads)}
        written = [positions[id(variable)] for variable in program.writes]
        layouts = [variable._layout for variable in program.reads]

        def laid_out(batch: list, state: list) -> tuple[list, list]:
            batch = [_constrained(layout_of(array.shape), array) for array in batch]
            return batch, [_constrained(layout, value) for layout, value in zip(layouts, state, strict=True)]

        loop = jax_stepping().steps_program(
            program.run,
            program.num_results,
            written,
            batch_size,
            program.options,
            self._note_compilation,
            laid_out,
        )
        return loop, written, sorted(set(range(len(program.reads))) - set(written))

    def lowered(self, leaves: list, spec: Any, num_samples: int, platform: str) -> Any:
        """Returns the loop over such batches, taken out of data in memory, lowered for a platform: JAX's `Lowered`.

        Args:
            leaves, spec: a batch, flat.
            num_samples: rows of the data.
            platform: "cpu", "cuda", "rocm" or "tpu"; no such device need be there.

        Raises:
            DataDependentShapeError: the step cannot be compiled.
        """
        stepping = jax_stepping()
        with stepping.made_for(platform):
            program = self._traced(leaves, spec)
            if program is None:
                raise self.why or NotImplementedError("the step cannot be compiled")
            present = [leaf for leaf in leaves if leaf is not None]
            loop, written, kept = self._steps_of(program, len(present[0]), lambda shape: None)
            state = [(tuple(variable.shape), variable._numpy_dtype) for variable in program.reads]
            data = [((num_samples, *leaf.shape[1:]), leaf.dtype) for leaf in present]
            return stepping.lowered(
                loop, [state[i] for i in written], [state[i] for i in kept], data, num_samples, platform
            )

    def _note_compilation(self) -> None:
        """Counts a loop compiled for data of another size; when they are too many, all are given up."""
        self._num_compiled += 1
        if self._num_compiled > _MOST_PROGRAMS:
            self._num_compiled = 1
            self._loops.clear()


def _constrained(layout: Any, value: Any) -> Any:
    """Inside a program: divides a value over devices; one device has nothing to divide, and XLA a copy less to make."""
    return value if layout is None or len(layout.mesh.devices) == 1 else layout.constrain(value)


def jax_stepping() -> Any:
    """Returns `engine/stepping.py`."""
    return xla("training").stepping()


def run_once(program: Program, leaves: list) -> Any:
    """Runs one step on arrays, and returns its result with Tensors."""
    return program.call([Tensor(leaf) for leaf in leaves if leaf is not None])


def fits_a_loop(program: Program) -> bool:
    """True when many steps may run in one compiled loop.

    Not so for programs that print or call back (the order of effects), and on the CPU not for convolutions that XLA
    runs many times slower inside a loop: grouped ones, and other dtypes than float32.
    """
    private = jax_private_module()
    if private.has_effects(program.closed):
        return False
    return xla("training").platform() != "cpu" or not private.convolves_badly_in_loops(program.closed)


def to_numbers(logs: Any) -> dict[str, Any]:
    """Returns logs as a flat dict of Python floats (arrays stay arrays)."""
    result: dict[str, Any] = {}
    for key, value in logs.items():
        if isinstance(value, dict):
            result |= to_numbers(value)
        else:
            array = np.asarray(value)
            result[key] = float(array) if array.ndim == 0 else array
    return result
