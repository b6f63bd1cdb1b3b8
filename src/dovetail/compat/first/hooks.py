"""Sessions that hooks look after: `tf.compat.v1.train.MonitoredTrainingSession`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np

import dovetail as tf
from dovetail.base.atomic import make_folder
from dovetail.base.errors import at_user_location
from dovetail.compat.first.keys import GraphKeys, global_variables, local_variables, variables_initializer
from dovetail.compat.first.saver import Saver
from dovetail.compat.first.schedules import get_global_step, get_or_create_global_step
from dovetail.compat.first.session import Session
from dovetail.compat.first.switches import tables_initializer
from dovetail.graph.by_hand import default_graph
from dovetail.graph.order import group
from dovetail.train import state_file


class SessionRunArgs(NamedTuple):
    """What a hook adds to a call of `run`."""

    fetches: Any
    feed_dict: Any = None
    options: Any = None


class SessionRunValues(NamedTuple):
    """What a hook's fetches gave."""

    results: Any
    options: Any = None
    run_metadata: Any = None


class SessionRunContext:
    """A call of `run` as hooks see it.

    Attributes:
        original_args: what the program asked for.
        session: the session.
        stop_requested: whether `request_stop` was called.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self.original_args, self.session, self.stop_requested = original_args, session, False

    def request_stop(self) -> None:
        """Ends the loop of the session after this call."""
        self.stop_requested = True


class SessionRunHook:
    """What is told of each call of a session; subclasses define what they need of these methods."""

    def begin(self) -> None:
        """Called before the session is made: the graph may still grow."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when the session has been made."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run; returns what to fetch besides."""

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        """Called after each run."""

    def end(self, session: Any) -> None:
        """Called when the session ends without an error."""


class StopAtStepHook(SessionRunHook):
    """Stops after `num_steps`, or when the global step is `last_step`."""

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise ValueError(f"StopAtStepHook: pass either num_steps or last_step{at_user_location()}")
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        self._step = _required_step()

    def after_create_session(self, session: Any, coord: Any) -> None:
        if self._last_step is None:
            self._last_step = int(session.run(self._step)) + (self._num_steps or 0)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if int(run_context.session.run(self._step)) >= (self._last_step or 0):
            run_context.request_stop()


def _required_step() -> Any:
    found = get_global_step()
    if found is None:
        raise RuntimeError(
            f"the hook needs a global step: call get_or_create_global_step(){at_user_location()}"
        )
    return found


class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number any more."""


class NanTensorHook(SessionRunHook):
    """Stops, or raises, when the loss is NaN."""

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss, self._fails = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs(self._loss)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if np.isnan(run_values.results):
            if self._fails:
                raise NanLossDuringTrainingError("NaN loss during training.")
            run_context.request_stop()


class _Every:
    """When something is due: every so many steps or seconds."""

    def __init__(self, steps: int | None, seconds: float | None) -> None:
        self._steps, self._seconds = steps, seconds
        self._last_step: int | None = None
        self._last_time = 0.0

    def is_due(self, step: int) -> bool:
        if self._last_step is None:
            return True
        by_time = self._seconds is not None and time.monotonic() >= self._last_time + self._seconds
        return by_time or (self._steps is not None and step >= self._last_step + self._steps)

    def done(self, step: int) -> None:
        self._last_step, self._last_time = step, time.monotonic()


class LoggingTensorHook(SessionRunHook):
    """Logs tensors, by name or as a list, every so many runs or seconds."""

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable | None = None,
    ) -> None:
        named = tensors if isinstance(tensors, dict) else {getattr(t, "name", t): t for t in tensors}
        self._tensors, self._formatter, self._at_end = named, formatter, at_end
        self._due, self._runs = _Every(every_n_iter, every_n_secs), 0

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        return SessionRunArgs(dict(self._tensors)) if self._due.is_due(self._runs) else None

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if run_values.results is not None:
            self._due.done(self._runs)
            self._log(run_values.results)
        self._runs += 1

    def _log(self, values: dict) -> None:
        shown = (
            self._formatter(values) if self._formatter else ", ".join(f"{k} = {v}" for k, v in values.items())
        )
        tf.get_logger().info(shown)

    def end(self, session: Any) -> None:
        if self._at_end:
            self._log(session.run(dict(self._tensors)))


