"""Intersection over union: how well predicted regions cover the true ones."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.settings import settings
from dovetail.keras.losses.reduce import converted
from dovetail.keras.metrics.metric import Metric
from dovetail.ops import arithmetic, logic, reduction, segment, shapes
from dovetail.tensor.convert import convert_to_tensor
from dovetail.tensor.dtype import as_dtype

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]

_FLOAT, _INT = as_dtype("float32"), as_dtype("int32")


class IoU(Metric):
    """The mean over some classes of `TP / (TP + FP + FN)`; classes that never occur do not count.

    Args:
        num_classes: how many classes there are.
        target_class_ids: those to average over.
        ignore_class: a label whose elements do not count.
        sparse_y_true, sparse_y_pred: class numbers; False: scores or one-hot labels along `axis`.
        axis: the class axis of those.

    Pairs with a class number outside [0, num_classes) do not count.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Any,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.target_class_ids = list(target_class_ids)
        if max(self.target_class_ids) >= num_classes:
            raise ValueError(
                f"{self.name}: target_class_ids must be below num_classes={num_classes}, received "
                f"{self.target_class_ids}{at_user_location()}"
            )
        self.num_classes, self.ignore_class, self.axis = num_classes, ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        self.total_cm = self.add_variable((num_classes, num_classes), name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        labels = _classes(y_true, self.sparse_y_true, self.axis)
        predicted = _classes(y_pred, self.sparse_y_pred, self.axis)
        valid = logic.logical_and(_inside(labels, self.num_classes), _inside(predicted, self.num_classes))
        if self.ignore_class is not None:
            valid = logic.logical_and(valid, logic.not_equal(labels, self.ignore_class))
        weight = valid._astype(as_dtype(self._dtype))
        if sample_weight is not None:
            given = converted(sample_weight, self._dtype)
            weight = weight * (shapes.reshape(given, shape=(-1,)) if len(given.shape) else given)
        counted = valid._astype(_INT)
        self.total_cm.assign_add(
            segment.count_pairs(
                labels * counted, predicted * counted, weight, num_classes=self.num_classes, dtype=self._dtype
            )
        )

    def result(self) -> Any:
        table = arithmetic.cast(self.total_cm.read_value(), dtype=_FLOAT)
        right = table * _diagonal(self.num_classes)
        overlap = reduction.reduce_sum(right, axis=0)
        union = reduction.reduce_sum(table, axis=0) + reduction.reduce_sum(table, axis=1) - overlap
        chosen = _chosen(self.num_classes, self.target_class_ids)
        occurs = (union > 1e-9)._astype(_FLOAT) * chosen
        each = occurs * overlap / (union + settings.epsilon)
        return arithmetic.divide(reduction.reduce_sum(each), reduction.reduce_sum(occurs) + settings.epsilon)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


def _classes(values: Any, sparse: bool, axis: int) -> Any:
    values = convert_to_tensor(values)
    values = values if sparse else reduction.argmax(values, axis=axis)
    return shapes.reshape(values._astype(_INT), shape=(-1,))


def _inside(classes: Any, num_classes: int) -> Any:
    return logic.logical_and(logic.greater_equal(classes, 0), logic.less(classes, num_classes))


def _diagonal(size: int) -> Any:
    return convert_to_tensor([[float(i == j) for j in range(size)] for i in range(size)], "float32")


def _chosen(size: int, classes: list[int]) -> Any:
    return convert_to_tensor([float(classes.count(i)) for i in range(size)], "float32")


class MeanIoU(IoU):
    """The mean intersection over union of all classes."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        every = range(num_classes)
        super().__init__(num_classes, every, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict:
        return _without(super().get_config(), "target_class_ids")


class OneHotIoU(IoU):
    """`IoU` for one-hot labels."""

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Any,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict:
        return _without(super().get_config(), "sparse_y_true")


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for one-hot labels."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict:
        return _without(super().get_config(), "sparse_y_true")


class BinaryIoU(IoU):
    """`IoU` of the classes 0 and 1, for scores that count as 1 from `threshold` on."""

    def __init__(
        self,
        target_class_ids: Any = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        positive = logic.greater_equal(converted(y_pred, "float32"), self.threshold)
        super().update_state(y_true, positive._astype(_INT), sample_weight)

    def get_config(self) -> dict:
        config = super().get_config()
        return {key: config[key] for key in ("name", "dtype", "target_class_ids")} | {
            "threshold": self.threshold
        }


def _without(config: dict, name: str) -> dict:
    return {key: value for key, value in config.items() if key != name}
