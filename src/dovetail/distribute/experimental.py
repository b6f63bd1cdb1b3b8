"""`tf.distribute.experimental`."""

from dovetail.distribute.context import ValueContext
from dovetail.distribute.elsewhere import (
    MultiWorkerMirroredStrategy,
    ParameterServerStrategy,
    PreemptionCheckpointHandler,
    TPUStrategy,
)
from dovetail.distribute.kinds import CentralStorageStrategy
from dovetail.distribute.options import (
    CollectiveCommunication,
    CollectiveHints,
    CommunicationImplementation,
    CommunicationOptions,
)

__all__ = [
    "CentralStorageStrategy",
    "CollectiveCommunication",
    "CollectiveHints",
    "CommunicationImplementation",
    "CommunicationOptions",
    "MultiWorkerMirroredStrategy",
    "ParameterServerStrategy",
    "PreemptionCheckpointHandler",
    "TPUStrategy",
    "ValueContext",
]
