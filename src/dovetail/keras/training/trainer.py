"""`compile`, `fit`, `evaluate`, `predict` and their single-batch forms."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from dovetail.base import nest
from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import settings
from dovetail.base.told import Told
from dovetail.engine import uses_xla
from dovetail.function.autograph.gate import converted
from dovetail.keras import checks, optimizers
from dovetail.keras import metrics as metrics_module
from dovetail.keras.callbacks.callback_list import CallbackList
from dovetail.keras.layers.tracking import held_objects, unique
from dovetail.keras.mixed_precision import LossScaleOptimizer
from dovetail.keras.training.arrays import as_numpy, class_weighted, structured
from dovetail.keras.training.loop import Epoch, deferred_interrupt
from dovetail.keras.training.losses import CompiledLoss
from dovetail.keras.training.metrics import CompiledMetrics
from dovetail.keras.training.programs import StepPrograms, run_once, to_numbers
from dovetail.keras.training.sources import evaluation_data, training_data
from dovetail.keras.training.steps import Steps, pack_x_y_sample_weight
from dovetail.keras.training.streams import StreamData
from dovetail.keras.training.trained import TrainableFlags
from dovetail.tensor.tensor import Tensor

_IGNORED_COMPILE = frozenset(
    {"experimental_run_tf_function", "sample_weight_mode", "target_tensors", "distribute"}
)


class Trainer(Steps, Told):
    """The training half of `keras.Model`."""

    _told_methods: ClassVar[tuple[str, ...]] = (
        *("__init__", "compile", "fit", "evaluate", "predict", "train_on_batch", "test_on_batch"),
        *("predict_on_batch", "get_layer", "add", "pop"),
    )

    dtype_policy: Any
    output_names: Any
    _flatten_layers: Any

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.compiled = False
        self.stop_training = False
        self.history: Any = None
        self.loss: Any = None
        self._run_eagerly = False
        self._compiled_loss = None
        self._compiled_metrics = None
        self._loss_tracker: Any = None
        self._compile_config: dict = {}
        self._flags_of_compile = TrainableFlags(None)
        self._reset_programs()

    # ---- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool | None = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        **kwargs: Any,
    ) -> None:
        """Configures training.

        Args:
            optimizer: name or `keras.optimizers.Optimizer`.
            loss: name, function, `Loss`, or a list or dict of them by output.
            loss_weights: factors of the losses, in the same form.
            metrics, weighted_metrics: lists of names, functions or `Metric`s, or lists or dicts of lists by output.
            run_eagerly: run steps op by op, for debugging.
            steps_per_execution: accepted; `fit` runs many steps per dispatch by itself.
            jit_compile: accepted; steps are always compiled by XLA unless `run_eagerly`.
            auto_scale_loss: wrap the optimizer in a `LossScaleOptimizer` under the mixed_float16 policy.
        """
        if _are_metrics(loss_weights):  # Keras 2's order of arguments: optimizer, loss, metrics, loss_weights
            loss_weights, metrics = metrics, loss_weights
        for name in kwargs:
            if name not in _IGNORED_COMPILE:
                known = list(inspect.signature(Trainer.compile).parameters)
                raise TypeError(
                    f"compile: unknown argument {name!r}.{suggest(name, known)}{at_user_location()}"
                )
        self.optimizer = optimizers.get(optimizer)
        scalable = self.optimizer is not None and not isinstance(self.optimizer, LossScaleOptimizer)
        if auto_scale_loss and scalable and self.dtype_policy.name == "mixed_float16":
            self.optimizer = LossScaleOptimizer(self.optimizer)
        self.loss = loss
        names = self.output_names
        self._compiled_loss = CompiledLoss(loss, loss_weights, names) if loss is not None else None
        given = metrics or weighted_metrics
        self._compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names) if given else None
        self._loss_tracker = metrics_module.Mean(name="loss")
        self._run_eagerly = bool(run_eagerly)
        self.steps_per_execution = checks.count(steps_per_execution, "steps_per_execution", 1)
        self.jit_compile = jit_compile
        self._compile_config = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        self._flags_of_compile = TrainableFlags(self)
        self.compiled = True
        self.stop_training = False
        self._reset_programs()

    @property
    def run_eagerly(self) -> bool:
        return self._run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        self._run_eagerly = bool(value)

    def _need_compiled(self, what: str) -> None:
        overridden = (
            type(self).train_step is not Steps.train_step or type(self).test_step is not Steps.test_step
        )
        if not self.compiled and not overridden:
            raise RuntimeError(
                f"{what}: compile the model first: model.compile(optimizer, loss){at_user_location()}"
            )
        if self._loss_tracker is None:
            self._loss_tracker = metrics_module.Mean(name="loss")

    @property
    def metrics(self) -> list:
        """The metrics: the loss, those of single outputs, the compiled ones, those that layers hold."""
        found = [] if self._loss_tracker is None or not self._tracks_loss() else [self._loss_tracker]
        if self._compiled_loss is not None:
            found += self._compiled_loss.metrics
        if self._compiled_metrics is not None:
            found.append(self._compiled_metrics)
        layers = self._flatten_layers()
        # What compile() has made or was given, here and in compiled models inside this one.
        compiled = {
            id(m) for layer in layers if isinstance(layer, Trainer) for m in layer._metrics_of_compile()
        }
        for layer in layers:
            for value in held_objects(layer):
                if isinstance(value, metrics_module.Metric) and id(value) not in compiled:
                    found.append(value)
        return unique(found)

    def _metrics_of_compile(self) -> list:
        trackers = [] if self._compiled_loss is None else self._compiled_loss.metrics
        given = [] if self._compiled_metrics is None else self._compiled_metrics.held
        return [self._loss_tracker, *trackers, *given]

    @property
    def metrics_variables(self) -> list:
        """The state of the metrics."""
        return unique(variable for metric in self.metrics for variable in metric.variables)

    def _tracks_loss(self) -> bool:
        return self.compiled

    @property
    def metrics_names(self) -> list[str]:
        return [name for metric in self.metrics for name in _names_of(metric)]

    def reset_metrics(self) -> None:
        """Starts all metrics over."""
        for metric in self.metrics:
            metric.reset_state()

    # ---- compiled steps

    def _reset_programs(self) -> None:
        """Forgets the compiled steps. The steps are looked up when they run: programs assign to `model.train_step`."""

        facts = self._trace_facts
        train, test = self._step("train_step", converted), self._step("test_step", converted)
        self._train_programs = StepPrograms(train, self._label_check("train_step"), facts)
        self._test_programs = StepPrograms(test, self._label_check("test_step"), facts)
        self._predict_programs = StepPrograms(self._step("predict_step", converted))

    def _step(self, name: str, prepared: Callable[[Any], Any] = lambda step: step) -> Callable[[Any], Any]:
        """Returns a step by its name, in which layers and variables are as trainable as when the model was compiled."""

        def step(data: Any) -> Any:
            with self._flags_of_compile.seen():
                return prepared(getattr(self, name))(data)

        return step

    def make_train_function(self, force: bool = False) -> None:
        """Forgets the compiled steps when `force` is set; they are made on demand."""
        if force:
            self._reset_programs()

    def _trace_facts(self) -> tuple:
        """Returns what a traced step depends on besides its batch."""
        return tuple(map(id, self._trained_weights()))

    def _trained_weights(self) -> list:
        """Returns the weights that steps of training change: those that were trainable when the model was compiled."""
        with self._flags_of_compile.seen():
            return self.trainable_weights

    # ---- fit

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
            max_queue_size, workers, use_multiprocessing: Keras 2's loader settings; batches are loaded in this process.

        Returns:
            a `History` whose `history` holds the logs of each epoch.

        Raises:
            RuntimeError: the model is not compiled.
            ValueError: the data is empty, or its parts differ in length.

        Ctrl-C stops after the current step; the model keeps the weights of the last finished step.
        """
        self._need_compiled("fit")
        data, validation = training_data(
            x,
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
            held = validation
            validation = evaluation_data(
                held[0], held[1], held[2], validation_batch_size or batch_size, validation_steps
            )
        listener = CallbackList(
            callbacks,
            model=self,
            verbose=1 if verbose == "auto" else int(verbose),
            epochs=epochs,
            steps=steps_per_epoch or data.num_batches,
        )
        self.stop_training = False
        logs: dict = {}
        listener.on_train_begin()
        with deferred_interrupt() as check_interrupt:
            for epoch in range(initial_epoch, epochs):
                self.reset_metrics()
                listener.on_epoch_begin(epoch)
                result = self._train_epoch(data, listener, steps_per_epoch, check_interrupt)
                if result is None:
                    _no_batches(epoch, initial_epoch)
                    break
                logs = result
                if validation is not None and self._validates(epoch, validation_freq):
                    results = self._evaluate(validation, listener, check_interrupt, validation_steps)
                    logs |= {f"val_{name}": value for name, value in results.items()}
                listener.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
        self._finish_training()
        listener.on_train_end(logs)
        self.history = listener.history
        return self.history

    def _finish_training(self) -> None:
        """Puts the averages of the weights in their place, when the optimizer keeps averages (`use_ema=True`)."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if getattr(optimizer, "use_ema", False) and optimizer.built:
            optimizer.finalize_variable_values(self._trained_weights())

    def _train_epoch(self, data: Any, listener: CallbackList, steps: int | None, check: Any) -> dict | None:
        """Runs the steps of an epoch; returns its logs, None when there were no batches."""

        def each(index: int, result: Any, size: int) -> bool:
            if listener.needs_batches or listener.wants_progress():
                listener.on_train_batch_end(index, to_numbers(result))
            check()
            return self.stop_training

        run = Epoch(
            self,
            self._train_programs,
            self._step("train_step"),
            data,
            each,
            listener.needs_batches,
            listener.on_train_batch_begin,
            any(getattr(callback, "keeps_finite", False) for callback in listener.callbacks),
        )
        if isinstance(data, StreamData):
            data.begin_epoch()
        result = run.run(steps)
        if result is None:
            return None
        if isinstance(data, StreamData):
            data.end_epoch()
            listener.set_steps(data)
        return to_numbers(result)

    @staticmethod
    def _validates(epoch: int, frequency: Any) -> bool:
        return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else (epoch + 1) in frequency

    # ---- evaluate

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
        data = evaluation_data(x, y, sample_weight, batch_size, steps)
        listener = CallbackList(
            callbacks,
            model=self,
            verbose=1 if verbose == "auto" else int(verbose),
            steps=steps or data.num_batches,
            history=False,
        )
        with deferred_interrupt() as check:
            logs = self._evaluate(data, listener, check, steps, standalone=True)
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    def _evaluate(
        self,
        data: Any,
        listener: CallbackList,
        check: Any,
        steps: int | None,
        standalone: bool = False,
    ) -> dict:
        self.reset_metrics()
        data.restart()
        listener.on_test_begin(standalone)

        def each(index: int, result: Any, size: int) -> bool:
            if listener.needs_test_batches or (standalone and listener.wants_progress()):
                listener.on_test_batch_end(index, to_numbers(result))
            check()
            return False

        run = Epoch(
            self,
            self._test_programs,
            self._step("test_step"),
            data,
            each,
            listener.needs_test_batches,
            listener.on_test_batch_begin,
        )
        result = run.run(steps)
        if result is None:
            raise ValueError(f"evaluate: the data is empty: there were no batches{at_user_location()}")
        logs = to_numbers(result)
        listener.on_test_end(logs, standalone)
        return logs

    # ---- predict

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
            isinstance(x, np.ndarray)
            and not callbacks
            and not verbose
            and len(x) <= (batch_size or 32)
            and x.size
        ):
            return self._predict_batch([as_numpy(x)], nest.flatten_spec(x)[1])
        data = evaluation_data(x, None, None, batch_size, steps)
        listener = CallbackList(
            callbacks,
            model=self,
            verbose=1 if verbose == "auto" else int(verbose),
            steps=steps or data.num_batches,
            history=False,
        )
        listener.on_predict_begin()
        outputs: list = []
        with deferred_interrupt() as check:

            def each(index: int, result: Any, size: int) -> bool:
                outputs.append(nest.map_structure(np.asarray, result))
                if listener.needs_predict_batches or listener.wants_progress():
                    listener.on_predict_batch_end(index, {"outputs": outputs[-1]})
                check()
                return False

            run = Epoch(
                self,
                self._predict_programs,
                self.predict_step,
                data,
                each,
                True,
                listener.on_predict_batch_begin,
            )
            run.run(steps)
        listener.on_predict_end()
        if not outputs:
            raise ValueError(f"predict: the data is empty: there were no batches{at_user_location()}")
        if len(outputs) == 1:
            return outputs[0]
        return nest.map_structure(lambda *parts: np.concatenate(parts), *outputs)

    def _predict_batch(self, leaves: list, spec: Any) -> Any:
        """Predicts one small batch: no adapters, no callbacks."""
        if self._runs_eagerly():
            result = self.predict_step(Tensor(leaves[0]))
        else:
            result = self._predict_programs.run(leaves, spec, ())
        return nest.map_structure(np.array, result) if not isinstance(result, Tensor) else result.numpy()

    def _runs_eagerly(self) -> bool:
        return self._run_eagerly or settings.run_functions_eagerly or not uses_xla()

    # ---- single batches

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
        logs = self._on_batch(self._train_programs, self._step("train_step"), x, y, sample_weight)
        return _shaped(logs, return_dict)

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
        return _shaped(
            self._on_batch(self._test_programs, self._step("test_step"), x, y, sample_weight), return_dict
        )

    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for one batch as NumPy arrays."""
        leaves, spec = nest.flatten_spec(pack_x_y_sample_weight(structured(x)))
        leaves = [as_numpy(leaf) for leaf in leaves]
        if self._runs_eagerly():
            result = self.predict_step(
                nest.unflatten(spec, [None if a is None else Tensor(a) for a in leaves])
            )
        else:
            result = self._predict_programs.run(leaves, spec, ())
        return nest.map_structure(np.array, result)

    def _on_batch(self, programs: StepPrograms, step: Any, x: Any, y: Any, weight: Any) -> dict:
        leaves, spec = nest.flatten_spec(
            pack_x_y_sample_weight(structured(x), structured(y), structured(weight))
        )
        leaves = [as_numpy(leaf) for leaf in leaves]
        if self._runs_eagerly():
            filled = [None if leaf is None else Tensor(leaf) for leaf in leaves]
            return to_numbers(step(nest.unflatten(spec, filled)))
        program = programs.get(leaves, spec, programs.facts())
        if program is None:
            return to_numbers(programs.run_op_by_op(leaves, spec))
        programs.check(leaves, spec)
        return to_numbers(run_once(program, leaves))

    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, **kwargs: Any) -> Any:
        """Keras 1's name for `fit` on a generator."""
        warnings.warn("fit_generator is deprecated; use fit", DeprecationWarning, stacklevel=2)
        return self.fit(generator, steps_per_epoch=steps_per_epoch, **kwargs)


def _no_batches(epoch: int, first: int) -> None:
    """Ends training on data that has run out; raises ValueError when there never was any."""
    if epoch == first:
        raise ValueError(f"fit: the data is empty: there were no batches{at_user_location()}")
    warnings.warn(f"fit: the data ran out, there was nothing for epoch {epoch + 1}", stacklevel=3)


def _are_metrics(given: Any) -> bool:
    """Returns whether these are metrics, not numbers."""
    leaves = nest.flatten(given)
    return bool(leaves) and all(
        isinstance(leaf, str | metrics_module.Metric) or callable(leaf) for leaf in leaves
    )


def _shaped(logs: dict, return_dict: bool) -> Any:
    if return_dict:
        return logs
    values = list(logs.values())
    return values[0] if len(values) == 1 else values


def _names_of(metric: Any) -> list[str]:
    if isinstance(metric, CompiledMetrics):
        return list(metric.result()) if metric._rows is not None else [metric.name]
    return [metric.name]
