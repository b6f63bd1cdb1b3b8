"""`tf.cond`, `tf.switch_case`, `tf.case` and `tf.while_loop`.

With concrete tensors they are plain Python: one branch runs, the loop loops, tapes see every op.  Inside compiled code
they become XLA's control flow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, InvalidArgumentError, at_user_location
from dovetail.base.settings import state
from dovetail.base.told import told_function
from dovetail.base.wording import described
from dovetail.engine import effects, is_tracer, loops
from dovetail.function.autograph.gate import user_code
from dovetail.function.growing import any_growing, record_with_arrays, with_arrays_grown
from dovetail.function.lifting import Lifted
from dovetail.function.recorded import after_step, record_cond, record_loop, record_switch
from dovetail.graph.construct import CONSTRUCTS, is_recorded
from dovetail.graph.record import record_call
from dovetail.graph.recording import recording
from dovetail.ops import indexing
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype, string
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike, has_value
from dovetail.tensor.variable import StatelessScope, Variable


@told_function("tf.cond")
def cond(
    pred: Any, true_fn: Callable | None = None, false_fn: Callable | None = None, name: str | None = None
) -> Any:
    """Returns `true_fn()` if `pred` else `false_fn()`.

    Args:
        pred: scalar boolean tensor (or Python bool).
        true_fn, false_fn: functions without arguments that return the same structure of tensors of the same dtypes.

    In a functional model, on a symbolic `pred`, both branches are recorded and one runs.
    """
    if not callable(true_fn) or not callable(false_fn):
        label, given = ("true_fn", true_fn) if not callable(true_fn) else ("false_fn", false_fn)
        raise TypeError(f"tf.cond: {label} must be callable, received {given!r}{at_user_location()}")
    true_fn, false_fn = user_code(true_fn), user_code(false_fn)
    if _is_symbolic(pred) or (_describing() and not _is_known(pred)):
        return record_cond(cond, pred, true_fn, false_fn)
    if _is_known(pred):
        return true_fn() if bool(pred) else false_fn()
    return _switch(_scalar(pred, "tf.cond: pred"), [false_fn, true_fn], "tf.cond")


@told_function("tf.switch_case")
def switch_case(
    branch_index: Any, branch_fns: Any, default: Callable | None = None, name: str = "switch_case"
) -> Any:
    """Returns `branch_fns[branch_index]()`.

    Args:
        branch_index: scalar int32 tensor.
        branch_fns: list of functions, or a dict or list of pairs from index to function.
        default: runs when the index is not among them; without it, the last function does.
    """
    if isinstance(branch_fns, dict):
        pairs = sorted(branch_fns.items())
    elif branch_fns and isinstance(branch_fns[0], tuple):
        pairs = sorted(branch_fns)
    else:
        pairs = list(enumerate(branch_fns))
    if not pairs:
        raise ValueError(f"tf.switch_case: pass at least one branch{at_user_location()}")
    functions = [function for _, function in pairs]
    if not all(map(callable, functions)):
        raise TypeError(f"branch_fns must be functions, received {branch_fns!r:.80}")
    functions = [user_code(function) for function in (*functions, default or functions[-1])]
    keys = [int(key) for key, _ in pairs]
    _check_index(branch_index)
    if _is_symbolic(branch_index):
        arguments = {"branch_index": branch_index, "branch_fns": list(zip(keys, functions[:-1], strict=True))}
        return record_switch(switch_case, arguments | {"default": functions[-1]})
    if _is_known(branch_index):
        known = int(branch_index)
        return functions[keys.index(known) if known in keys else -1]()
    index = _scalar(branch_index, "tf.switch_case: branch_index")
    position = convert_to_tensor(len(keys))
    for i, key in enumerate(keys):
        position = indexing.where(
            index == convert_to_tensor(key, index.dtype), convert_to_tensor(i), position
        )
    return _switch(position, functions, "tf.switch_case")


def _check_index(branch_index: Any) -> None:
    """Raises TypeError for what is no integer: a float would choose the branch below it."""
    kind = getattr(branch_index, "dtype", None)
    whole = (
        isinstance(branch_index, int) if kind is None else np.dtype(as_dtype(kind).numpy_dtype).kind in "iu"
    )
    if not whole or isinstance(branch_index, bool):
        raise TypeError(
            f"tf.switch_case: branch_index must be an integer, received {described(branch_index)}; cast it with tf.cast"
            f"{at_user_location()}"
        )


@told_function("tf.case")
def case(
    pred_fn_pairs: Any,
    default: Callable | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """Returns the result of the first function whose predicate is true, of `default` when none is.

    Args:
        pred_fn_pairs: list of `(scalar bool tensor, function)`.
        default: function that runs when no predicate holds; without it that is an InvalidArgumentError.
        exclusive: more than one true predicate is an InvalidArgumentError.
        strict: accepted for TensorFlow's sake; structures are always checked.
    """
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    if not pairs:
        raise ValueError(f"tf.case: pass at least one pair of a predicate and a function{at_user_location()}")
    predicates = [pred for pred, _ in pairs]
    if exclusive:
        _check_held(predicates, _at_most_one, "more than one predicate is true")
    if default is None:
        _check_held(predicates, any, "no predicate is true, and there is no default")
    result = user_code(default if default is not None else pairs.pop()[1])
    for pred, function in reversed(pairs):
        result = _nested_case(pred, function, result)
    return result()


def _check_held(predicates: list, right: Callable, message: str) -> None:
    """Raises InvalidArgumentError where `right(values)` does not hold: now, or when the program runs."""
    error = InvalidArgumentError(f"tf.case: {message}{at_user_location()}")
    if all(_is_known(pred) for pred in predicates):
        if not right([bool(pred) for pred in predicates]):
            raise error
    elif recording() is not None:
        record_call(_check_held, "tf.case", (predicates, right, message), {})
    elif not any(isinstance(pred, SymbolicTensor) for pred in predicates):
        values = [convert_to_tensor(pred)._value for pred in predicates]
        effects.check(lambda *held: None if right([bool(value) for value in held]) else error, *values)


def _at_most_one(values: list) -> bool:
    return sum(values) <= 1


def _nested_case(pred: Any, function: Callable, otherwise: Callable) -> Callable:
    return lambda: cond(pred, function, otherwise)


@told_function("tf.while_loop")
def while_loop(
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: Any = None,
    name: str | None = None,
) -> Any:
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)`.

    Args:
        cond: returns a scalar boolean tensor.
        body: returns new loop variables in the same structure, shapes and dtypes.
        loop_vars: list or tuple of tensors, or of structures of them.
        maximum_iterations: stop after so many steps.
        back_prop: False cuts the gradient.
        shape_invariants: shapes may change in eager loops only; a `tf.function` with such a loop runs op by op.
        parallel_iterations, swap_memory: TensorFlow's scheduling hints; XLA decides by itself.

    The gradient inside compiled code keeps 64 checkpoints (see `engine/loops.py`): memory stays bounded.
    """
    if not callable(cond) or not callable(body):
        raise TypeError(f"cond and body must be functions, received {cond!r:.60} and {body!r:.60}")
    if not isinstance(loop_vars, list | tuple) or not loop_vars:
        raise ValueError(f"tf.while_loop: loop_vars must be a non-empty list or tuple{at_user_location()}")
    cond, body = user_code(cond), user_code(body)
    loop_vars = nest.mapped(_as_loop_variable, loop_vars)
    limit = None if maximum_iterations is None else convert_to_tensor(maximum_iterations, dtype_hint="int32")

    def record(variables: Any) -> Any:
        return record_loop(while_loop, cond, body, variables, shape_invariants, limit, back_prop)

    if is_recorded(loop_vars, limit):
        return record_with_arrays(record, loop_vars)
    first = cond(*loop_vars)
    if isinstance(first, SymbolicTensor):
        return record_with_arrays(record, loop_vars)
    if isinstance(first, TensorLike) and not first.dtype.is_bool:
        raise TypeError(f"cond must return a boolean scalar, it returned {described(first)}")
    if (
        _is_known(first)
        and (limit is None or _is_known(limit))
        and not _any_traced(loop_vars)
        and _runs_python()
    ):
        return _python_loop(cond, body, loop_vars, limit, first)
    if any_growing(loop_vars):
        return with_arrays_grown(functools.partial(_kept_loop, back_prop), cond, body, loop_vars, limit)
    return _kept_loop(back_prop, cond, body, loop_vars, limit)


