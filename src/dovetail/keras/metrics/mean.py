"""Sums and means over everything seen, and metrics made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dovetail.function.autograph.gate import user_code
from dovetail.keras.losses.reduce import converted, masked_weight, same_rank
from dovetail.keras.masks import mask_of
from dovetail.keras.metrics.metric import Metric
from dovetail.keras.registration import own_name
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import arithmetic, reduction, shapes

__all__ = ["Mean", "MeanMetricWrapper", "MeanTensor", "Sum"]


def _over(reduce: Callable, x: Any, first: int) -> Any:
    """Reduces over the axes from `first` on."""
    rank = len(x.shape)
    return reduce(x, axis=tuple(range(first, rank))) if rank > first else x


def samplewise(values: Any, sample_weight: Any, reduce: Callable, dtype: str) -> tuple[Any, Any]:
    """Returns weighted values and weights, one a sample.

    Args:
        values: of shape (batch, ...).
        sample_weight: None, or weights that broadcast to the values; values along axes it lacks are reduced first.
        reduce: how values of one sample become one.
        dtype: to compute in.
    """
    mask = mask_of(values)
    values = converted(values, dtype)
    if sample_weight is None:
        return _over(reduce, values, 1), None
    values, weight = same_rank(values, masked_weight(sample_weight, mask, dtype, "sum"))
    rank = len(weight.shape)
    values = _over(reduce, values, rank)
    if weight.shape != values.shape or not weight.shape.is_fully_defined():
        weight = shapes.broadcast_to(weight, shape=shapes.shape(values))
    return _over(reduce, values * weight, 1), _over(reduce, weight, 1)


class Sum(Metric):
    """The (weighted) sum of all values."""

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, _ = samplewise(values, sample_weight, reduction.reduce_sum, self._dtype)
        self.total.assign_add(reduction.reduce_sum(values))

    def result(self) -> Any:
        return self.total.read_value()


class Mean(Metric):
    """The (weighted) mean of all values.

    Example:
        >>> mean = keras.metrics.Mean()
        >>> mean.update_state([1.0, 3.0, 5.0, 7.0])
        >>> float(mean.result())
        4.0
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable(name="total")
        self.count = self.add_variable(name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values, weight = samplewise(values, sample_weight, reduction.reduce_mean, self._dtype)
        self.total.assign_add(reduction.reduce_sum(values) if len(values.shape) else values)
        self.count.assign_add(_num_samples(values) if weight is None else reduction.reduce_sum(weight))

    def result(self) -> Any:
        return arithmetic.divide_no_nan(self.total.read_value(), self.count.read_value())


def _num_samples(values: Any) -> Any:
    if not len(values.shape):
        return 1.0
    size = values.shape[0]
    return shapes.shape(values)[0]._astype(values.dtype) if size is None else float(size)


class MeanTensor(Metric):
    """The (weighted) mean of tensors of one shape, element by element.

    Args:
        shape: of the tensors; that of the first when None.
    """

    total: Any = None
    count: Any = None

    def __init__(self, name: str = "mean_tensor", dtype: Any = None, shape: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self._shape = None if shape is None else tuple(shape)
        if self._shape is not None:
            self._create(self._shape)

    def _create(self, shape: tuple) -> None:
        self._shape = shape
        self.total = self.add_variable(shape, name="total")
        self.count = self.add_variable(shape, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        values = converted(values, self._dtype)
        if self.total is None:
            self._create(tuple(values.shape))
        if tuple(values.shape) != self._shape:
            raise ValueError(
                f"{self.name}: expected values of the shape {self._shape}, received {values.shape}"
            )
        weight = values * 0.0 + 1.0
        if sample_weight is not None:
            given = converted(sample_weight, self._dtype)
            missing = (1,) * (len(values.shape) - len(given.shape))
            weight = weight * shapes.reshape(given, shape=(*given.shape, *missing))
        self.total.assign_add(values * weight)
        self.count.assign_add(weight)

    def result(self) -> Any:
        if self.total is None:
            raise ValueError(f"{self.name}: there is no result yet; call update_state first")
        return arithmetic.divide_no_nan(self.total.read_value(), self.count.read_value())

    def get_config(self) -> dict:
        return {**super().get_config(), "shape": self._shape}


class MeanMetricWrapper(Mean):
    """The mean of a function of targets and predictions.

    Args:
        fn: `fn(y_true, y_pred, **kwargs)` returns values of shape (batch, ...).
        name, dtype: see `Metric`.
        kwargs: passed on to `fn`.
    """

    def __init__(self, fn: Callable, name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(
            name=name or str(getattr(fn, "__name__", None) or getattr(fn, "name", "mean")), dtype=dtype
        )
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        values = user_code(self._fn)(y_true, y_pred, **self._fn_kwargs)
        weight = masked_weight(sample_weight, mask_of(y_pred), self._dtype, "sum")
        super().update_state(values, sample_weight=weight)

    def get_config(self) -> dict:
        config = {**super().get_config(), **serialize_keras_object(self._fn_kwargs)}
        if type(self) is MeanMetricWrapper or own_name(type(self)) is None:
            config["fn"] = serialize_keras_object(self._fn)
        return config

    @classmethod
    def from_config(cls, config: dict) -> Metric:
        return cls(**{key: _rebuilt(value) for key, value in config.items()})


def _rebuilt(value: Any) -> Any:
    """Rebuilds a function or an array from its config; plain values, tuples too, stay as they are."""
    return deserialize_keras_object(value) if isinstance(value, dict) else value
