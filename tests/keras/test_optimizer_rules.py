"""Optimizers that users write, in the styles of Keras 3, of tf.keras and of the years before."""

import importlib

import numpy as np
import pytest

from dovetail import Variable, cast, function, sqrt, square
from dovetail.keras import optimizers
from dovetail.keras.optimizers import legacy
from dovetail.tensor import Tensor
from tests.keras.optimizer_cases import STEPS, close, gradients, train, variables


def test_a_rule_in_the_style_of_keras_3():
    class Momentum(optimizers.Optimizer):
        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self.momentums = [self.add_variable_from_reference(v, name="momentum") for v in variables]

        def update_step(self, gradient, variable, learning_rate):
            momentum = self.momentums[self._get_variable_index(variable)]
            self.assign(momentum, 0.9 * momentum - learning_rate * gradient)
            self.assign_add(variable, momentum)

    check_against_sgd(lambda: Momentum(learning_rate=0.1))


def test_a_rule_in_the_style_of_tf_keras():
    class Momentum(optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, name="Momentum", **kwargs):
            super().__init__(name=name, **kwargs)
            self._learning_rate = self._build_learning_rate(learning_rate)

        def build(self, var_list):
            super().build(var_list)
            if getattr(self, "_built", False):
                return
            self._built = True
            self.momentums = [
                self.add_variable_from_reference(model_variable=v, variable_name="m") for v in var_list
            ]

        def update_step(self, gradient, variable):
            rate = cast(self.learning_rate, variable.dtype)
            momentum = self.momentums[self._index_dict[self._var_key(variable)]]
            momentum.assign(0.9 * momentum - rate * gradient)
            variable.assign_add(momentum)

    check_against_sgd(Momentum)


def test_a_rule_in_the_legacy_style():
    class Momentum(optimizers.Optimizer):
        _HAS_AGGREGATE_GRAD = True

        def __init__(self, learning_rate=0.1, momentum=0.9, name="Momentum", **kwargs):
            super().__init__(name, **kwargs)
            self._set_hyper("learning_rate", kwargs.get("lr", learning_rate))
            self._set_hyper("decay", self._initial_decay)
            self._set_hyper("momentum", momentum)

        def _create_slots(self, var_list):
            for var in var_list:
                self.add_slot(var, "m")

        def _resource_apply_dense(self, grad, var, apply_state=None):
            device, dtype = var.device, var.dtype.base_dtype
            coefficients = (apply_state or {}).get((device, dtype)) or self._fallback_apply_state(
                device, dtype
            )
            m = self.get_slot(var, "m")
            m.assign(self._get_hyper("momentum", dtype) * m - coefficients["lr_t"] * grad)
            return var.assign_add(m)

        def get_config(self):
            return super().get_config() | {"momentum": self._serialize_hyperparameter("momentum")}

    check_against_sgd(Momentum)
    assert Momentum().get_config()["momentum"] == 0.9
    assert Momentum(name="Mine").name == "Mine"


def check_against_sgd(make_optimizer):
    expected = train(optimizers.SGD(0.1, momentum=0.9), variables())
    own, optimizer = variables(), make_optimizer()
    close(train(optimizer, own), expected)
    assert int(optimizer.iterations) == STEPS
    own, optimizer = variables(), make_optimizer()

    @function
    def step(*arrays):
        optimizer.apply_gradients(zip(arrays, own))

    for arrays in gradients():
        step(*[Tensor(a) for a in arrays])
    close([v.numpy() for v in own], expected)


def test_a_built_in_rule_can_be_wrapped():
    class Logged(optimizers.Adam):
        seen = ()

        def update_step(self, gradient, variable, learning_rate):
            self.seen += (variable.name,)
            super().update_step(gradient * 2.0, variable, learning_rate)

    own, optimizer = variables(), Logged(0.1)
    doubled = [[2 * g for g in step] for step in gradients()]
    close(train(optimizer, own), train(optimizers.Adam(0.1), variables(), doubled))
    assert optimizer.seen[:2] == ("kernel:0", "bias:0")


def test_a_pure_rule_is_two_methods():
    class Signs(optimizers.Optimizer):
        def slot_groups(self):
            return (("count",),)

        def update(self, xp, gradient, value, slots, hyper):
            return value - hyper.rate * xp.sign(gradient), (slots[0] + 1,)

    weight, optimizer = Variable([1.0, 2.0]), Signs(0.5)
    optimizer.apply_gradients([(Tensor(np.array([3, -3], np.float32)), weight)])
    assert weight.numpy().tolist() == [0.5, 2.5]
    with pytest.raises(NotImplementedError, match="has no rule"):
        optimizers.Optimizer(0.1).apply_gradients([(Tensor(np.ones(2, np.float32)), weight)])


