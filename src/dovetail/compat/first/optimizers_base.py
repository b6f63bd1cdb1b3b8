"""The base of TensorFlow 1's optimizers: what `minimize` does, and the hooks that programs override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail as tf
from dovetail.base.errors import ArgumentTypeError, at_user_location
from dovetail.compat.first.keys import GraphKeys, trainable_variables
from dovetail.compat.first.scopes import make_variable, variable_scope, writes_graph
from dovetail.compat.first.variables import VariableV1
from dovetail.graph.by_hand import written, written_graph
from dovetail.graph.hand_variable import GraphVariable
from dovetail.graph.recording import recording
from dovetail.ops.indexed_slices import dense
from dovetail.tensor.tensor import TensorLike
from dovetail.tensor.variable import Variable

_FLOATS = ("float16", "bfloat16", "float32", "float64")


class Optimizer:
    """Base of the optimizers: gradients of a loss, and what they change.

    Subclasses define some of these hooks, which `apply_gradients` calls in this order:

    - `_create_slots(var_list)` makes what is kept from step to step, by `_zeros_slot`, `_get_or_make_slot`,
      `_get_or_make_slot_with_initializer` and `_create_non_slot_variable`;
    - `_prepare()` makes tensors of the hyperparameters;
    - `_resource_apply_dense(grad, handle)` and `_apply_dense(grad, var)` return the operation that changes a variable;
      the second is for variables with `use_resource=False`.  Where a class defines one of them only, that is called;
    - `_resource_apply_sparse(grad, handle, indices)` and `_apply_sparse(grad, var)` do so where the gradient is rows of
      a table, each place once: `_resource_apply_sparse_duplicate_indices` and `_apply_sparse_duplicate_indices` add up
      rows at one place before.  Where a class defines none of these, the gradient is made dense;
    - `_finish(update_ops, name_scope)` returns the operation that ends the step, after those of the variables.

    Args:
        use_locking: accepted for TensorFlow's sake.
        name: of the operations.
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking: bool = False, name: str = "Optimizer") -> None:
        if not name:
            raise ValueError(f"{type(self).__name__}: pass a name{at_user_location()}")
        self._name, self._use_locking = name, use_locking
        self._slots: dict[str, dict[int, Variable]] = {}
        self._non_slot_dict: dict[tuple[str, Any], Variable] = {}

    def get_name(self) -> str:
        return self._name

    # ---- gradients

    def minimize(
        self,
        loss: Any,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """Returns an operation that changes the variables against the gradient of the loss.

        Args:
            loss: tensor of the graph; a function that returns it where there is no graph.
            global_step: variable that counts the steps.
            var_list: the variables, the trainable ones when None; or a function that returns them.
            name: of the operation.
            grad_loss: the gradient of what is minimized in the loss.
            gate_gradients, aggregation_method, colocate_gradients_with_ops: accepted for TensorFlow's sake.

        Raises:
            ValueError: the loss depends on none of the variables.
        """
        pairs = self.compute_gradients(
            loss,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
        )
        if all(gradient is None for gradient, _ in pairs):
            names = [variable.name for _, variable in pairs]
            raise ValueError(
                f"{type(self).__name__}.minimize: no gradients provided for any variable, the loss depends on none of "
                f"{names}{at_user_location()}"
            )
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> list[tuple[Any, Variable]]:
        """Returns pairs of a gradient (None: there is none) and its variable: see `minimize`."""
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise ValueError(
                f"{type(self).__name__}: gate_gradients must be Optimizer.GATE_NONE, GATE_OP or GATE_GRAPH, received "
                f"{gate_gradients!r}{at_user_location()}"
            )
        if callable(var_list) and not isinstance(var_list, TensorLike):
            var_list = var_list()
        if recording() is None:
            return self._taped(loss, var_list, grad_loss)
        value = loss() if callable(loss) and not isinstance(loss, TensorLike) else loss
        variables = list(trainable_variables() if var_list is None else tf.nest.flatten(var_list))
        for variable in variables:
            self._require_variable(variable, "var_list")
        if not variables:
            raise ValueError(f"{type(self).__name__}: no variables to optimize{at_user_location()}")
        self._assert_valid_dtypes([value])
        pairs = list(zip(tf.gradients(value, variables, grad_loss), variables, strict=True))
        self._assert_valid_dtypes([variable for gradient, variable in pairs if gradient is not None])
        return pairs

    def _taped(self, loss: Any, var_list: Any, grad_loss: Any) -> list:
        if not callable(loss):
            raise RuntimeError(
                f"{type(self).__name__}: outside of graphs, loss must be a function of no arguments{at_user_location()}"
            )
        with tf.GradientTape() as tape:
            value = loss()
        variables = tape.watched_variables() if var_list is None else tf.nest.flatten(var_list)
        return list(zip(tape.gradient(value, variables, grad_loss), variables, strict=True))

    def _valid_dtypes(self) -> set:
        """Returns the dtypes of losses and variables."""
        return {tf.as_dtype(name) for name in _FLOATS}

    def _assert_valid_dtypes(self, tensors: list) -> None:
        """Raises ValueError for a tensor of a dtype that is no valid one."""
        valid = self._valid_dtypes()
        for tensor in tensors:
            if tensor.dtype.base_dtype not in valid:
                raise ValueError(
                    f"{type(self).__name__}: invalid type {tensor.dtype.name} for {getattr(tensor, 'name', tensor)}, "
                    f"expected one of {sorted(dtype.name for dtype in valid)}{at_user_location()}"
                )

    def _require_variable(self, variable: Any, where: str) -> None:
        """Raises what says that something cannot be trained: it is no variable, or none of the graph written here."""
        graph = written()
        if isinstance(variable, Variable) and graph is not None and graph_of(variable) is not graph:
            raise ValueError(
                f"{type(self).__name__}: the variable {variable.name!r} in {where} was made outside of the graph, and "
                f"sessions neither read nor change it. Make it in the graph: in `with graph.as_default():`, by "
                f"tf.compat.v1.get_variable or tf.Variable{at_user_location()}"
            )
        if not isinstance(variable, Variable):
            raise ArgumentTypeError(
                f"{type(self).__name__}: expected variables in {where}, received {variable!r:.60}{at_user_location()}"
            )

    # ---- changes

    def apply_gradients(self, grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> Any:
        """Returns an operation that changes the variables by gradients.

        Args:
            grads_and_vars: pairs of a gradient and a variable; those whose gradient is None are left as they are.
            global_step: variable that counts the steps.
            name: of the operation.

        Raises:
            ValueError: there is no gradient at all.
            TypeError: a pair is none of a gradient and a variable.
        """
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars if gradient is not None]
        if not pairs:
            raise ValueError(
                f"{type(self).__name__}.apply_gradients: no gradients provided for any variable{at_user_location()}"
            )
        for _, variable in pairs:
            self._require_variable(variable, "the pairs")
        with tf.init_scope():
            self._create_slots([variable for _, variable in pairs])
        with tf.name_scope(name or self.get_name()) as scope:
            self._prepare()
            updates = [self._applied(gradient, variable) for gradient, variable in pairs]
            if global_step is None:
                last = self._finish(updates, scope)
            else:
                last = _counted(self._finish(updates, "update"), global_step, scope)
        last = getattr(last, "op", last)
        if recording() is not None:
            known = written_graph().get_collection_ref(GraphKeys.TRAIN_OP)
            known += [] if any(last is one for one in known) else [last]
        return last

    def _applied(self, gradient: Any, variable: Variable) -> Any:
        done = self._by_hook(gradient, variable)
        if variable.constraint is None:
            return done
        with tf.control_dependencies(operations(done)):
            return variable.assign(variable.constraint(variable.read_value()))

    def _by_hook(self, gradient: Any, variable: Variable) -> Any:
        """Calls the hook for a gradient: of those for the variable's kind, if the class defines one."""
        kinds = ("_apply", "_resource_apply") if is_reference(variable) else ("_resource_apply", "_apply")
        if isinstance(gradient, tf.IndexedSlices):
            for kind in kinds:
                if self._defines(f"{kind}_sparse") or self._defines(f"{kind}_sparse_duplicate_indices"):
                    hook = getattr(self, f"{kind}_sparse_duplicate_indices")
                    if kind == "_apply":
                        return hook(gradient, variable)
                    return hook(gradient.values, variable, gradient.indices)
        whole = tf.convert_to_tensor(dense(gradient), dtype_hint=variable.dtype)
        for kind in kinds:
            if self._defines(f"{kind}_dense"):
                return getattr(self, f"{kind}_dense")(whole, variable)
        return self._resource_apply_dense(whole, variable)

    def _defines(self, hook: str) -> bool:
        return getattr(type(self), hook) is not getattr(Optimizer, hook)

    # ---- hooks

    def _create_slots(self, var_list: list[Variable]) -> None:
        """Makes what is kept for variables from step to step."""

    def _prepare(self) -> None:
        """Makes tensors of the hyperparameters."""

    def _apply_dense(self, grad: Any, var: Any) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__}: define _resource_apply_dense(grad, handle), or _apply_dense(grad, var)"
        )

    def _resource_apply_dense(self, grad: Any, handle: Any) -> Any:
        return Optimizer._apply_dense(self, grad, handle)

    def _apply_sparse(self, grad: Any, var: Any) -> Any:
        raise NotImplementedError(
            f"{type(self).__name__}: define _resource_apply_sparse(grad, handle, indices), or _apply_sparse(grad, var)"
        )

    def _resource_apply_sparse(self, grad: Any, handle: Any, indices: Any) -> Any:
        return Optimizer._apply_sparse(self, grad, handle)

    def _apply_sparse_duplicate_indices(self, grad: Any, var: Any) -> Any:
        """Adds up the rows at one place, and calls `_apply_sparse`."""
        values, indices = _deduplicate_indexed_slices(grad.values, grad.indices)
        return self._apply_sparse(tf.IndexedSlices(values, indices, grad.dense_shape), var)

    def _resource_apply_sparse_duplicate_indices(self, grad: Any, handle: Any, indices: Any) -> Any:
        """Adds up the rows at one place, and calls `_resource_apply_sparse`."""
        values, places = _deduplicate_indexed_slices(grad, indices)
        return self._resource_apply_sparse(values, handle, places)

    def _resource_scatter_add(self, x: Any, i: Any, v: Any) -> Any:
        """Returns the value of a variable once rows are added to it."""
        return x.scatter_add(tf.IndexedSlices(v, i))

    def _finish(self, update_ops: list, name_scope: str) -> Any:
        """Returns the operation that is done when those that change variables are."""
        return tf.group(*operations(update_ops), name=name_scope)

    def _call_if_callable(self, param: Any) -> Any:
        return param() if callable(param) and not isinstance(param, TensorLike) else param

    # ---- slots

    def _get_or_make_slot(self, var: Variable, val: Any, slot_name: str, op_name: str) -> Variable:
        """Returns a slot of a variable; a new one has the value `val`."""
        found = self._slot_dict(slot_name).get(_var_key(var))
        if found is None:
            found = self._slot_dict(slot_name)[_var_key(var)] = _slot(var, val, op_name)
        return found

    def _get_or_make_slot_with_initializer(
        self, var: Variable, initializer: Callable, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Variable:
        """Returns a slot of a variable; a new one has what an initializer gives for a shape and a dtype."""
        sizes = tf.TensorShape(shape).as_list()
        return self._get_or_make_slot(var, lambda: initializer(sizes, dtype=dtype), slot_name, op_name)

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """Returns a slot of a variable; a new one is zero."""
        return self._get_or_make_slot(var, lambda: filled(0.0, var), slot_name, op_name)

    def _slot_dict(self, slot_name: str) -> dict[int, Variable]:
        """Returns the slots of a name by the keys of their variables."""
        return self._slots.setdefault(slot_name, {})

    def get_slot(self, var: Variable, name: str) -> Any:
        """Returns the variable that a slot keeps for another one, None when there is none."""
        return self._slots.get(name, {}).get(_var_key(var))

    def get_slot_names(self) -> list[str]:
        return sorted(self._slots)

    # ---- what belongs to no variable

    def _create_non_slot_variable(self, initial_value: Any, name: str, colocate_with: Variable) -> Variable:
        """Returns a variable of the optimizer, one for each graph, that of `colocate_with`."""
        key = (name, graph_of(colocate_with))
        if key not in self._non_slot_dict:
            made: Any = VariableV1(initial_value, name=name, trainable=False)
            self._non_slot_dict[key] = made
        return self._non_slot_dict[key]

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Any:
        """Returns what `_create_non_slot_variable` made for a graph (None: outside of graphs), None for nothing."""
        return self._non_slot_dict.get((name, graph))

    def _non_slot_variables(self) -> list[Variable]:
        return list(self._non_slot_dict.values())

    def variables(self) -> list[Variable]:
        """Returns what it keeps from step to step in the graph that is written here, or outside of graphs."""
        graph = written_graph()
        here = graph if writes_graph(graph) else None
        kept = [*self._non_slot_variables(), *(v for slot in self._slots.values() for v in slot.values())]
        return sorted((v for v in kept if graph_of(v) is here), key=lambda variable: variable.name)


def is_reference(variable: Any) -> bool:
    """Whether a variable is of TensorFlow 1's own kind, which `use_resource=False` asks for."""
    return isinstance(variable, GraphVariable) and variable.is_reference


def graph_of(variable: Any) -> Any:
    """Returns the graph of a variable that a program wrote into one, None for others."""
    return variable.graph if isinstance(variable, GraphVariable) else None


def filled(value: float, variable: Variable) -> Any:
    """Returns a tensor of one number, as large as a variable."""
    if variable.shape.is_fully_defined():
        return tf.cast(tf.fill(variable.shape, value), variable.dtype)
    initial = variable.initialized_value() if isinstance(variable, GraphVariable) else variable
    return tf.zeros_like(initial) + tf.cast(value, variable.dtype)


def _var_key(variable: Variable) -> int:
    """Returns what tells a variable from all others, also from those that are no more."""
    return variable._unique_id


def _slot(variable: Variable, initial: Any, op_name: str) -> Variable:
    """Returns a new variable that is named after another one."""
    graph = written_graph()
    prefix = f"{variable.name.partition(':')[0]}/{op_name}"
    with variable_scope(None, default_name=prefix, auxiliary_name_scope=False) as scope:
        kept: Any = (
            None if writes_graph(graph) else []
        )  # outside of graphs, collections would keep it forever
        return make_variable(initial, scope.name, kept, trainable=False)


def operations(done: Any) -> list:
    """Returns what hooks return as a flat list, without what they leave out."""
    return [one for one in tf.nest.flatten(done) if one is not None]


def _counted(finished: Any, global_step: Any, scope: str) -> Any:
    """Returns the operation that counts a step once it is done."""
    with tf.control_dependencies(operations(finished)):
        counted = global_step.assign_add(tf.cast(1, global_step.dtype))
    return tf.group(counted, name=scope)


def _deduplicate_indexed_slices(values: Any, indices: Any) -> tuple[Any, Any]:
    """Returns rows, each place once, with the sums of those that stand at one place.

    Args:
        values: (n, ...)
        indices: (n,)
    """
    places, position = tf.unique(indices)
    return tf.math.unsorted_segment_sum(values, position, tf.shape(places)[0]), places
