"""`keras.callbacks`: code that runs at points of the training loop."""

from dovetail.base.own import declare
from dovetail.keras.callbacks import experimental
from dovetail.keras.callbacks.backup import *
from dovetail.keras.callbacks.callback import *
from dovetail.keras.callbacks.callback import Callback
from dovetail.keras.callbacks.callback_list import *
from dovetail.keras.callbacks.early_stopping import *
from dovetail.keras.callbacks.history import *
from dovetail.keras.callbacks.learning_rate import *
from dovetail.keras.callbacks.model_checkpoint import *
from dovetail.keras.callbacks.orbax_checkpoint import *
from dovetail.keras.callbacks.progress import *
from dovetail.keras.callbacks.remote_monitor import *
from dovetail.keras.callbacks.simple import *
from dovetail.keras.callbacks.swap_ema_weights import *
from dovetail.keras.callbacks.tensorboard import *
from dovetail.keras.registration import public_names

__all__ = [*public_names(globals(), __name__), "experimental"]  # noqa: PLE0604 - strings

declare(
    *(item for item in tuple(globals().values()) if isinstance(item, type) and issubclass(item, Callback))
)
