"""Gradients: the tape, custom gradients, forward-mode products."""

from dovetail.autodiff.custom import custom_gradient, grad_pass_through, recompute_grad
from dovetail.autodiff.tape import GradientTape, UnconnectedGradients

__all__ = ["GradientTape", "UnconnectedGradients", "custom_gradient", "grad_pass_through", "recompute_grad"]
