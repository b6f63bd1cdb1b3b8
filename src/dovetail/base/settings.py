"""Process-wide settings, and the per-thread state that every op looks at.

`settings` is what users set (directly, through `tf.config`, `keras.config` or environment variables).  `state` is
what runs: the active tapes, the active trace, the autocast dtype.  It is per thread, because tapes and traces are.
"""

from __future__ import annotations

import os
import threading
from typing import Any

ENGINES = ("auto", "host", "xla")


def _limit(variable: str) -> int | None:
    text = os.environ.get(variable)
    return int(text) if text else None


class Settings:
    """What a user can set.

    Attributes:
        engine: "auto" (small eager values on NumPy, the rest on XLA), "host" (never import JAX), "xla".
        host_limit: number of elements (inputs of one eager op, summed) up to which "auto" picks the host engine.
        run_functions_eagerly: `tf.function` bodies run op by op.
        floatx, epsilon, image_data_format: Keras' backend configuration.
        active_limit: the limit in force, derived from `engine` and `host_limit`.
        max_epochs, max_steps_per_epoch: limits of Keras' runs over data, for trying a program out; None: none.
        flash_attention: whether attention may use the platform's fused kernels; None: nobody has said.
        traceback_filtering: hide frames of the framework from errors.
        native: whether kernels in C++ are compiled and used on machines with a compiler.
        keras: the Keras that the program is written for: 2, 3, or None without a sign; see `keras/idiom.py`.
        distribution: what threads start with, see `State.distribution`.
    """

    def __init__(self) -> None:
        self._engine = "auto"
        self._host_limit = 1 << 16
        self.active_limit = self._host_limit
        self.run_functions_eagerly = False
        self.floatx = "float32"
        self.epsilon = 1e-7
        self.image_data_format = "channels_last"
        self.max_epochs = _limit("KERAS_MAX_EPOCHS")
        self.max_steps_per_epoch = _limit("KERAS_MAX_STEPS_PER_EPOCH")
        self.flash_attention: bool | None = None
        self.traceback_filtering = True
        legacy = os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
        self.keras: int | None = 2 if legacy else None
        self.distribution: Any = None
        self.cache_dir = os.environ.get("DOVETAIL_CACHE_DIR")
        self.native = os.environ.get("DOVETAIL_NATIVE", "1").lower() not in ("0", "false", "off")
        self.engine = os.environ.get("DOVETAIL_ENGINE", "auto")

    @property
    def engine(self) -> str:
        return self._engine

    @engine.setter
    def engine(self, name: str) -> None:
        if name not in ENGINES:
            raise ValueError(f"engine: expected one of {ENGINES}, received {name!r}")
        self._engine = name
        self._update_limit()

    @property
    def host_limit(self) -> int:
        return self._host_limit

    @host_limit.setter
    def host_limit(self, elements: int) -> None:
        self._host_limit = int(elements)
        self._update_limit()

    def _update_limit(self) -> None:
        """`active_limit` is what dispatch compares with: -1 when all goes to XLA, huge when nothing does."""
        self.active_limit = {"auto": self._host_limit, "host": 1 << 62, "xla": -1}[self._engine]


settings = Settings()


class State(threading.local):
    """What is going on in this thread.

    Attributes:
        tapes: active gradient tapes, outermost first.
        scope: the innermost variable scope (a trace, or a dry run), None when eager.
        autocast: dtype that floating variables are read in, or None.
        host_only: > 0 while op-by-op execution pins everything to the host engine.
        name_scopes: stack of `tf.name_scope` names.
        device: what `tf.device` names, or None.
        trainable_of: `f(layer or variable) -> bool` instead of their own flags, during the steps of a model that was
            compiled with others; None: their own.
        distribution: who decides on which devices new variables and batches lie, and how replicas share them
            (a `tf.distribute.Strategy` or a `keras.distribution.Distribution`); None: nobody.
        replica: the `tf.distribute.ReplicaContext` that the code runs in; None: none, or all replicas at once.
    """

    def __init__(self) -> None:
        self.tapes: tuple = ()
        self.scope: Any = None
        self.autocast: Any = None
        self.host_only = 0
        self.name_scopes: list[str] = []
        self.device: Any = None
        self.trainable_of: Any = None
        self.distribution: Any = settings.distribution
        self.replica: Any = None


state = State()

_INHERITED: list[threading.local] = [state]


def inherited(per_thread: Any) -> Any:
    """Registers a per-thread object as one whose attributes replicas take over into their threads; returns it."""
    _INHERITED.append(per_thread)
    return per_thread


def num_replicas() -> int:
    """Returns how many replicas of a `tf.distribute` strategy share the work; 1 without one."""
    distribution = state.distribution
    return distribution.num_replicas_in_sync if distribution is not None and distribution.is_strategy else 1


def among_replicas() -> bool:
    """True in the code of one of several replicas of a `tf.distribute` strategy."""
    return state.replica is not None and state.replica.num_replicas_in_sync > 1


def snapshot() -> list[tuple[Any, dict]]:
    """Returns what is going on in this thread, for `take_over` in another; stacks and tables are copied."""
    return [(each, {name: _own_copy(value) for name, value in vars(each).items()}) for each in _INHERITED]


def _own_copy(value: Any) -> Any:
    return value.copy() if type(value) in (list, dict) else value


def take_over(snapshot: list[tuple[Any, dict]]) -> None:
    """Makes this thread go on where another was."""
    for each, attributes in snapshot:
        vars(each).update(attributes)