def _kept_loop(back_prop: bool, cond: Callable, body: Callable, loop_vars: Any, limit: Any) -> Any:
    """Compiles a loop whose variables keep their shapes, but for arrays whose elements have none yet."""
    for _ in range(len(nest.flat(loop_vars)) + 1):
        try:
            return _compiled_loop(cond, body, loop_vars, limit, back_prop)
        except _ElementShapeFoundError as found:
            loop_vars = found.filled_in(loop_vars)
    raise ValueError(f"tf.while_loop: a TensorArray's elements change their shape{at_user_location()}")


class _ElementShapeFoundError(Exception):
    """The body has written the first element of a TensorArray whose element shape was unknown before the loop."""

    def __init__(self, position: int, shape: tuple) -> None:
        super().__init__(position, shape)
        self.position, self.shape = position, shape

    def filled_in(self, loop_vars: Any) -> Any:
        """Returns the loop variables with room for such elements in that array."""
        leaves, spec = nest.flatten_spec(loop_vars)
        leaves[self.position] = Tensor(np.zeros(self.shape, leaves[self.position].dtype.numpy_dtype))
        return nest.unflatten(spec, leaves)


def _as_loop_variable(value: Any) -> Any:
    if isinstance(value, Variable):
        return value._tensor()
    return value if isinstance(value, TensorLike) else convert_to_tensor(value)


def _python_loop(cond: Callable, body: Callable, loop_vars: Any, limit: Any, going: Any) -> Any:
    count = 0
    while bool(going) and (limit is None or count < int(limit)):
        loop_vars = nest.pack(loop_vars, after_step(body, loop_vars))
        count += 1
        going = cond(*loop_vars)
    return loop_vars


