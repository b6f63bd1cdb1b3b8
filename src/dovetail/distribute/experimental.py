"""`tf.distribute.experimental`."""

from dovetail.distribute.context import ValueContext
from dovetail.distribute.options import (
    CollectiveCommunication,
    CommunicationImplementation,
    CommunicationOptions,
)
from dovetail.distribute.strategy import CentralStorageStrategy

__all__ = [
    "CentralStorageStrategy",
    "CollectiveCommunication",
    "CommunicationImplementation",
    "CommunicationOptions",
    "ValueContext",
]