class StepCounterHook(SessionRunHook):
    """Logs how many steps a second are done."""

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
    ) -> None:
        self._due, self._began = _Every(every_n_steps, every_n_secs), (0, time.monotonic())

    def begin(self) -> None:
        self._step = _required_step()

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        step = int(run_context.session.run(self._step))
        if self._due.is_due(step):
            self._due.done(step)
            steps, now = step - self._began[0], time.monotonic()
            tf.get_logger().info("global_step/sec: %g", steps / max(now - self._began[1], 1e-9))
            self._began = step, now


class CheckpointSaverHook(SessionRunHook):
    """Saves checkpoints every so many steps or seconds, at the start and at the end."""

    def __init__(
        self,
        checkpoint_dir: Any,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Any = None,
        save_graph_def: bool = True,
    ) -> None:
        self._path = os.path.join(os.fspath(checkpoint_dir), checkpoint_basename)
        self._saver, self._scaffold = saver, scaffold
        self._due, self._saved = _Every(save_steps, save_secs), -1

    def begin(self) -> None:
        self._step = _required_step()

    def after_create_session(self, session: Any, coord: Any) -> None:
        self._save(session)

    def _save(self, session: Any) -> None:
        step = int(session.run(self._step))
        if self._saver is None:
            self._saver = self._scaffold.saver if self._scaffold is not None else Saver()
        if step != self._saved:
            make_folder(os.path.dirname(self._path) or ".")
            self._saver.save(session, self._path, global_step=step)
            self._saved = step
        self._due.done(step)

    def after_run(self, run_context: SessionRunContext, run_values: SessionRunValues) -> None:
        if self._due.is_due(int(run_context.session.run(self._step))):
            self._save(run_context.session)

    def end(self, session: Any) -> None:
        self._save(session)


class FinalOpsHook(SessionRunHook):
    """Runs something when the session ends; `final_ops_values` is what it gave."""

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._ops, self._feeds, self.final_ops_values = final_ops, final_ops_feed_dict, None

    def end(self, session: Any) -> None:
        self.final_ops_values = session.run(self._ops, self._feeds)


class FeedFnHook(SessionRunHook):
    """Feeds what a function returns."""

    def __init__(self, feed_fn: Callable) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        return SessionRunArgs([], self.feed_fn())


class Scaffold:
    """What a monitored session needs of a graph: its initializers and its saver; those that are None are made."""

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        self.init_op, self.init_feed_dict, self.init_fn = init_op, init_feed_dict, init_fn
        self.local_init_op, self.local_init_feed_dict = local_init_op, local_init_feed_dict
        self.ready_op, self.summary_op, self.saver = ready_op, summary_op, saver

    def finalize(self) -> Scaffold:
        """Makes what is missing."""
        if self.init_op is None:
            self.init_op = variables_initializer(global_variables())
        if self.local_init_op is None:
            self.local_init_op = group(variables_initializer(local_variables()), tables_initializer())
        if self.saver is None:
            found = default_graph().get_collection(GraphKeys.SAVERS)
            self.saver = found[0] if found else Saver(allow_empty=True)
        return self


class MonitoredSession:
    """A session whose variables are initialized, or restored, when it is made, and that tells hooks of its runs.

    Args:
        session_creator: makes the session: `ChiefSessionCreator`.
        hooks: `SessionRunHook`s.
        stop_grace_period_secs: accepted for TensorFlow's sake.
    """

    def __init__(
        self, session_creator: Any = None, hooks: Any = None, stop_grace_period_secs: int = 120
    ) -> None:
        self._hooks, self._stops = list(hooks or ()), False
        for hook in self._hooks:
            hook.begin()
        creator = session_creator or ChiefSessionCreator()
        self._session = creator.create_session()
        self._entered = self._session.as_default()
        for hook in self._hooks:
            hook.after_create_session(self._session, None)

    @property
    def graph(self) -> Any:
        return self._session.graph

    def should_stop(self) -> bool:
        """Returns whether a hook has asked to stop, or the session is closed."""
        return self._stops

    def run(self, fetches: Any, feed_dict: Any = None, options: Any = None, run_metadata: Any = None) -> Any:
        """As `Session.run`; hooks fetch and feed with it."""
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict, options), self._session)
        feeds, asked = dict(feed_dict or {}), {}
        for position, hook in enumerate(self._hooks):
            more = hook.before_run(context)
            if more is not None:
                asked[position] = more.fetches
                feeds |= more.feed_dict or {}
        wanted = {position: value for position, value in asked.items() if value is not None}
        own, found = self._session.run((fetches, wanted), feeds, options, run_metadata)
        for position, hook in enumerate(self._hooks):
            hook.after_run(context, SessionRunValues(found.get(position), options, run_metadata))
        self._stops = self._stops or context.stop_requested
        return own

    def run_step_fn(self, step_fn: Callable) -> Any:
        """Calls `step_fn(context)`, which runs the session by `context.session`, and `run_with_hooks`."""
        context = SessionRunContext(SessionRunArgs(None), self._session)
        context.run_with_hooks = self.run  # type: ignore[attr-defined]
        result = step_fn(context)
        self._stops = self._stops or context.stop_requested
        return result

    def __enter__(self) -> Self:
        self._entered.__enter__()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        ended = kind is None or issubclass(kind, tf.errors.OutOfRangeError | StopIteration)
        self._entered.__exit__(None, None, None)
        if ended:
            self._end()
        self.close()
        return ended

    def _end(self) -> None:
        for hook in self._hooks:
            hook.end(self._session)

    def close(self) -> None:
        """Ends the session."""
        self._stops = True
        self._session.close()


