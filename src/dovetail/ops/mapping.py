"""Functions that apply a Python function along the first axis: map_fn, vectorized_map, scan, foldl, foldr.

Eager, the function runs once an element.  Inside compiled code it is traced once, and XLA loops over the elements; few
elements, and functions that cannot be looped (whose result changes its shape, say), are written out one by one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import DataDependentShapeError, InvalidArgumentError, at_user_location
from dovetail.base.joints import Joint, Recorder
from dovetail.base.settings import state
from dovetail.engine import loaded_xla
from dovetail.ops.arithmetic import identity, stop_gradient
from dovetail.ops.array import concat, stack, unstack
from dovetail.ops.create import zeros
from dovetail.ops.dispatch import dispatchable
from dovetail.ops.shapes import as_tensor, reshape, shape
from dovetail.ops.views import export
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype, string
from dovetail.tensor.spec import (
    TensorSpec,
    TypeSpec,
    batchable,
    stack_values,
    type_spec_from_value,
    unstack_value,
)
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import TensorLike


def _rows(function: str, elems: Any) -> list:
    """Returns the structures of elements, one a position along the first axis."""
    if _holds_composites(elems):
        return _composite_rows(function, elems)
    leaves, spec = nest.flatten_spec(elems)
    tensors = [as_tensor(leaf) for leaf in leaves]
    sizes = {tensor.shape[0] if len(tensor.shape) else None for tensor in tensors}
    if len(sizes) != 1 or None in sizes:
        shapes = ", ".join(str(tensor.shape) for tensor in tensors)
        raise ValueError(
            f"{function}: the tensors in elems need first axes of one known size, received shapes {shapes}. For a "
            f"symbolic batch use ops on the whole tensor, or do it in a Layer's call(){at_user_location()}"
        )
    if 0 in sizes:
        return []
    columns = [unstack(tensor) for tensor in tensors]
    return [nest.unflatten(spec, list(row)) for row in zip(*columns, strict=True)]


def _holds_composites(structure: Any) -> bool:
    return any(isinstance(leaf, CompositeTensor) for leaf in nest.flatten(structure))


def _composite_rows(function: str, elems: Any) -> list:
    """Returns the structures of elements where there are composite tensors among `elems`, as their specs say."""
    values = [leaf if isinstance(leaf, CompositeTensor) else as_tensor(leaf) for leaf in nest.flatten(elems)]
    columns = [unstack_value(type_spec_from_value(value), value) for value in values]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(
            f"{function}: the values in elems need as many rows, received {[len(column) for column in columns]}"
            f"{at_user_location()}"
        )
    return [nest.pack_sequence_as(elems, list(row)) for row in zip(*columns, strict=True)]


_loop = Joint("loop", set_by="dovetail.function.scanning", called_by="a loop over elements in compiled code")
_WRITTEN_OUT = 8


def use_loop(function: Callable) -> None:
    """Tells how compiled code loops over elements: `f(step, initial, elems, backwards) -> (last state, outputs)`."""
    _loop.set(function)


def looped(step: Callable, initial: Any, elems: Any, backwards: bool = False) -> Any:
    """Runs `state, output = step(state, element)` as a compiled loop; None where it is not to be one.

    Inside compiled code, many elements are looped over and few are written out, as are steps that cannot be looped.
    """
    engine = loaded_xla()
    if engine is None or not engine.in_trace():
        return None
    if _holds_composites(elems):
        return None
    tensors = [as_tensor(leaf) for leaf in nest.flat((elems, initial))]
    if any(type(tensor) is SymbolicTensor or tensor.dtype == string for tensor in tensors):
        return None
    elems = nest.mapped(as_tensor, elems)
    sizes = {tensor.shape[0] if len(tensor.shape) else None for tensor in nest.flat(elems)}
    size = sizes.pop()
    if sizes or size is None or (isinstance(size, int) and size <= _WRITTEN_OUT):
        return None
    try:
        return _loop.target(step, initial, elems, backwards)
    except DataDependentShapeError:
        return None


_gate = Joint("gate", set_by="dovetail.function.scanning", called_by="a function that is mapped")


def use_gate(convert: Callable) -> None:
    """Tells what converts the control flow of users' functions, for where tensors have no values."""
    _gate.set(convert)


