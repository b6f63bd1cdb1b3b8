"""`SwapEMAWeights`: evaluates with the averages of the weights."""

from __future__ import annotations

from dovetail.base.errors import at_user_location
from dovetail.keras.callbacks.callback import Callback

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Puts the moving averages of the weights in their place for a while; an optimizer with `use_ema=True` keeps them.

    They are there during evaluation (validation too) and prediction; with `swap_on_epoch`, from the end of an epoch to
    the beginning of the next as well, for callbacks that come after this one and save weights.

    Args:
        swap_on_epoch: see above.

    Raises:
        ValueError: when an evaluation begins, and the optimizer keeps no averages.

    Differs from Keras: after `predict` the model has its own weights back, and a run that is stopped before its last
    epoch ends with the averages too.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        # The variables and their own values, while the averages are in place.
        self._own: list[tuple] | None = None

    def _put_averages(self) -> None:
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if not getattr(optimizer, "use_ema", False):
            raise ValueError(
                "SwapEMAWeights: the optimizer keeps no averages of the weights. Compile with one that does, such as "
                f"keras.optimizers.Adam(use_ema=True){at_user_location()}"
            )
        if self._own is not None or not optimizer.built:
            return  # before the first step, the weights are their average
        variables = optimizer._state.trainable
        averages = optimizer._state.averages_of(variables)
        self._own = [(variable, variable._plain()) for variable in variables]
        for variable, average in zip(variables, averages, strict=True):
            variable.assign(average._plain())

    def _put_own(self) -> None:
        for variable, value in self._own or []:
            variable.assign(value)
        self._own = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self._own = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._put_own()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if self.swap_on_epoch:
            self._put_averages()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._own = None  # `fit` has put the averages in place for good

    def on_test_begin(self, logs: dict | None = None) -> None:
        self._put_averages()

    def on_test_end(self, logs: dict | None = None) -> None:
        self._put_own()

    def on_predict_begin(self, logs: dict | None = None) -> None:
        self._put_averages()

    def on_predict_end(self, logs: dict | None = None) -> None:
        self._put_own()
