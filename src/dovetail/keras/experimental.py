"""`keras.experimental` of Keras 2."""

from dovetail.keras.layers.core.dense_features import SequenceFeatures
from dovetail.keras.linear_models import LinearModel, WideDeepModel
from dovetail.keras.optimizers.schedules import CosineDecay, CosineDecayRestarts

__all__ = ["CosineDecay", "CosineDecayRestarts", "LinearModel", "SequenceFeatures", "WideDeepModel"]