def _user_code(fn: Any, recorded: bool) -> Any:
    return _gate.target(fn) if recorded or state.scope is not None else fn


_recorder = Joint(
    "record_mapped", set_by="dovetail.graph.mapped", called_by="tf.map_fn, tf.scan and the folds"
)


def use_recorder(needed: Callable, recorder: Callable) -> None:
    """Tells how symbolic tensors are mapped: `needed(*tensors) -> bool`, `recorder(function, name, arguments)`."""
    _recorder.set(Recorder(needed, recorder))


def _stacked(function: str, results: list) -> Any:
    if not results:
        raise ValueError(
            f"{function}: elems is empty, so the shape of the result is unknown{at_user_location()}"
        )
    if _holds_composites(results[0]):
        columns = zip(*map(nest.flatten, results), strict=True)
        return nest.pack_sequence_as(results[0], [_stacked_values(list(column)) for column in columns])
    return nest.mapped(stack, *results)


def _stacked_values(values: list) -> Any:
    """Returns values of any kind as one batch, of the tightest spec that they all have."""
    specs = [type_spec_from_value(value) for value in values]
    common = specs[0].most_specific_common_supertype(specs[1:])
    return stack_values(specs[0] if common is None else common, values)


def signature_of(signature: Any, elems: Any, result: Any = None) -> Any:
    """Returns the specs that results of `map_fn` are batched by; None: by what they are themselves.

    Args:
        signature: what the user states: dtypes and specs, or None.
        elems: what is mapped.
        result: one result; None where there is none to look at.
    """
    if signature is not None:
        return None if _is_dense(signature) else nest.map_structure(_as_spec, signature)
    if not _holds_composites(elems):
        return None
    own = nest.map_structure(row_spec, elems)  # rows as in elems, unless they are plainly other ones
    (specs, tree), (leaves, other) = nest.closed(own), nest.closed(result)
    same = tree == other and all(
        spec.is_compatible_with(leaf) for spec, leaf in zip(specs, leaves, strict=True)
    )
    return own if same or result is None else None


def _is_dense(signature: Any) -> bool:
    """True for dtypes and specs of dense tensors, which results need not be told."""
    return not any(
        isinstance(spec, TypeSpec) and not isinstance(spec, TensorSpec) for spec in nest.flatten(signature)
    )


def _as_spec(signature: Any) -> Any:
    return signature if isinstance(signature, TypeSpec) else TensorSpec(None, as_dtype(signature))


def row_spec(value: Any) -> TypeSpec:
    """Returns the spec of one element of a tensor or a composite tensor along its first axis."""
    return batchable(type_spec_from_value(value))._unbatch()


def _by_specs(signature: Any, results: list) -> Any:
    """Returns the results batched by the specs of a signature.

    Raises:
        ValueError: their structure is another one.
        TypeError: one of them is of another type.
    """
    specs = nest.flatten(signature)
    columns = list(zip(*map(nest.flatten, results), strict=True)) if results else [()] * len(specs)
    if len(columns) != len(specs):
        raise ValueError(
            f"tf.map_fn: fn returned {len(columns)} values, the signature has {len(specs)}{at_user_location()}"
        )
    for spec, column in zip(specs, columns, strict=True):
        for value in column:
            if not spec.is_compatible_with(value):
                raise TypeError(
                    f"tf.map_fn: fn returned {type_spec_from_value(value)}, the signature says {spec}"
                    f"{at_user_location()}"
                )
    batches = [stack_values(spec, column) for spec, column in zip(specs, columns, strict=True)]
    return nest.pack_sequence_as(signature, batches)


