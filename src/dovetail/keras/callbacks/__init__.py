"""`keras.callbacks`: code that runs at points of the training loop."""

from dovetail.base.own import declare
from dovetail.keras.callbacks.callback import Callback
from dovetail.keras.callbacks.callback_list import CallbackList
from dovetail.keras.callbacks.early_stopping import EarlyStopping
from dovetail.keras.callbacks.history import History
from dovetail.keras.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
from dovetail.keras.callbacks.model_checkpoint import ModelCheckpoint
from dovetail.keras.callbacks.progress import ProgbarLogger
from dovetail.keras.callbacks.simple import CSVLogger, LambdaCallback, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

declare(
    *(CSVLogger, Callback, EarlyStopping, History, LambdaCallback, LearningRateScheduler, ModelCheckpoint),
    *(ProgbarLogger, ReduceLROnPlateau, TerminateOnNaN),
)
