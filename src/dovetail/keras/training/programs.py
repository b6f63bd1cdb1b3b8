"""Compiled steps of a model: traced once per batch signature, kept on the model."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, at_user_location
from dovetail.engine import jax_private_module, xla
from dovetail.function.trace import Program
from dovetail.tensor.tensor import Tensor


class StepPrograms:
    """The programs of one kind of step (train, test or predict).

    Args:
        step: `step(data) -> logs`, a method of the model written in tensor ops.
        facts: `facts() -> tuple`, what else a trace depends on, such as which variables are trained.
    """

    def __init__(self, step: Callable, facts: Callable[[], tuple] = tuple) -> None:
        self._step, self.facts = step, facts
        self._programs: dict[tuple, Program] = {}
        self._loops: dict[tuple, Callable] = {}
        self.op_by_op = False

    def get(self, leaves: list, spec: Any, facts: tuple) -> Program | None:
        """Returns the program for batches like `leaves` (None leaves stay None), tracing it if it is new.

        None: the step cannot be compiled, because the shapes of its tensors depend on values, or because it calls
        Python functions; a warning says so once.
        """
        if self.op_by_op:
            return None
        shapes = tuple([None if a is None else (a.shape, a.dtype) for a in leaves])
        program = self._programs.get((spec, facts, shapes))
        if program is None:
            _refuse_objects(leaves)
            engine = xla("training")
            examples = [engine.ShapeDtypeStruct(a.shape, a.dtype) for a in leaves if a is not None]
            try:
                program = Program(self._runner([a is None for a in leaves], spec), examples)
            except DataDependentShapeError as error:
                self.op_by_op = True
                warnings.warn(
                    f"the model's steps run op by op, they cannot be compiled: {error}",
                    stacklevel=2,
                )
                return None
            # A first trace builds the model, and so changes the facts that it is known by.
            self._programs[spec, facts, shapes] = self._programs[spec, self.facts(), shapes] = program
        return program

    def run_op_by_op(self, leaves: list, spec: Any) -> Any:
        """Runs one step on arrays without compiling it."""
        return self._step(nest.unflatten(spec, [None if leaf is None else Tensor(leaf) for leaf in leaves]))

    def _runner(self, absent: list[bool], spec: Any) -> Callable:
        def run(tensors: list) -> Any:
            given = iter(tensors)
            return self._step(nest.unflatten(spec, [None if none else next(given) for none in absent]))

        return run

    def loop(self, program: Program, batch_size: int) -> Callable:
        """Returns the compiled loop over many steps of `program`."""
        key = (id(program), batch_size)
        found = self._loops.get(key)
        if found is None:
            positions = {id(variable): i for i, variable in enumerate(program.reads)}
            written = [positions[id(variable)] for variable in program.writes]
            engine = jax_stepping()
            found = self._loops[key] = engine.steps_program(
                program.run, program.num_results, written, batch_size, program.options
            )
        return found


def _refuse_objects(leaves: list) -> None:
    for leaf in leaves:
        if leaf is not None and leaf.dtype.kind in "OSU":
            raise TypeError(
                f"the data holds strings (an array of shape {leaf.shape}, such as {str(leaf.flat[0])!r:.40}); models "
                "compute on numbers. Turn strings into numbers first, such as indices into a vocabulary"
                f"{at_user_location()}"
            )


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
