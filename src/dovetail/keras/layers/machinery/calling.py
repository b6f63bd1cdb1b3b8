"""Calling a layer: the quick way for the common call, and with everything else that a call may involve."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.settings import state
from dovetail.base.wording import BAD_CALL, tell
from dovetail.engine import is_tracer
from dovetail.function.autograph.gate import converted
from dovetail.graph.node import Node
from dovetail.graph.record import symbolic_outputs
from dovetail.graph.recording import recording
from dovetail.keras.layers.machinery import in_graphs
from dovetail.keras.layers.machinery.context import call_context, calls
from dovetail.keras.layers.machinery.input_spec import check_inputs, fits
from dovetail.keras.layers.machinery.masking import add_masks, first_masks, set_masks
from dovetail.keras.layers.machinery.shapes import as_described, shape_of, symbolic_of
from dovetail.keras.layers.machinery.signature import call_spec
from dovetail.keras.layers.machinery.weights import owner
from dovetail.keras.masks import mask_of, set_mask
from dovetail.keras.rematerialization import remat
from dovetail.ops import arithmetic
from dovetail.ops import shapes as shape_ops
from dovetail.tensor import dtype as dt
from dovetail.tensor.beside import SideTable
from dovetail.tensor.composite import CompositeTensor
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.shape import TensorShape
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor, TensorLike
from dovetail.tensor.variable import DescribeScope, StatelessScope, enter_scope

_NOTHING: contextlib.AbstractContextManager = contextlib.nullcontext()
_NO_DTYPE = np.dtype("V1")  # equal to the dtype of no tensor

# What a layer was called on, beside the tensors of its compute dtype that describe the call: the cast is the layer's
# own business, no operation of the model's.
_given = SideTable()


class Calling:
    """The part of `Layer` that is called.  Only `Layer` derives from it."""

    name: str
    built: bool
    autocast: bool
    supports_masking: bool
    input_spec: Any
    activity_regularizer: Any
    compute_dtype: Any
    trainable_variables: Any
    non_trainable_variables: Any
    add_loss: Any
    _is_leaf: bool
    _is_made_of_layers: bool
    _makes_masks = (
        True  # whether `compute_mask` may return one for inputs without, where a subclass defines it
    )
    _policy: Any
    _plain_dtype: Any
    _remat: Any
    _ensure_built: Any
    _nodes: list[Node]

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs.  Subclasses override it."""
        raise NotImplementedError(f"{type(self).__name__} has no call() method. Define call(self, inputs).")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            len(args) == 1
            and not kwargs
            and (calls.depth or self._is_leaf)
            and type(args[0]) is Tensor
            and self._needs_no_care(args[0])
        ):
            spec = call_spec(type(self).call)
            call = self.call if state.scope is None else converted(self.call)
            if not spec.accepts_training:
                return call(args[0])
            training = _inherited_training()
            if type(training) is not SymbolicTensor:
                return call(args[0], training=spec.training_default if training is None else training)
        try:
            return self._careful_call(args, kwargs)
        except BAD_CALL as error:
            tell(self.name, error, call_spec(type(self).call).names, args, kwargs)

    def _user_call(self, symbolic: bool = False) -> Callable:
        """Returns `call`, with its control flow converted where tensors may have no values."""
        scope = state.scope
        if not symbolic and scope is None:
            return self.call if self._remat is None else self._recomputing(self.call)
        graph, call = recording(), converted(self.call)
        if graph is not None:
            return graph.in_scope(self.name, call)
        describes = symbolic or (scope is not None and scope.describes)
        return call if self._remat is None or describes else self._recomputing(call)

    def _recomputing(self, call: Callable) -> Callable:
        """Returns `call`, computed again in the backward pass where the scope that the layer is of wants it."""

        training, autocast = _inherited_training(), state.autocast

        def as_now(*args: Any, **kwargs: Any) -> Any:
            before, state.autocast = state.autocast, autocast
            try:
                with call_context(training):
                    return call(*args, **kwargs)
            finally:
                state.autocast = before

        def chosen(*args: Any, **kwargs: Any) -> Any:
            wanted = self._remat.wants(self, lambda: self._described_by_call(args, kwargs))
            return remat(as_now)(*args, **kwargs) if wanted else call(*args, **kwargs)

        return chosen

    def _needs_no_care(self, x: Tensor) -> bool:
        """True for the common call: built, one tensor of the right kind, no masks, no casts."""
        return (
            self.built
            and (
                (self._plain_dtype is not None and x._value.dtype == self._plain_dtype)
                or (not self.autocast and x._value.dtype.kind in "iub")
            )
            and state.autocast is None
            and self.activity_regularizer is None
            and mask_of(x) is None
            and (type(self).compute_mask is Calling.compute_mask or (self._is_leaf and not self._makes_masks))
            and (self.input_spec is None or fits(self.input_spec, x._value.shape))
        )

    def _careful_call(self, args: tuple, kwargs: dict) -> Any:
        """Calls the layer with everything that a call may involve: building, casting, masks, symbolic tensors."""
        if "_policy" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ must begin with super().__init__() before the layer is used"
            )
        if not args and not kwargs:
            raise ValueError(f"{self.name}: call the layer on at least one tensor{at_user_location()}")
        if state.scope is not None and in_graphs.are_described(args, kwargs):
            return in_graphs.described(self._careful_call, args, kwargs)
        spec = call_spec(type(self).call)
        args, kwargs, symbolic = self._converted(args, kwargs)
        check_inputs(self, args[0] if args else next(iter(kwargs.values())))
        if self._is_leaf and args and not has_tensor(args[0]):
            raise TypeError(f"{self.name}: expected a tensor, received {args[0]!r:.80}{at_user_location()}")
        above = _NOTHING
        if not self.built:
            above = owner(self)  # of the layers that `call` builds
            self._ensure_built(dict(zip(spec.names, args, strict=False)) | kwargs)
            check_inputs(self, args[0] if args else next(iter(kwargs.values())))
        given = dict(kwargs)
        training = self._training_for(spec, args, kwargs)
        masks = first_masks(args, kwargs)
        if (
            masks is not None
            and spec.accepts_mask
            and kwargs.get("mask") is None
            and len(args) <= spec.names.index("mask")
        ):
            kwargs["mask"] = masks
        if spec.masked:
            add_masks(spec, args, kwargs)
        before = state.autocast
        mixed = self._policy.compute_dtype != self._policy.variable_dtype
        state.autocast = dt.numpy_dtype(self._policy.compute_dtype) if mixed and self.autocast else None
        try:
            with call_context(training), above:
                if symbolic and recording() is None:
                    outputs = self._symbolic_call(args, kwargs, given)
                elif type(training) is SymbolicTensor and self._decides_by_training(spec):
                    call = self._user_call(symbolic)
                    outputs = in_graphs.either(call, args, kwargs, spec.training_position, training)
                else:
                    outputs = self._user_call(symbolic)(*args, **kwargs)
                if self.activity_regularizer is not None:
                    self._regularize_activity(outputs)
        finally:
            state.autocast = before
        if type(self).compute_mask is not Calling.compute_mask or (
            masks is not None and self.supports_masking
        ):
            set_masks(self, args, outputs, masks)
        return outputs

    def _decides_by_training(self, spec: Any) -> bool:
        """Whether it does one thing or another in a graph of a program's, and is no model whose layers do."""
        return spec.accepts_training and not self._is_made_of_layers and in_graphs.written() is not None

    def _converted(self, args: tuple, kwargs: dict) -> tuple[tuple, dict, bool]:
        """Turns arrays into tensors and casts floats to the compute dtype; tells whether anything is symbolic."""
        if len(args) == 1 and (not kwargs or _plain_values(kwargs)):
            x, plain = args[0], self._plain_dtype or _NO_DTYPE
            if type(x) is np.ndarray and (x.dtype == plain or x.dtype.kind in "iub"):
                return (Tensor(x.copy()),), kwargs, False
            if type(x) is Tensor and (x._value.dtype == plain or x._value.dtype.kind in "iubO"):
                return args, kwargs, False
            if type(x) is list and all(type(one) is Tensor and one._value.dtype == plain for one in x):
                return (list(x),), kwargs, False
        symbolic = False
        target = (
            dt.as_dtype(self._policy.compute_dtype) if self.autocast and self._policy.compute_dtype else None
        )

        def convert(leaf: Any) -> Any:
            nonlocal symbolic
            if isinstance(leaf, np.ndarray) or is_tracer(leaf):
                leaf = convert_to_tensor(leaf)
            if not isinstance(leaf, TensorLike):
                return nest.mapped(convert, leaf) if isinstance(leaf, CompositeTensor) else leaf
            if type(leaf) is SymbolicTensor:
                symbolic = True
            elif not isinstance(leaf, Tensor):
                leaf = leaf._tensor()
            if target is not None and leaf.dtype.is_floating and leaf.dtype != target:
                mask, inside = mask_of(leaf), type(leaf) is SymbolicTensor and recording() is None
                leaf = _described_as(leaf, target) if inside else leaf._astype(target)
                if mask is not None:
                    set_mask(leaf, mask)
            return leaf

        if args and not isinstance(args[0], TensorLike | np.ndarray) and _is_numeric(args[0]):
            args = (convert_to_tensor(args[0]), *args[1:])
        return (
            nest.map_structure(convert, args),
            nest.map_structure(convert, kwargs) if kwargs else kwargs,
            symbolic,
        )

    def _training_for(self, spec: Any, args: tuple, kwargs: dict) -> Any:
        """Decides the training flag, and passes it on to `call` when `call` takes it."""
        if not spec.accepts_training:
            given = kwargs.pop("training", None) if not spec.any_keyword else kwargs.get("training")
            return given if given is not None else _inherited_training()
        if len(args) > spec.training_position:
            given = args[spec.training_position]
        else:
            given = kwargs.get("training")
        if isinstance(given, TensorLike) and given.shape.rank:
            raise TypeError(
                f"{self.name}: training must be a bool, received a tensor of shape {tuple(given.shape)}. Pass "
                f"several inputs as one list: layer([a, b]){at_user_location()}"
            )
        if given is None:
            given = _inherited_training()
            if given is None:
                given = spec.training_default
            if given is not None and len(args) <= spec.training_position:
                kwargs["training"] = given
        return given

    def _symbolic_call(self, args: tuple, kwargs: dict, given: dict) -> Any:
        """Adds a node for this call; shapes and dtypes come from running `call` on the symbolic tensors."""
        given = {k: v for k, v in given.items() if v is not None}
        node = Node(self, nest.map_structure(_as_given, args), nest.map_structure(_as_given, given))
        described = self.compute_output_spec(*args, **kwargs)
        leaves, structure = nest.flatten_spec(described)
        outputs = symbolic_outputs(node, leaves, structure)
        self._nodes.append(node)
        return in_graphs.mark(outputs, calls.graph)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns tensors (symbolic ones) that have the shapes and dtypes of the outputs for symbolic inputs."""
        if not self.built:
            self._ensure_built(dict(zip(call_spec(type(self).call).names, args, strict=False)) | kwargs)
        try:
            return self._described_by_call(args, kwargs)
        except TypeError:
            if type(self).compute_output_shape is Calling.compute_output_shape or not args:
                raise
            shapes = self.compute_output_shape(nest.map_structure(shape_of, args[0]))
            return symbolic_of(shapes, self.compute_dtype)

    def _described_by_call(self, args: tuple, kwargs: dict) -> Any:
        """Runs `call` on symbolic tensors, and returns what it gives."""
        tapes, state.tapes = state.tapes, ()
        scope = state.scope if state.scope is not None and state.scope.describes else DescribeScope()
        try:
            with enter_scope(scope):
                return nest.map_structure(as_described, self._user_call()(*args, **kwargs))
        finally:
            state.tapes = tapes

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the output shape for an input shape (or structure of shapes)."""
        inputs = symbolic_of(input_shape, self.compute_dtype)
        if not self.built:
            self._ensure_built({call_spec(type(self).call).names[0]: inputs})
        with call_context(None):
            outputs = self.compute_output_spec(inputs)
        return nest.map_structure(lambda t: TensorShape(t.shape), outputs)

    def _regularize_activity(self, outputs: Any) -> None:
        for leaf in nest.flatten(outputs):
            if isinstance(leaf, Tensor):
                rows = max(int(leaf.shape[0] or 1), 1) if leaf.shape.rank else 1
                self.add_loss(self.activity_regularizer(leaf) / float(rows))
            elif isinstance(leaf, SymbolicTensor) and recording() is not None:
                count = shape_ops.shape(leaf)[0] if leaf.shape.rank else 1
                penalty = self.activity_regularizer(leaf)
                self.add_loss(penalty / arithmetic.cast(arithmetic.maximum(count, 1), dtype=penalty.dtype))

    # ---- masks

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns the mask of the outputs: the mask of the inputs, unless a subclass knows better."""
        return previous_mask

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple:
        """Calls the layer with other values for its variables; returns `(outputs, new non-trainable values)`.

        With `return_losses` the losses of the call are the third part.
        """
        pairs = [
            *zip(self.trainable_variables, trainable_variables, strict=True),
            *zip(self.non_trainable_variables, non_trainable_variables, strict=True),
        ]
        given = [(variable, convert_to_tensor(value)) for variable, value in pairs]
        scope = StatelessScope(state.scope, given)  # the tensors themselves: gradients pass
        with enter_scope(scope):
            outputs = self(*args, **kwargs)
            found = outputs, [scope.tensor(variable) for variable in self.non_trainable_variables]
            return (*found, list(self.losses)) if return_losses else found  # type: ignore[attr-defined]


def _described_as(given: SymbolicTensor, dtype: dt.DType) -> SymbolicTensor:
    """Returns a tensor like the given one, of another dtype, that knows the given one."""
    described = SymbolicTensor(given.shape, dtype, given.sparse, given.ragged, name=given.name)
    _given.keep(described, given)
    return described


def _as_given(leaf: Any) -> Any:
    given = _given.get(leaf) if type(leaf) is SymbolicTensor else None
    return leaf if given is None else given


def _inherited_training() -> Any:
    flag = calls.training if calls.training is not None else calls.learning_phase
    return in_graphs.phase() if flag is None and state.scope is not None else flag


def _plain_values(kwargs: dict) -> bool:
    return all(value is None or type(value) is bool for value in kwargs.values())


def has_tensor(value: Any) -> bool:
    return any(isinstance(leaf, TensorLike) for leaf in nest.flat(value))


def _is_numeric(value: Any) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return True
    return isinstance(value, list) and bool(value) and all(_is_numeric(item) for item in value)
