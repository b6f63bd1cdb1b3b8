"""Models: functional, subclassed and sequential."""

from dovetail.keras.models.model import Functional, Model
from dovetail.keras.models.sequential import Sequential

__all__ = ["Functional", "Model", "Sequential"]
