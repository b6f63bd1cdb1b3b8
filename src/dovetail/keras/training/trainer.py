"""`fit`, `evaluate`, `predict` and their single-batch forms: what users call, with what they may pass."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from dovetail.base import nest
from dovetail.base.step_times import DATA, spending
from dovetail.keras.layers.machinery.in_graphs import in_session
from dovetail.keras.training import runs
from dovetail.keras.training.arrays import as_numpy, class_weighted, copied, structured
from dovetail.keras.training.compiling import Compiling
from dovetail.keras.training.legacy import OfKeras2
from dovetail.keras.training.loaders import with_workers
from dovetail.keras.training.options import RunOptions
from dovetail.keras.training.programs import to_numbers
from dovetail.keras.training.sources import evaluation_data, training_data
from dovetail.keras.training.state_tree import StateTrees
from dovetail.keras.training.steps import pack_x_y_sample_weight
from dovetail.tensor.tensor import Tensor


class Trainer(OfKeras2, StateTrees, Compiling):
    """The training half of `keras.Model`."""

    _told_methods: ClassVar[tuple[str, ...]] = (
        *("__init__", "compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch"),
        *("predict_on_batch", "get_layer", "add", "pop"),
    )

    @in_session
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Trains the model for a number of epochs.

        Args:
            x: input arrays (an array, or a list or dict of them), a `tf.data.Dataset`, a generator or a `Sequence` of
                batches.
            y: target arrays; None when `x` gives batches.
            batch_size: samples a step, 32 by default.
            epochs: number of passes over the data.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch.
            callbacks: list of `keras.callbacks.Callback`.
            validation_split: fraction of the arrays, from their end, that is held back for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)`, or a dataset.
            shuffle: new order of the samples in each epoch; of the batches of a `Sequence`.
            class_weight: `{class: weight}`.
            sample_weight: weight of each sample.
            initial_epoch: number of the first epoch.
            steps_per_epoch: batches an epoch, for endless data.
            validation_steps, validation_batch_size, validation_freq: the same for validation; how often it runs.
            max_queue_size, workers, use_multiprocessing: of a `Sequence`: who makes its batches; see `PyDataset`.

        Returns:
            a `History` whose `history` holds the logs of each epoch.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: the data is empty, or its parts differ in length.

        Ctrl-C stops after the current step; the model keeps the weights of the last finished step.
        """
        self._need_compiled("fit")
        with spending(DATA):
            data, validation = training_data(
                with_workers(x, workers, use_multiprocessing, max_queue_size),
                y,
                sample_weight,
                batch_size,
                shuffle,
                class_weight,
                steps_per_epoch,
                validation_split,
                validation_data,
            )
        if validation is not None:
            held, validation_batch = validation, validation_batch_size or batch_size
            validation = evaluation_data(held[0], held[1], held[2], validation_batch, validation_steps)
        options = RunOptions(
            callbacks, verbose, steps_per_epoch, epochs, initial_epoch, validation_steps, validation_freq
        )
        history = runs.train(self, data, validation, options)
        if self.history is not history:
            self.history = history
        return history

    @in_session
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Returns the loss and the metrics on data.

        Args: as in `fit`; `return_dict` returns a dict by name instead of a list in the order of `metrics_names`.
        """
        self._need_compiled("evaluate")
        x = with_workers(x, workers, use_multiprocessing, max_queue_size)
        with spending(DATA):
            data = evaluation_data(x, y, sample_weight, batch_size, steps)
        logs = runs.evaluate(self, data, RunOptions(callbacks, verbose, steps))
        return _shaped(logs, return_dict)

    @in_session
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
    ) -> Any:
        """Returns the outputs for `x` as NumPy arrays, computed batch by batch.

        Args: as in `fit`.
        """
        if (
            type(x) is np.ndarray
            and 0 < len(x) <= (batch_size or 32)
            and x.size
            and not callbacks
            and not verbose
        ):
            return self._outputs_of([as_numpy(x)], nest.flatten_spec(x)[1])
        x = with_workers(x, workers, use_multiprocessing, max_queue_size)
        with spending(DATA):
            data = evaluation_data(x, None, None, batch_size, steps)
        return runs.predict(self, data, RunOptions(callbacks, verbose, steps))

    def _outputs_of(self, leaves: list, spec: Any) -> Any:
        """Predicts one batch: no adapters, no callbacks."""
        result = self._executors["predict"].once(leaves, spec)
        return copied(result) if type(result) is Tensor else nest.map_structure(copied, result)

    @in_session
    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict | None = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Any:
        """Runs one training step on one batch; returns the loss and the metrics.

        Args: as in `fit`; `reset_metrics=False` continues the metrics of the batches before.
        """
        self._need_compiled("train_on_batch")
        if reset_metrics:
            self.reset_metrics()
        if class_weight is not None:
            sample_weight = class_weighted(y, sample_weight, class_weight)
        return self._on_batch("train", x, y, sample_weight, return_dict)

    @in_session
    def test_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        reset_metrics: bool = True,
        return_dict: bool = False,
    ) -> Any:
        """Evaluates one batch; returns the loss and the metrics, see `train_on_batch`."""
        self._need_compiled("test_on_batch")
        if reset_metrics:
            self.reset_metrics()
        return self._on_batch("test", x, y, sample_weight, return_dict)

    @in_session
    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for one batch as NumPy arrays."""
        leaves, spec = nest.flatten_spec(pack_x_y_sample_weight(structured(x)))
        return self._outputs_of([as_numpy(leaf) for leaf in leaves], spec)

    def _on_batch(self, kind: str, x: Any, y: Any, weight: Any, return_dict: bool) -> Any:
        batch = pack_x_y_sample_weight(structured(x), structured(y), structured(weight))
        leaves, spec = nest.flatten_spec(batch)
        logs = self._executors[kind].once([as_numpy(leaf) for leaf in leaves], spec)
        return _shaped(to_numbers(logs), return_dict)


def _shaped(logs: dict, return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values