class SingularMonitoredSession(MonitoredSession):
    """A monitored session that gives its session away: `raw_session()`."""

    def __init__(
        self,
        hooks: Any = None,
        scaffold: Any = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        stop_grace_period_secs: int = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        made = ChiefSessionCreator(scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path)
        super().__init__(made, hooks)

    def raw_session(self) -> Any:
        return self._session


class ChiefSessionCreator:
    """Makes a session, and initializes its variables or restores them from the latest checkpoint."""

    def __init__(
        self,
        scaffold: Any = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        self._scaffold, self._config = scaffold or Scaffold(), config
        self._folder, self._file = checkpoint_dir, checkpoint_filename_with_path

    def create_session(self) -> Session:
        scaffold = self._scaffold.finalize()
        session = Session(config=self._config)
        latest = self._file or (
            state_file.latest_checkpoint(os.fspath(self._folder)) if self._folder else None
        )
        if latest:
            scaffold.saver.restore(session, latest)
        else:
            if scaffold.init_op is not None:
                session.run(scaffold.init_op, scaffold.init_feed_dict)
            if scaffold.init_fn is not None:
                scaffold.init_fn(scaffold, session)
        if scaffold.local_init_op is not None:
            session.run(scaffold.local_init_op, scaffold.local_init_feed_dict)
        return session


_UNSET = object()


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: Any = None,
    scaffold: Any = None,
    hooks: Any = None,
    chief_only_hooks: Any = None,
    save_checkpoint_secs: Any = _UNSET,
    save_summaries_steps: Any = _UNSET,
    save_summaries_secs: Any = _UNSET,
    config: Any = None,
    stop_grace_period_secs: int = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: int = 7200,
    save_checkpoint_steps: Any = _UNSET,
    summary_dir: Any = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """Returns a monitored session for training: it goes on from the latest checkpoint of a folder, and saves there.

    Args:
        checkpoint_dir: the folder; None: nothing is saved.
        scaffold: initializers and saver.
        hooks, chief_only_hooks: hooks.
        save_checkpoint_secs, save_checkpoint_steps: how often it saves, every ten minutes when neither is said.
        log_step_count_steps: how often the speed is logged, None for never.
        config: of the session.
        master, is_chief, save_summaries_steps, save_summaries_secs, stop_grace_period_secs, max_wait_secs, summary_dir,
        save_graph_def: accepted for TensorFlow's sake.
    """
    scaffold = scaffold or Scaffold()
    chosen = [*(hooks or ()), *(chief_only_hooks or ())]
    if checkpoint_dir and log_step_count_steps:
        chosen.append(StepCounterHook(log_step_count_steps))
    if checkpoint_dir:
        steps = None if save_checkpoint_steps is _UNSET else save_checkpoint_steps
        seconds = save_checkpoint_secs
        if seconds is _UNSET:
            seconds = 600 if save_checkpoint_steps is _UNSET else None
        if steps or seconds:
            get_or_create_global_step()
            chosen.append(CheckpointSaverHook(checkpoint_dir, seconds, steps, scaffold=scaffold))
    return MonitoredSession(ChiefSessionCreator(scaffold, master, config, checkpoint_dir), chosen)
