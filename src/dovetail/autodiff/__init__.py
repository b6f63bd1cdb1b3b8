"""Gradients: the tape, custom gradients, forward-mode products.  Its public names are `tf.autodiff`'s too."""

from dovetail.autodiff.custom import custom_gradient, grad_pass_through, recompute_grad
from dovetail.autodiff.forward import ForwardAccumulator
from dovetail.autodiff.tape import GradientTape, UnconnectedGradients

__all__ = [
    "ForwardAccumulator",
    "GradientTape",
    "UnconnectedGradients",
    "custom_gradient",
    "grad_pass_through",
    "recompute_grad",
]