def test_a_rule_with_accumulation_and_averages():
    class Plain(optimizers.Optimizer):
        def update_step(self, gradient, variable, learning_rate):
            variable.assign_sub(sqrt(square(learning_rate)) * gradient)

    arguments = {"learning_rate": 0.1, "gradient_accumulation_steps": 2, "use_ema": True, "clipnorm": 1.0}
    arguments["weight_decay"] = 0.1
    close(train(Plain(**arguments), variables()), train(optimizers.SGD(**arguments), variables()))


def test_adam_with_weight_decay_as_bert_has_it():
    class AdamWeightDecay(legacy.Adam):
        def __init__(
            self, learning_rate=0.1, weight_decay_rate=0.0, exclude=None, name="AdamWeightDecay", **kwargs
        ):
            super().__init__(learning_rate, name=name, **kwargs)
            self.weight_decay_rate = weight_decay_rate
            self.exclude = exclude or []

        def _prepare_local(self, var_device, var_dtype, apply_state):
            super()._prepare_local(var_device, var_dtype, apply_state)
            apply_state[(var_device, var_dtype)]["decay"] = Tensor(np.float32(self.weight_decay_rate))

        def _resource_apply_dense(self, grad, var, apply_state=None):
            state = (apply_state or {}).get((var.device, var.dtype.base_dtype))
            state = state or self._fallback_apply_state(var.device, var.dtype.base_dtype)
            if not any(part in var.name for part in self.exclude):
                var.assign_sub(self._get_hyper("learning_rate", var.dtype) * var * state["decay"])
            return super()._resource_apply_dense(grad, var, apply_state=apply_state)

    reference = optimizers.AdamW(0.1, weight_decay=0.2)
    reference.exclude_from_weight_decay(var_names=["bias"])
    optimizer = AdamWeightDecay(weight_decay_rate=0.2, exclude=["bias"])
    own = variables()
    close(train(optimizer, own), train(reference, variables()))
    momentum = optimizer.get_slot(own[0], "m")
    assert momentum.shape == own[0].shape and momentum is optimizer._momentums[0]
    with pytest.raises(KeyError, match="no slot 'velocty'.*velocity"):
        optimizer.get_slot(own[0], "velocty")
    with pytest.raises(AttributeError, match="_set_hyper"):
        optimizer._get_hyper("gamma")


def test_a_rule_may_create_its_state_late_and_read_other_variables():
    scale = Variable(2.0, trainable=False)
    count = Variable(0, trainable=False)

    class Lazy(optimizers.Optimizer):
        seen = None

        def update_step(self, gradient, variable, learning_rate):
            if self.seen is None:
                self.seen = self.add_variable((), initializer="ones", dtype="float32", name="seen")
            self.seen.assign_add(1.0)
            count.assign_add(1)
            variable.assign_sub(gradient * learning_rate * scale)

    optimizer, weight = Lazy(0.1), Variable(1.0)
    for expected in (2, 3):
        optimizer.apply_gradients([(Tensor(np.float32(1)), weight)])
        assert float(optimizer.seen) == expected
    assert float(weight) == pytest.approx(0.6) and int(count) == 2
    assert [v.name for v in optimizer.variables][2:] == ["seen"]


def test_unknown_variables_of_a_user_built_optimizer():
    class Built(optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)

        def update_step(self, gradient, variable, learning_rate):
            variable.assign_sub(gradient * learning_rate)

    optimizer = Built(0.1)
    pairs = [(Tensor(np.float32(1)), Variable(1.0, name=name)) for name in "ab"]
    optimizer.apply_gradients(pairs[:1])
    with pytest.raises(ValueError, match="Unknown variable: b"):
        optimizer.apply_gradients(pairs[1:])


def test_what_adam_takes_of_the_step_is_computed_once_for_all_variables(monkeypatch):
    module = importlib.import_module("dovetail.keras.optimizers.adam")
    calls = []
    correction = module._correction
    monkeypatch.setattr(module, "_correction", lambda *given: calls.append(given) or correction(*given))
    optimizer = optimizers.Adam()
    owned = [Variable(np.ones(size, np.float32)) for size in (2, 3, 4)]
    optimizer.build(owned)
    traced = function(lambda: optimizer.apply([v * 2.0 for v in owned], owned))
    traced()
    assert len(calls) == 1
    monkeypatch.undo()
    for variable in owned:
        np.testing.assert_allclose(variable.numpy(), 1 - 0.001, rtol=1e-6)
