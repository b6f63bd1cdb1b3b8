"""`tf.compat.v1.layers`: layers whose variables `get_variable` makes, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import dovetail as tf
from dovetail.base.errors import at_user_location
from dovetail.compat.first.initializers import Ones, Zeros
from dovetail.compat.first.keys import GraphKeys
from dovetail.compat.first.scopes import get_variable, variable_scope
from dovetail.graph.by_hand import written_graph
from dovetail.keras.naming import to_snake_case


class Layer:
    """Base of the layers: made once, its variables are made when it is called first.

    Args:
        trainable: whether optimizers change its variables.
        name: of the scope of its variables.
        dtype: of its variables, that of what it is called on when None.

    Subclasses define `call(inputs)`, and get variables by `add_weight(name, shape, ...)`.
    """

    _base: ClassVar[str] = "layer"

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, **others: Any
    ) -> None:
        self._scope_given, self._reuse = others.pop("_scope", None), others.pop("_reuse", None)
        if others:
            raise TypeError(f"{type(self).__name__}: unknown arguments {sorted(others)}{at_user_location()}")
        self.trainable, self._name, self.dtype = trainable, name, dtype
        self._scope: Any = None
        self._weights: dict[str, Any] = {}
        self.built = False

    @property
    def name(self) -> str:
        return (
            self._scope.name.rpartition("/")[2]
            if self._scope is not None
            else self._name or self._base_name()
        )

    @classmethod
    def _base_name(cls) -> str:
        """Returns what layers of the class are named: after the class, where a program defines it."""
        return cls.__dict__.get("_base") or to_snake_case(cls.__name__)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        inputs = tf.nest.map_structure(tf.convert_to_tensor, inputs)
        self.dtype = self.dtype or tf.nest.flatten(inputs)[0].dtype
        wanted = self._scope or self._scope_given or self._name
        reuse = True if self.built else self._reuse
        with variable_scope(wanted, default_name=self._base_name(), reuse=reuse) as scope:
            self._scope = scope
            result = self.call(inputs, *args, **kwargs)
        self.built = True
        return result

    apply = __call__

    def call(self, inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__}: define call(inputs)")

    def add_weight(
        self,
        name: str,
        shape: Any,
        initializer: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> Any:
        """Returns the variable of a name, made at the first call."""
        if name not in self._weights:
            self._weights[name] = get_variable(
                name,
                shape,
                dtype or self.dtype,
                initializer,
                regularizer,
                trainable and self.trainable,
                constraint=constraint,
            )
        return self._weights[name]

    add_variable = add_weight

    @property
    def variables(self) -> list:
        return list(self._weights.values())

    weights = variables

    @property
    def trainable_weights(self) -> list:
        return [variable for variable in self.variables if variable.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list:
        return [variable for variable in self.variables if not variable.trainable]

    def __getattr__(self, name: str) -> Any:
        weights = self.__dict__.get("_weights", {})
        if name in weights:
            return weights[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class _Weighted(Layer):
    """A kernel, an addition and a function: what dense and convolutional layers share."""

    def __init__(
        self,
        activation: Callable | None,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        **others: Any,
    ) -> None:
        super().__init__(**others)
        self.activation, self.use_bias, self._activity_regularizer = (
            activation,
            use_bias,
            activity_regularizer,
        )
        self._of_kernel = (kernel_initializer, kernel_regularizer, kernel_constraint)
        self._of_bias = (bias_initializer, bias_regularizer, bias_constraint)

    def _kernel(self, shape: list) -> Any:
        if shape[-2] is None:
            raise ValueError(
                f"{type(self).__name__}: the number of channels must be known{at_user_location()}"
            )
        return self.add_weight("kernel", shape, *self._of_kernel)

    def _ended(self, outputs: Any, units: int, channels_first: bool = False) -> Any:
        if self.use_bias:
            bias = tf.convert_to_tensor(self.add_weight("bias", [units], *self._of_bias))
            rank = outputs.shape.rank
            outputs = outputs + (tf.reshape(bias, [1, units, *[1] * (rank - 2)]) if channels_first else bias)
        if self.activation is not None:
            outputs = self.activation(outputs)
        if self._activity_regularizer is not None:
            written_graph().add_to_collection(
                GraphKeys.REGULARIZATION_LOSSES, self._activity_regularizer(outputs)
            )
        return outputs


class Dense(_Weighted):
    """`activation(inputs @ kernel + bias)`."""

    _base = "dense"

    def __init__(
        self,
        units: int,
        activation: Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = Zeros,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            *(
                activation,
                use_bias,
                kernel_initializer,
                bias_initializer,
                kernel_regularizer,
                bias_regularizer,
            ),
            *(activity_regularizer, kernel_constraint, bias_constraint),
            trainable=trainable,
            name=name,
            **others,
        )
        self.units = int(units)

    def call(self, inputs: Any) -> Any:
        return self._ended(tf.tensordot(inputs, self._kernel([inputs.shape[-1], self.units]), 1), self.units)


class _Convolution(_Weighted):
    """A convolution over `_rank` dimensions."""

    _rank: ClassVar[int] = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = Zeros,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(
            *(
                activation,
                use_bias,
                kernel_initializer,
                bias_initializer,
                kernel_regularizer,
                bias_regularizer,
            ),
            *(activity_regularizer, kernel_constraint, bias_constraint),
            trainable=trainable,
            name=name,
            **others,
        )
        self.filters, self.padding, self.data_format = int(filters), padding.upper(), data_format
        self.kernel_size, self.strides = _sizes(kernel_size, self._rank), _sizes(strides, self._rank)
        self.dilation_rate = _sizes(dilation_rate, self._rank)

    def call(self, inputs: Any) -> Any:
        first = self.data_format == "channels_first"
        kernel = self._kernel([*self.kernel_size, inputs.shape[1 if first else -1], self.filters])
        layout = _layout(self._rank, first)
        outputs = tf.nn.convolution(
            inputs, kernel, self.strides, self.padding, data_format=layout, dilations=self.dilation_rate
        )
        return self._ended(outputs, self.filters, first)


class Conv1D(_Convolution):
    """A convolution over sequences."""

    _base, _rank = "conv1d", 1


class Conv2D(_Convolution):
    """A convolution over pictures."""

    _base = "conv2d"


class Conv3D(_Convolution):
    """A convolution over volumes."""

    _base, _rank = "conv3d", 3


def _sizes(value: Any, rank: int) -> list[int]:
    return [int(value)] * rank if isinstance(value, int) else [int(size) for size in value]


def _layout(rank: int, channels_first: bool) -> str:
    area = "DHW"[3 - rank :]
    return f"NC{area}" if channels_first else f"N{area}C"


class Flatten(Layer):
    """Makes rows of all but the first dimension."""

    _base = "flatten"

    def __init__(self, data_format: str = "channels_last", **others: Any) -> None:
        super().__init__(**others)
        self._first = data_format == "channels_first"

    def call(self, inputs: Any) -> Any:
        if self._first and (inputs.shape.rank or 0) > 2:
            inputs = tf.transpose(inputs, [0, *range(2, inputs.shape.rank), 1])
        count = inputs.shape[1:].num_elements()
        flat = tf.reshape(inputs, [tf.shape(inputs)[0], -1 if count is None else count])
        flat.set_shape([inputs.shape[0], count])
        return flat


class Dropout(Layer):
    """Drops a part of the inputs while `training`, and scales up the rest."""

    _base = "dropout"

    def __init__(
        self,
        rate: Any = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(name=name, **others)
        self.rate, self._noise_shape, self._seed = rate, noise_shape, seed

    def call(self, inputs: Any, training: Any = False) -> Any:
        def dropped() -> Any:
            return tf.nn.dropout(inputs, self.rate, noise_shape=self._noise_shape, seed=self._seed)

        return _chosen(training, dropped, lambda: tf.identity(inputs))


def _chosen(training: Any, yes: Callable, no: Callable) -> Any:
    if isinstance(training, bool | int):
        return yes() if training else no()
    return tf.cond(tf.cast(training, "bool"), yes, no)


class BatchNormalization(Layer):
    """Brings each channel to mean 0 and variance 1, by the batch while `training`, else by moving averages.

    The operations that update the averages are in the collection `UPDATE_OPS`: a training step must run them.
    """

    _base = "batch_normalization"

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = Zeros,
        gamma_initializer: Any = Ones,
        moving_mean_initializer: Any = Zeros,
        moving_variance_initializer: Any = Ones,
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **others: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **others)
        self.axis = axis[0] if isinstance(axis, list | tuple) else axis
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self._of_beta = (beta_initializer, beta_regularizer, beta_constraint)
        self._of_gamma = (gamma_initializer, gamma_regularizer, gamma_constraint)
        self._of_moving = (moving_mean_initializer, moving_variance_initializer)

    def call(self, inputs: Any, training: Any = False) -> Any:
        rank = inputs.shape.rank
        axis = self.axis % rank
        size, others = [inputs.shape[axis]], [i for i in range(rank) if i != axis]
        gamma = self.add_weight("gamma", size, *self._of_gamma) if self.scale else None
        beta = self.add_weight("beta", size, *self._of_beta) if self.center else None
        mean = self.add_weight("moving_mean", size, self._of_moving[0], trainable=False)
        variance = self.add_weight("moving_variance", size, self._of_moving[1], trainable=False)
        kept = tf.convert_to_tensor(mean), tf.convert_to_tensor(variance)
        used = _chosen(training, lambda: tuple(tf.nn.moments(inputs, others)), lambda: kept)
        self._update(training, (mean, variance), used)
        broadcast = [-1 if i == axis else 1 for i in range(rank)]
        shaped = [None if p is None else tf.reshape(p, broadcast) for p in (*used, beta, gamma)]
        return tf.nn.batch_normalization(inputs, *shaped, self.epsilon)

    def _update(self, training: Any, moving: tuple, used: tuple) -> None:
        if training is False:
            return
        keep = _chosen(training, lambda: tf.constant(self.momentum), lambda: tf.constant(1.0))
        for variable, value in zip(moving, used, strict=True):
            update = variable.assign_sub((variable - value) * (1.0 - tf.cast(keep, variable.dtype)))
            written_graph().add_to_collection(GraphKeys.UPDATE_OPS, update)


def _function(kind: type[Layer], name: str) -> Callable:
    """Returns the function that makes a layer and calls it at once; `name` and `reuse` share its variables."""

    def layer(inputs: Any, *args: Any, reuse: Any = None, **kwargs: Any) -> Any:
        called = {key: kwargs.pop(key) for key in ("training",) if key in kwargs}
        scope = kwargs.get("name") if reuse else None
        return kind(*args, _reuse=reuse, _scope=scope, **kwargs)(inputs, **called)

    layer.__name__ = name
    layer.__doc__ = f"Makes a `tf.compat.v1.layers.{kind.__name__}` and returns what it gives for `inputs`."
    return layer


def _pooling(rank: int, name: str) -> Callable:
    kind = "MAX" if name.startswith("max") else "AVG"

    def pool(
        inputs: Any,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: str | None = None,
    ) -> Any:
        layout = _layout(rank, data_format == "channels_first")
        return tf.nn.pool(
            tf.convert_to_tensor(inputs),
            _sizes(pool_size, rank),
            kind,
            _sizes(strides, rank),
            padding.upper(),
            data_format=layout,
        )

    pool.__name__, pool.__doc__ = name, f"Returns the {kind.lower()} of windows over {rank} dimensions."
    return pool


NAMES: dict[str, Any] = {
    **{
        kind.__name__: kind
        for kind in (BatchNormalization, Conv1D, Conv2D, Conv3D, Dense, Dropout, Flatten, Layer)
    },
    "batch_normalization": _function(BatchNormalization, "batch_normalization"),
    "conv1d": _function(Conv1D, "conv1d"),
    "conv2d": _function(Conv2D, "conv2d"),
    "conv3d": _function(Conv3D, "conv3d"),
    "dense": _function(Dense, "dense"),
    "dropout": _function(Dropout, "dropout"),
    "flatten": _function(Flatten, "flatten"),
    **{
        f"{kind}_pooling{rank}d": _pooling(rank, f"{kind}_pooling{rank}d")
        for kind in ("average", "max")
        for rank in (1, 2, 3)
    },
}
