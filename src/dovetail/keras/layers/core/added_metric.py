"""`add_metric`: means of values that layers compute, reported beside the loss."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.keras.layers.machinery.layer import Layer


@declare
class AddMetric(Layer):
    """Gathers the mean of a tensor of a functional model; `Model.add_metric` makes these.

    Args:
        metric_name: name of the mean.
        aggregation: see `Layer.add_metric`.
    """

    def __init__(self, metric_name: str | None, aggregation: str | None = "mean", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if metric_name is None:
            raise ValueError(f"add_metric: pass a name for the metric{at_user_location()}")
        self.metric_name, self.aggregation = metric_name, aggregation

    def call(self, inputs: Any) -> Any:
        self.add_metric(inputs, name=self.metric_name, aggregation=self.aggregation)
        return inputs

    def get_config(self) -> dict:
        return super().get_config() | {"metric_name": self.metric_name, "aggregation": self.aggregation}