def _nothing(fn: Callable, elems: Any) -> Any:
    """Returns what mapping over no elements gives; a call on zeros shows the shapes."""
    shown = _as_tensors(fn(nest.mapped(lambda x: zeros(as_tensor(x).shape[1:], as_tensor(x).dtype), elems)))
    return nest.mapped(lambda x: zeros((0, *x.shape), x.dtype), shown)


def _as_tensors(structure: Any) -> Any:
    return nest.mapped(lambda leaf: leaf if isinstance(leaf, TensorLike) else as_tensor(leaf), structure)


@export("map_fn")
def map_fn(
    fn: Callable,
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:
    """Applies `fn` to each element along the first axis, and stacks the results.

    Args:
        fn: function of one element (a structure like `elems`), returning a tensor or a structure of tensors.
        elems: tensor, or a structure of tensors whose first axes have one size.
        dtype, fn_output_signature: structure of the result's dtypes or specs; None: those of `elems`.
        back_prop: False cuts the gradient.
        parallel_iterations, swap_memory, infer_shape: TensorFlow's scheduling hints, without effect on results.

    Example:
        >>> tf.map_fn(lambda x: x * x, tf.constant([1, 2, 3])).numpy().tolist()
        [1, 4, 9]

    Raises:
        ValueError: `fn` returns another structure, or (an InvalidArgumentError) other dtypes, than those of `elems`,
            and no `fn_output_signature` says so.
    """
    signature = fn_output_signature if fn_output_signature is not None else dtype
    like = signature is None and not _holds_composites(elems)
    out = map_elements(fn, elems, signature, back_prop, like)
    return _like_elements(out, elems) if like else out


def _in_dtypes_of(fn: Callable, elems: Any) -> Callable:
    """Returns `fn` with Python numbers among its results made tensors of the elements' dtypes."""
    dtypes = [as_tensor(leaf).dtype for leaf in nest.flat(elems)]

    @functools.wraps(fn)
    def mapped(row: Any) -> Any:
        leaves, spec = nest.flatten_spec(fn(row))
        if len(leaves) == len(dtypes):
            leaves = [
                leaf if isinstance(leaf, TensorLike) else convert_to_tensor(leaf, dtype_hint=kind)
                for leaf, kind in zip(leaves, dtypes, strict=True)
            ]
        return nest.unflatten(spec, leaves)

    return mapped


def _like_elements(out: Any, elems: Any) -> Any:
    """Returns results of which no signature says what they are; raises where they are not what the elements are."""
    got, expected = nest.flat(out), [as_tensor(leaf) for leaf in nest.flat(elems)]
    if len(got) != len(expected):
        raise ValueError(
            f"tf.map_fn: fn returned {len(got)} tensors for {len(expected)} in elems; tell of them in "
            f"fn_output_signature{at_user_location()}"
        )
    for tensor, element in zip(got, expected, strict=True):
        if tensor.dtype != element.dtype:
            raise InvalidArgumentError(
                f"tf.map_fn: fn returned {tensor.dtype.name} for elements of {element.dtype.name}; pass "
                f"fn_output_signature=tf.{tensor.dtype.name}{at_user_location()}"
            )
    return out


def map_elements(
    fn: Callable,
    elems: Any,
    fn_output_signature: Any = None,
    back_prop: bool = True,
    numbers_like_elems: bool = False,
) -> Any:
    """Maps a function; without a signature the results are what they are.

    Args:
        numbers_like_elems: Python numbers that `fn` returns get the dtypes of `elems`.
    """
    signature = fn_output_signature
    recorded = _recorder.get().needed(elems)
    fn = _user_code(fn, recorded)
    fn = _in_dtypes_of(fn, elems) if numbers_like_elems else fn
    if recorded:
        arguments = {"fn": fn, "elems": elems, "fn_output_signature": signature, "back_prop": back_prop}
        return _recorder.get().record(map_elements, "tf.map_fn", arguments)
    found = looped(lambda state, row: (state, fn(row)), (), elems) if _is_dense(signature) else None
    out = _written_out(fn, elems, signature) if found is None else _checked(found[1], signature)
    return out if back_prop else _cut(out)


def _written_out(fn: Callable, elems: Any, signature: Any) -> Any:
    results = [_as_tensors(fn(row)) for row in _rows("tf.map_fn", elems)]
    specs = signature_of(signature, elems, results[0] if results else None)
    if specs is not None:
        return _by_specs(specs, results)
    return _checked(_stacked("tf.map_fn", results) if results else _nothing(fn, elems), signature)


def _checked(out: Any, signature: Any) -> Any:
    """Returns the stacked results; raises where they are not of the dtypes that the signature states."""
    got, wanted = nest.flat(out), nest.flat(signature)
    if signature is None:
        return out
    if len(got) != len(wanted):
        raise ValueError(
            f"tf.map_fn: fn returned {len(got)} tensors, the signature has {len(wanted)}{at_user_location()}"
        )
    for tensor, stated in zip(got, wanted, strict=True):
        expected = _as_spec(stated).dtype
        if tensor.dtype != expected:
            raise TypeError(
                f"tf.map_fn: fn returned {tensor.dtype.name}, the signature says {expected.name}{at_user_location()}"
            )
    return out


def _cut(structure: Any) -> Any:
    return nest.mapped(stop_gradient, structure)


@export("K.map_fn")
def map_fn_backend(fn: Callable, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """Applies `fn` to each element along the first axis, and stacks the results."""
    return map_fn(fn, elems, dtype)


@export("ops.map")
def map_keras(f: Callable, xs: Any) -> Any:
    """Applies `f` to each element along the first axis, and stacks the results."""
    return map_elements(f, xs)


@export("vectorized_map")
def vectorized_map(fn: Callable, elems: Any, fallback_to_while_loop: bool = True, warn: bool = True) -> Any:
    """Applies `fn` to each element along the first axis, and stacks the results.

    Differs from TensorFlow: the elements are taken one after another here, as in `map_fn`.
    """
    return map_elements(fn, elems)


@export("ops.vectorized_map")
def vectorized_map_keras(function: Callable, elements: Any) -> Any:
    """Applies `function` to each element along the first axis, and stacks the results."""
    return map_elements(function, elements)


def _accumulated(function: str, fn: Callable, elems: Any, initializer: Any, backwards: bool) -> Iterator:
    """Yields what `fn(accumulated, element)` gives after each element."""
    rows = _rows(function, elems)
    rows = rows[::-1] if backwards else rows
    if initializer is None:
        if not rows:
            raise ValueError(f"{function}: elems is empty and there is no initializer{at_user_location()}")
        total, rows = rows[0], rows[1:]
        yield total
    else:
        total = _as_tensors(initializer)
        if not rows:
            yield total
    for row in rows:
        total = _as_tensors(fn(total, row))
        yield total


def _looped_accumulation(
    fn: Callable, elems: Any, initializer: Any, backwards: bool, outputs: bool = True
) -> Any:
    """Returns the last and all partial results of `a = fn(a, element)` by a compiled loop, or None."""

    def step(total: Any, row: Any) -> tuple:
        total = fn(total, row)
        return total, total if outputs else ()

    if initializer is not None:
        return looped(step, _as_tensors(initializer), elems, backwards)
    elems = nest.mapped(as_tensor, elems)
    if any(tuple(leaf.shape)[:1] in ((), (0,)) for leaf in nest.flat(elems)):
        return None  # no first element
    first = nest.mapped(lambda x: x[-1 if backwards else 0], elems)
    rest = nest.mapped(lambda x: x[:-1] if backwards else x[1:], elems)
    found = looped(step, first, rest, backwards)
    if found is None or not outputs:
        return found
    ends = (lambda one, many: [many, one[None]]) if backwards else (lambda one, many: [one[None], many])
    return found[0], nest.mapped(lambda one, many: concat(ends(one, many), 0), first, found[1])


@export("scan")
def scan(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """Returns all the partial results of `a = fn(a, element)` along the first axis.

    Args:
        fn: function of the accumulated value and one element.
        elems: tensor, or a structure of tensors whose first axes have one size.
        initializer: the first accumulated value; the first element by default.
        reverse: begin at the end.
        back_prop: False cuts the gradient.
        parallel_iterations, swap_memory, infer_shape: TensorFlow's scheduling hints, without effect on results.
    """
    recorded = _recorder.get().needed(elems, initializer)
    fn = _user_code(fn, recorded)
    if recorded:
        arguments = {"fn": fn, "elems": elems, "initializer": initializer, "back_prop": back_prop}
        return _recorder.get().record(scan, "tf.scan", arguments | {"reverse": reverse})
    found = _looped_accumulation(fn, elems, initializer, reverse)
    if found is not None:
        out = found[1]
    else:
        results = list(_accumulated("tf.scan", fn, elems, initializer, reverse))
        out = _stacked("tf.scan", results[::-1] if reverse else results)
        if tuple(as_tensor(nest.flat(elems)[0]).shape)[:1] == (0,):
            out = nest.mapped(lambda x: x[:0], out)
    return out if back_prop else _cut(out)


def _last(function: str, fn: Callable, elems: Any, initializer: Any, backwards: bool, back_prop: bool) -> Any:
    found = _looped_accumulation(fn, elems, initializer, backwards, outputs=False)
    if found is not None:
        return found[0] if back_prop else _cut(found[0])
    total = None
    for accumulated in _accumulated(function, fn, elems, initializer, backwards):
        total = accumulated
    return total if back_prop else _cut(total)


@export("foldl")
def foldl(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the last result of `a = fn(a, element)` along the first axis, from the first element to the last."""
    recorded = _recorder.get().needed(elems, initializer)
    fn = _user_code(fn, recorded)
    if recorded:
        arguments = {"fn": fn, "elems": elems, "initializer": initializer, "back_prop": back_prop}
        return _recorder.get().record(foldl, "tf.foldl", arguments)
    return _last("tf.foldl", fn, elems, initializer, False, back_prop)


@export("foldr")
def foldr(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Returns the last result of `a = fn(a, element)` along the first axis, from the last element to the first."""
    recorded = _recorder.get().needed(elems, initializer)
    fn = _user_code(fn, recorded)
    if recorded:
        arguments = {"fn": fn, "elems": elems, "initializer": initializer, "back_prop": back_prop}
        return _recorder.get().record(foldr, "tf.foldr", arguments)
    return _last("tf.foldr", fn, elems, initializer, True, back_prop)


@export("K.foldl")
def foldl_backend(fn: Callable, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Folds from the first element to the last."""
    return foldl(fn, elems, initializer)


@export("K.foldr")
def foldr_backend(fn: Callable, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Folds from the last element to the first."""
    return foldr(fn, elems, initializer)


@dispatchable("keras.layers.TimeDistributed")
def over_steps(inputs: Any, function: Callable) -> Any:
    """Applies a function of (n, ...) to all steps of (batch, time, ...) at once: n is batch * time.

    Args:
        inputs: a tensor or a structure of tensors.
        function: returns a tensor or a structure of tensors.
    """
    first = nest.flatten(inputs)[0]
    lead = tuple(first.shape)[:2]
    if lead == (None, None):
        lead = (shape(first)[0], shape(first)[1])
    sizes = tuple(-1 if size is None else size for size in lead)
    outputs = function(nest.map_structure(joined_steps, inputs))
    return nest.map_structure(lambda y: reshape(y, shape=(*sizes, *y.shape[1:])), outputs)


def joined_steps(x: Any) -> Any:
    """Returns (batch, time, ...) as (batch * time, ...)."""
    return reshape(x, shape=(-1, *tuple(x.shape)[2:]))


@export("guarantee_const")
def guarantee_const(input: Any, name: str | None = None) -> Any:
    """Returns `input`; compiled code finds out by itself what is constant."""
    return identity(input)
