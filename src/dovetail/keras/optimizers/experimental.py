"""`keras.optimizers.experimental`: where tf.keras 2.9 and 2.10 kept the optimizers that became the standard ones."""

from __future__ import annotations

from dovetail.keras.optimizers.adafactor import Adafactor
from dovetail.keras.optimizers.adagrad import Adadelta, Adagrad, Ftrl
from dovetail.keras.optimizers.adam import Adam, Adamax, AdamW, Nadam
from dovetail.keras.optimizers.optimizer import Optimizer
from dovetail.keras.optimizers.rmsprop import RMSprop
from dovetail.keras.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Nadam",
    "Optimizer",
    "RMSprop",
]
