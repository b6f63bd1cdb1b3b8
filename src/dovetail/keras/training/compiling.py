"""What `compile` says of a model, and what follows from it: optimizer, loss, metrics, the executors of the steps."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from dovetail.base import nest
from dovetail.base.errors import at_user_location, suggest
from dovetail.base.settings import state
from dovetail.base.told import Told
from dovetail.base.trackable import Found, Trail, held, unique
from dovetail.keras import checks, optimizers
from dovetail.keras.idiom import is_keras_2
from dovetail.keras.layers.machinery.in_graphs import leaving_graphs
from dovetail.keras.metrics import Metric
from dovetail.keras.mixed_precision import LossScaleOptimizer
from dovetail.keras.training.executor import Executor
from dovetail.keras.training.losses import CompiledLoss, LossTracker
from dovetail.keras.training.metrics import CompiledMetrics
from dovetail.keras.training.steps import Steps
from dovetail.keras.training.trained import TrainableFlags

_IGNORED_COMPILE = frozenset(
    {"experimental_run_tf_function", "sample_weight_mode", "target_tensors", "distribute"}
)


class Compiling(Steps, Told):
    """The half of `Trainer` that answers for the compile state.  Only `Trainer` derives from it."""

    _told_methods: ClassVar[tuple[str, ...]] = ("__init__", "compile")

    dtype_policy: Any
    output_names: Any
    _flatten_layers: Any
    _found_metrics: Any
    _planned_outputs: Any

    def __init__(self) -> None:
        self.optimizer: Any = None
        self.compiled = False
        self.stop_training = False
        self.steps_per_execution = 1
        self.history: Any = None
        self.loss: Any = None
        self._run_eagerly = False
        self._distribution: Any = state.distribution
        self._compiled_loss = None
        self._compiled_metrics = None
        self._loss_tracker: Any = None
        self._compile_config: dict = {}
        self._flags_of_compile = TrainableFlags(None)
        self._reset_programs()

    @leaving_graphs
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
            steps_per_execution: callbacks hear of batches once for so many; otherwise without effect, because steps
                that nobody watches run many per dispatch anyway.
            jit_compile: accepted; steps are always compiled by XLA unless `run_eagerly`.
            auto_scale_loss: wrap the optimizer in a `LossScaleOptimizer` under the mixed_float16 policy.
        """
        if _are_metrics(loss_weights):  # Keras 2's order of arguments: optimizer, loss, metrics, loss_weights
            loss_weights, metrics = metrics, loss_weights
        for name in kwargs:
            if name not in _IGNORED_COMPILE:
                known = list(inspect.signature(Compiling.compile).parameters)
                raise TypeError(
                    f"compile: unknown argument {name!r}.{suggest(name, known)}{at_user_location()}"
                )
        self.optimizer = optimizer = optimizers.get(optimizer)
        scalable = self.optimizer is not None and not isinstance(self.optimizer, LossScaleOptimizer)
        if auto_scale_loss and scalable and self.dtype_policy.name == "mixed_float16":
            self.optimizer = LossScaleOptimizer(self.optimizer)
        self.loss = loss
        names = self.output_names
        self._compiled_loss = CompiledLoss(loss, loss_weights, names) if loss is not None else None
        given = metrics or weighted_metrics
        self._compiled_metrics = CompiledMetrics(metrics, weighted_metrics, names) if given else None
        self._loss_tracker = LossTracker(name="loss")
        self._run_eagerly = bool(run_eagerly)
        self._distribution = state.distribution or self._distribution
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
            self._loss_tracker = LossTracker(name="loss")

    # ---- metrics

    @property
    def metrics(self) -> list:
        """The metrics: the loss, those of single outputs, the compiled ones, those that layers hold."""
        found = [] if self._loss_tracker is None or not self._tracks_loss() else [self._loss_tracker]
        if is_keras_2() and self._compiled_loss is not None and not self._compiled_loss.is_prepared:
            found = []  # tf_keras makes them when the first batch comes
        if self._compiled_loss is not None:
            found += self._compiled_loss.metrics
        if self._compiled_metrics is not None:
            single = is_keras_2()  # tf_keras lists them one by one, once they are known
            found += self._compiled_metrics.metrics if single else [self._compiled_metrics]
        inside, models = self._held_metrics()
        # What compile() has made or was given, here and in compiled models inside this one.
        compiled = {id(metric) for model in models for metric in model._metrics_of_compile()}
        return unique([*found, *(metric for metric in inside if id(metric) not in compiled)])

    def _held_metrics(self) -> tuple[list, list]:
        """Returns the metrics that the layers hold, and the models among the layers."""
        found = self._found_metrics
        if found is None or not found.holds():
            layers, trail = self._flatten_layers(), Trail()
            for layer in layers:
                layer._note_on(trail)
            metrics = [item for layer in layers for item in held(layer) if isinstance(item, Metric)]
            models = [layer for layer in layers if isinstance(layer, Compiling)]
            found = self._found_metrics = Found((metrics, models), trail)
        return found.items

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
        """Forgets the compiled steps, and what was found out about the layers."""
        self._found_metrics = None
        self._executors = {
            "train": Executor(self, "train_step", self._label_check("train_step"), self._trace_facts),
            "test": Executor(self, "test_step", self._label_check("test_step"), self._trace_facts),
            "predict": Executor(self, "predict_step", plan=self._planned_outputs),
        }

    def _trace_facts(self) -> tuple:
        """Returns what a traced step depends on besides its batch."""
        return tuple(map(id, self._trained_weights()))

    def _trained_weights(self) -> list:
        """Returns the weights that steps of training change: those that were trainable when the model was compiled."""
        with self._flags_of_compile.seen():
            return self.trainable_weights

    def _finish_training(self) -> None:
        """Puts the averages of the weights in their place, when the optimizer keeps averages (`use_ema=True`)."""
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        if getattr(optimizer, "use_ema", False) and optimizer.built:
            optimizer.finalize_variable_values(self._trained_weights())


def _are_metrics(given: Any) -> bool:
    """Returns whether these are metrics, not numbers."""
    leaves = nest.flatten(given)
    return bool(leaves) and all(isinstance(leaf, str | Metric) or callable(leaf) for leaf in leaves)


def _names_of(metric: Any) -> list[str]:
    if isinstance(metric, CompiledMetrics):
        return list(metric.result()) if metric._rows is not None else [metric.name]
    return [metric.name]
