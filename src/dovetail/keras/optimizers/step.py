"""One training step of any optimizer as a pure function: arrays in, arrays out.

    gradients -> unscaled -> (accumulated) -> clipped -> [weight decay, rule] per variable -> moving average

The same lines run inside a trace, compiled as one call, and on NumPy.  The rule itself is `Optimizer.update`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dovetail.engine import dtypes
from dovetail.keras.optimizers import rows
from dovetail.ops.indexed_slices import Rows
from dovetail.tensor.transaction import Transaction


class Hyper(NamedTuple):
    """What changes from step to step, as array scalars in the variable's dtype.

    Attributes:
        rate: learning rate.
        step: 1 in the first step, 2 in the second, ...
        shared: state of the optimizer that belongs to no variable (Nadam's product), after this step's update.
        common: what the optimizer's `_common_factor` makes of the step for all variables; None: nothing.
    """

    rate: Any
    step: Any
    shared: tuple
    common: Any = None


class Parts(NamedTuple):
    """An optimizer's state, sorted: what `Plan.split` makes of the flat list of arrays."""

    iterations: Any
    shared: tuple
    slots: list[tuple]
    averages: list
    accumulated: list


class Plan:
    """How one set of variables is updated: found once, reused for every step on the same variables.

    Attributes:
        variables: the variables, each once.
        order: for each gradient, the position of its variable.
        state: the optimizer's variables that the step reads and writes: iterations, shared ones, then for each variable
            its slots, its moving average, its accumulated gradient.
        num_shared: how many shared variables there are.
        slot_counts: how many slots each variable has.
        rules: what updates each variable: `Optimizer.update`, or another function of the same form.
        averaged, accumulating: whether each variable has a moving average, an accumulated gradient.
        decayed: the weight decay of each variable, None where none applies.
        size: number of elements of all variables.
        compiled, compiled_by_rows: the compiled step, None until it is needed; the second, for gradients that are rows,
            reuses the memory of the variables as well.
        facts: what the compiled step took for constant (the schedule's attributes).
        inner: the plan of a wrapped optimizer.
        transactions: see `transaction`; made when they are needed.
    """

    __slots__ = (
        *(
            "accumulating",
            "averaged",
            "compiled",
            "compiled_by_rows",
            "constrained",
            "decayed",
            "facts",
            "inner",
            "num_shared",
        ),
        *("order", "rules", "size", "slot_counts", "state", "transactions", "variables"),
    )

    def __init__(self, variables: list, order: list[int], state: list, decayed: list) -> None:
        self.variables, self.order, self.state, self.decayed = variables, order, state, decayed
        self.num_shared = 0
        self.slot_counts: list[int] = [0] * len(variables)
        self.rules: list = []
        self.averaged = self.accumulating = False
        self.size = sum(int(np.prod(tuple(variable._array.shape))) for variable in variables)
        self.constrained = [variable for variable in variables if variable.constraint is not None]
        self.compiled: Any = None
        self.compiled_by_rows: Any = None
        self.facts: Any = None
        self.inner: Any = None
        self.transactions: dict[bool, Transaction] = {}

    def transaction(self, by_rows: bool) -> Transaction:
        """Returns what runs a compiled step over the variables and the state.

        Args:
            by_rows: the step takes the values of the variables from the transaction, and reuses their memory too.
        """
        found = self.transactions.get(by_rows)
        if found is None:
            reads = [*self.variables, *self.state] if by_rows else self.state
            found = Transaction(reads, [True] * len(reads), [*self.variables, *self.state])
            self.transactions[by_rows] = found
        return found

    def split(self, state: list) -> Parts:
        """Sorts a flat list of state arrays (or of the variables that hold them)."""
        shared = tuple(state[1 : 1 + self.num_shared])
        slots, averages, accumulated = [], [], []
        position = 1 + self.num_shared
        for count in self.slot_counts:
            slots.append(tuple(state[position : position + count]))
            position += count
            if self.averaged:
                averages.append(state[position])
                position += 1
            if self.accumulating:
                accumulated.append(state[position])
                position += 1
        return Parts(state[0], shared, slots, averages, accumulated)

    def join(self, parts: Parts) -> list:
        """The inverse of `split`."""
        state = [parts.iterations, *parts.shared]
        for index in range(len(self.variables)):
            state.extend(parts.slots[index])
            state.extend(parts.averages[index : index + 1])
            state.extend(parts.accumulated[index : index + 1])
        return state


def run(optimizer: Any, plan: Plan, xp: Any, gradients: list, values: list, state: list, rate: Any) -> tuple:
    """Returns `(new values, new state)` after one step.

    Args:
        optimizer: an Optimizer; its static hyperparameters are read here and are constants of a compiled step.
        plan: see `Plan`.
        xp: array namespace.
        gradients: one array a gradient, or `Rows`, in the order of `plan.order`.
        values: one array a variable.
        state: one array for each of `plan.state`.
        rate: learning rate as an array scalar.
    """
    steps = optimizer.gradient_accumulation_steps
    parts = plan.split(state)
    finished = parts.iterations // steps if steps else parts.iterations
    gradients = [
        _prepared(xp, g, values[i], optimizer.loss_scale_factor, summed=bool(steps))
        for g, i in zip(gradients, plan.order)
    ]
    if not steps:
        new_values, shared, slots = optimizer._update_all(
            xp, plan, gradients, values, parts.shared, parts.slots, rate, finished
        )
        accumulated = parts.accumulated
    else:
        due = (parts.iterations + 1) % steps == 0
        totals = _added(xp, gradients, plan.order, parts.accumulated)
        new_values, shared, slots = optimizer._update_all(
            xp,
            plan,
            [totals[i] / steps for i in plan.order],
            values,
            parts.shared,
            parts.slots,
            rate,
            finished,
        )
        accumulated = [xp.where(due, xp.zeros_like(total), total) for total in totals]
        new_values = select(xp, due, new_values, values)
        shared = tuple(select(xp, due, shared, parts.shared))
        slots = [tuple(select(xp, due, new, old)) for new, old in zip(slots, parts.slots)]
    averages = parts.averages
    if optimizer.use_ema:
        averages, new_values = _averaged(optimizer, xp, finished, averages, new_values)
    new = Parts(parts.iterations + 1, shared, slots, averages, accumulated)
    return new_values, plan.join(new)


def update_all(optimizer: Any, plan: Plan, xp: Any, gradients: list, values: list, shared: tuple, slots: list,
               rate: Any, finished: Any) -> tuple:  # fmt: skip
    """Clips, decays, and applies the optimizer's rule to each variable; returns `(values, shared, slots)`."""
    gradients = clip(optimizer, xp, gradients)  # as in Keras, rows of one place are clipped one by one
    gradients = [rows.summed(xp, g, values[i]) for g, i in zip(gradients, plan.order)]
    if shared:
        shared = tuple(
            _cast(new, old.dtype)
            for new, old in zip(
                optimizer.update_shared(xp, shared, _cast(finished + 1, shared[0].dtype)), shared
            )
        )
    values, slots = list(values), list(slots)
    hypers: dict[Any, Hyper] = {}
    for gradient, index in zip(gradients, plan.order):
        value = values[index]
        dtype = value.dtype
        hyper = hypers.get(dtype)
        if hyper is None:
            number = _cast(finished + 1, dtype)
            common = optimizer._common_factor(xp, number)
            hyper = hypers[dtype] = Hyper(_cast(rate, dtype), number, shared, common)
        factor = plan.decayed[index]
        decayed = value if factor is None else decay(value, factor, hyper.rate)
        if type(gradient) is Rows:
            new, new_slots = rows.update(
                optimizer, plan.rules[index], xp, gradient, decayed, slots[index], hyper
            )
        else:
            new, new_slots = plan.rules[index](xp, gradient, decayed, slots[index], hyper)
        values[index] = _cast(new, dtype)
        slots[index] = tuple(_cast(s, old.dtype) for s, old in zip(new_slots, slots[index]))
    return values, shared, slots


def decay(value: Any, factor: float, rate: Any) -> Any:
    """Returns `value * (1 - factor * rate)`, as a difference."""
    return value - value * factor * rate


def clip(optimizer: Any, xp: Any, gradients: list) -> list:
    """Clips by the norm of each gradient, by the norm of all of them, or by value; whichever is set."""
    if optimizer.clipnorm:
        return [rows.on_values(lambda x: _by_norm(xp, x, optimizer.clipnorm), g) for g in gradients]
    if optimizer.global_clipnorm:
        return _by_global_norm(xp, gradients, optimizer.global_clipnorm)
    if optimizer.clipvalue:
        limit = optimizer.clipvalue
        return [rows.on_values(lambda x: xp.minimum(xp.maximum(x, -limit), limit), g) for g in gradients]
    return gradients


def select(xp: Any, condition: Any, new: Any, old: Any) -> list:
    """Returns the arrays of `new` where the scalar condition holds, those of `old` elsewhere."""
    return [xp.where(condition, n, o) for n, o in zip(new, old)]


def _cast(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else x.astype(dtype)


def _prepared(xp: Any, gradient: Any, value: Any, scale: float | None, summed: bool) -> Any:
    if type(gradient) is Rows:
        found = rows.on_values(lambda x: _prepared(xp, x, value, scale, summed), gradient)
        return rows.summed(xp, found, value) if summed else found
    if gradient.dtype != value.dtype:
        gradient = xp.cast(gradient, value.dtype)
    return gradient if scale is None else gradient / scale


def _added(xp: Any, gradients: list, order: list[int], accumulated: list) -> list:
    totals = list(accumulated)
    for gradient, index in zip(gradients, order):
        totals[index] = rows.added_to(xp, totals[index], gradient)
    return totals


def _wide(x: Any) -> Any:
    return x.astype(np.float32) if dtypes.is_half(x.dtype) else x


def _by_norm(xp: Any, gradient: Any, limit: float) -> Any:
    wide = _wide(gradient)
    norm = xp.sqrt(xp.sum(xp.square(wide)))
    return _cast(wide * limit / xp.maximum(norm, limit), gradient.dtype)


def _by_global_norm(xp: Any, gradients: list, limit: float) -> list:
    """Scales all gradients alike; a norm that is not finite makes all of them NaN, as in Keras."""
    norm = xp.sqrt(sum(xp.sum(xp.square(_wide(rows.values_of(g)))) for g in gradients))
    scale = limit * xp.minimum(1.0 / norm, 1.0 / limit) + (norm - norm)
    return [rows.on_values(lambda x: _cast(_wide(x) * scale, x.dtype), g) for g in gradients]


def _averaged(optimizer: Any, xp: Any, finished: Any, averages: list, values: list) -> tuple[list, list]:
    """Updates the moving averages, and overwrites the values with them when it is time."""
    new_averages = []
    for average, value in zip(averages, values):
        momentum = _cast(
            xp.where(finished != 0, np.float32(optimizer.ema_momentum), np.float32(0)), value.dtype
        )
        new_averages.append(_cast(momentum * average + (1 - momentum) * value, value.dtype))
    if optimizer.ema_overwrite_frequency:
        due = (finished + 1) % optimizer.ema_overwrite_frequency == 0
        values = select(xp, due, new_averages, values)
    return new_averages, values