def _compiled_loop(cond: Callable, body: Callable, loop_vars: Any, limit: Any, back_prop: bool) -> Any:
    leaves, spec = nest.flatten_spec(loop_vars)
    if any(leaf.dtype == string for leaf in leaves):
        raise _no_strings("tf.while_loop")
    num = len(leaves)

    def build(writes: list) -> list:
        def unpack(carry: list) -> Any:
            return nest.unflatten(spec, [Tensor(value) for value in carry[:num]])

        def going(carry: list) -> Any:
            result, _ = lifted.branch(lambda: cond(*unpack(carry)), writes, carry[num:-1])
            flag = result._value.reshape(())
            return flag if limit is None else flag & (carry[-1] < limit._value)

        def step(carry: list) -> list:
            result, after = lifted.branch(lambda: after_step(body, unpack(carry)), writes, carry[num:-1])
            new = [tensor._value for tensor in nest.flat(result)]
            _check_same(leaves, new)
            return [*new, *after, carry[-1] + np.int32(1)]

        init = [*[leaf._value for leaf in leaves], *[v._plain()._value for v in writes], np.int32(0)]
        return loops().while_loop(going, step, init, back_prop)[:-1]

    lifted = Lifted(build)
    return nest.unflatten(spec, lifted.run(extra=leaves))


def _check_same(before: list, after: list) -> None:
    for i, (tensor, value) in enumerate(zip(before, after, strict=True)):
        old = tensor._value
        if old.dtype == value.dtype and old.shape == value.shape:
            continue
        if old.shape[1:] == (0,) and value.ndim and old.shape[0] == value.shape[0]:
            raise _ElementShapeFoundError(i, value.shape)
        message = (
            f"tf.while_loop: loop variable {i} has shape {old.shape} {old.dtype} before the body and {value.shape} "
            f"{value.dtype} after it. Compiled loops need them to stay the same{at_user_location()}"
        )
        raise (
            TypeError(message) if old.dtype != value.dtype else DataDependentShapeError("while_loop", message)
        )


def _switch(index: Any, functions: list[Callable], label: str) -> Any:
    """Runs one of the functions, chosen by a traced index."""
    structures: list = []

    def build(writes: list) -> list:
        structures.clear()

        def staged(function: Callable) -> Callable:
            def run(_: Any) -> list:
                result, after = lifted.branch(function, writes)
                leaves, spec = nest.flatten_spec(result)
                structures.append(
                    (spec, [None if leaf is None else (leaf.dtype, leaf.shape) for leaf in leaves])
                )
                _check_branches(structures, label)
                return [*[leaf._value for leaf in leaves if leaf is not None], *after]

            return run

        return list(loops().switch(index._value.astype(np.int32), [staged(f) for f in functions], ()))

    lifted = Lifted(build)
    results = iter(lifted.run())
    spec, kinds = structures[0]
    return nest.unflatten(spec, [None if kind is None else next(results) for kind in kinds])


def _check_branches(structures: list, label: str) -> None:
    first, last = structures[0], structures[-1]
    if any(kind is not None and kind[0] == string for kind in last[1]):
        raise _no_strings(label)
    if first == last:
        return
    message = (
        f"{label}: the branches return different things: {_listed(first)} and {_listed(last)}. They must agree in "
        f"structure, shapes and dtypes{at_user_location()}"
    )
    dtypes = [[None if kind is None else kind[0] for kind in kinds] for _, kinds in (first, last)]
    if first[0] == last[0] and dtypes[0] == dtypes[1]:
        raise DataDependentShapeError(label, message)
    raise TypeError(message)


def _no_strings(label: str) -> Exception:
    return DataDependentShapeError(label, f"{label}: XLA has no strings{at_user_location()}")


def _listed(structure: tuple) -> str:
    shown = ["None" if kind is None else f"{kind[1]} {kind[0].name}" for kind in structure[1]]
    return ", ".join(shown) or "nothing"


def _runs_python() -> bool:
    """True where loops over known values are Python loops: in eager code, with stateless calls and descriptions."""
    scope = state.scope
    while isinstance(scope, StatelessScope):
        scope = scope.parent
    return scope is None


def _is_symbolic(value: Any) -> bool:
    if isinstance(value, Variable):
        value = value._plain()
    return isinstance(value, SymbolicTensor)


def _describing() -> bool:
    return state.scope is not None and state.scope.describes


def _is_known(value: Any) -> bool:
    """True for Python values and tensors that have a value now."""
    if isinstance(value, Variable):
        value = value._plain()
    return has_value(value) if isinstance(value, TensorLike) else not is_tracer(value)


def _any_traced(structure: Any) -> bool:
    return any(not _is_known(leaf) for leaf in nest.flat(structure))


def _scalar(value: Any, label: str) -> Tensor:
    tensor = convert_to_tensor(value)
    if tensor.shape.rank != 0:
        if tensor.shape.num_elements() != 1:
            raise ValueError(f"{label} must be a scalar, received shape {tensor.shape}{at_user_location()}")
        tensor = Tensor(tensor._value.reshape(()))
    return tensor


CONSTRUCTS.update({"tf.cond": cond, "tf.switch_case": switch_case, "tf.while_loop": while_loop})
