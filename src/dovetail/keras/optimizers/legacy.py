"""`keras.optimizers.legacy`: the names of the optimizers from before tf.keras 2.11, which are the present ones here."""

from __future__ import annotations

from dovetail.keras.optimizers.adagrad import Adadelta, Adagrad, Ftrl
from dovetail.keras.optimizers.adam import Adam, Adamax, Nadam
from dovetail.keras.optimizers.optimizer import Optimizer
from dovetail.keras.optimizers.rmsprop import RMSprop
from dovetail.keras.optimizers.sgd import SGD

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "Optimizer", "RMSprop"]
