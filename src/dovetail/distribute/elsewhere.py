"""Strategies of several processes, which Dovetail does not have: their names say so, and what to use."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location

_WORKERS = (
    "it needs several processes, and Dovetail distributes over the devices of one. On one machine use "
    "tf.distribute.MirroredStrategy() or keras.distribution"
)
_TPU = (
    "Dovetail reaches TPUs through JAX, and a program on their host sees them as devices: use "
    "tf.distribute.MirroredStrategy(), which takes all of them"
)


class _Elsewhere:
    """What refuses to be made.  Subclasses give the reason."""

    _why = _WORKERS
    _error: type[Exception] = NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise self._error(f"{type(self).__name__}: {self._why}{at_user_location()}")


class MultiWorkerMirroredStrategy(_Elsewhere):
    """Replicas in several processes: not in Dovetail, see `MirroredStrategy`."""


class ParameterServerStrategy(_Elsewhere):
    """Variables in other processes: not in Dovetail, see `MirroredStrategy`."""


class TPUStrategy(_Elsewhere):
    """Replicas on TPU cores under TensorFlow's runtime: not in Dovetail, see `MirroredStrategy`."""

    _why = _TPU


class Server(_Elsewhere):
    """A process of a cluster: not in Dovetail."""


class PreemptionCheckpointHandler(_Elsewhere):
    """Saves when one of several workers is taken away: not in Dovetail."""

    _why = f"{_WORKERS}, and keras.callbacks.ModelCheckpoint to save"


class ClusterResolver(_Elsewhere):
    """Who takes part in a cluster: nobody but this process."""


class SimpleClusterResolver(ClusterResolver):
    """A cluster that is given: not in Dovetail."""


class TFConfigClusterResolver(ClusterResolver):
    """The cluster that TF_CONFIG describes: not in Dovetail."""


class TPUClusterResolver(ClusterResolver):
    """Looks for TPUs that TensorFlow could connect to.  There are none, which programs expect as a ValueError."""

    _why, _error = _TPU, ValueError
