"""Models: functional, subclassed and sequential."""

from dovetail.keras.models import experimental
from dovetail.keras.models.cloning import clone_model, model_from_config, model_from_json
from dovetail.keras.models.model import Functional, Model
from dovetail.keras.models.sequential import Sequential
from dovetail.keras.registration import own

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "experimental",
    "model_from_config",
    "model_from_json",
]

own("keras", {"Model": Model, "Sequential": Sequential})
own("keras.src.models.functional", {"Functional": Functional})  # where Keras looks for it
