"""The operations of TensorFlow's graphs that take a step of an optimizer, in graphs that are imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dovetail as tf


def _descent(var: Any, alpha: Any, delta: Any) -> list:
    return [(var, var - alpha * delta)]


def _momentum(
    var: Any, accum: Any, rate: Any, gradient: Any, momentum: Any, use_nesterov: bool = False
) -> list:
    new = momentum * accum + gradient
    step = gradient + momentum * new if use_nesterov else new
    return [(accum, new), (var, var - rate * step)]


def _adam(
    var: Any,
    m: Any,
    v: Any,
    power1: Any,
    power2: Any,
    rate: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    gradient: Any,
    use_nesterov: bool = False,
) -> list:
    new_m, new_v = m + (gradient - m) * (1 - beta1), v + (gradient * gradient - v) * (1 - beta2)
    step = beta1 * new_m + (1 - beta1) * gradient if use_nesterov else new_m
    corrected = rate * tf.sqrt(1 - power2) / (1 - power1)
    return [(m, new_m), (v, new_v), (var, var - corrected * step / (tf.sqrt(new_v) + epsilon))]


def _adagrad(var: Any, accum: Any, rate: Any, gradient: Any, update_slots: bool = True) -> list:
    new = accum + gradient * gradient if update_slots else accum.read_value()
    return [*([(accum, new)] if update_slots else []), (var, var - rate * gradient / tf.sqrt(new))]


def _rms_prop(
    var: Any, ms: Any, mom: Any, rate: Any, rho: Any, momentum: Any, epsilon: Any, gradient: Any
) -> list:
    new = ms + (gradient * gradient - ms) * (1 - rho)
    step = momentum * mom + rate * gradient / tf.sqrt(new + epsilon)
    return [(ms, new), (mom, step), (var, var - step)]


RULES: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "ApplyAdagrad": (_adagrad, ("update_slots",)),
    "ApplyAdam": (_adam, ("use_nesterov",)),
    "ApplyGradientDescent": (_descent, ()),
    "ApplyMomentum": (_momentum, ("use_nesterov",)),
    "ApplyRMSProp": (_rms_prop, ()),
}


def _applying(rule: Callable, attributes: tuple[str, ...], gives: bool) -> Callable:
    def made(graph: Any, node: Any) -> Callable:
        given = {name: bool(node.attr[name].b) for name in attributes if name in node.attr}

        def apply(inputs: list) -> Any:
            changes = rule(*inputs, **given)
            done = [variable.assign(value, read_value=False) for variable, value in changes]
            if not gives:
                graph.group(done, "tf.group")
                return None
            with graph.control_dependencies(done):
                return inputs[0].read_value()

        return apply

    return made


SPECIAL: dict[str, Callable] = {
    **{name: _applying(rule, attributes, True) for name, (rule, attributes) in RULES.items()},
    **{f"Resource{name}": _applying(rule, attributes, False) for name, (rule, attributes) in RULES.items()},
}
