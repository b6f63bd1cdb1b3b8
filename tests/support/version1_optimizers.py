"""Optimizers as users of TensorFlow 1 wrote them, on its hooks: each function takes the package, and returns a class.

`path(tf, made)` trains a vector and a table with one, and returns what they become.
"""

from __future__ import annotations

import numpy as np


def weight_decay(tf):
    """Decays weights, then steps as Adam does (as "decoupled weight decay" in contrib)."""

    class Decaying(tf.compat.v1.train.AdamOptimizer):
        def __init__(self, decay, **others):
            super().__init__(name="Decaying", **others)
            self._decay = decay

        def _prepare(self):
            super()._prepare()
            self._decay_t = tf.convert_to_tensor(self._decay)

        def _decayed(self, var, *after):
            with tf.control_dependencies(after):
                return var.assign_sub(tf.cast(self._decay_t, var.dtype) * self._lr_t * var)

        def _apply_dense(self, grad, var):
            with tf.control_dependencies([self._decayed(var, grad)]):
                return super()._apply_dense(grad, var)

        def _resource_apply_dense(self, grad, handle):
            with tf.control_dependencies([self._decayed(handle, grad)]):
                return super()._resource_apply_dense(grad, handle)

        def _apply_sparse(self, grad, var):
            with tf.control_dependencies([self._decayed(var, grad.values)]):
                return super()._apply_sparse(grad, var)

        def _resource_apply_sparse(self, grad, handle, indices):
            with tf.control_dependencies([self._decayed(handle, grad)]):
                return super()._resource_apply_sparse(grad, handle, indices)

    return lambda: Decaying(0.1, learning_rate=0.05)


def layerwise(tf):
    """A step in the scale of the weights, after means of gradients (LAMB), on slots and a count of its own."""
    v1 = tf.compat.v1

    class Layerwise(v1.train.Optimizer):
        def __init__(self, learning_rate, name="Layerwise"):
            super().__init__(False, name)
            self._lr = learning_rate

        def _create_slots(self, var_list):
            first = min(var_list, key=lambda var: var.name)
            self._create_non_slot_variable(initial_value=1.0, name="count", colocate_with=first)
            for var in var_list:
                self._zeros_slot(var, "m", self._name)
                self._get_or_make_slot(var, tf.ones_like(var), "v", self._name)
                self._get_or_make_slot_with_initializer(
                    var, v1.ones_initializer(), var.shape, tf.float32, "scale", self._name + "Scale"
                )

        def _prepare(self):
            self._lr_t = tf.convert_to_tensor(self._call_if_callable(self._lr), name="rate")

        def _count(self):
            with tf.init_scope():
                graph = None if tf.executing_eagerly() else v1.get_default_graph()
            return self._get_non_slot_variable("count", graph=graph)

        def _apply_dense(self, grad, var):
            m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
            new_m = v1.assign(m, 0.9 * m + 0.1 * grad, use_locking=self._use_locking)
            new_v = v1.assign(v, 0.99 * v + 0.01 * tf.square(grad), use_locking=self._use_locking)
            step = new_m / (tf.sqrt(new_v) + 1e-6) * self.get_slot(var, "scale") / self._count()
            ratio = tf.norm(tf.convert_to_tensor(var)) / tf.norm(step)
            change = v1.assign_sub(var, self._lr_t * ratio * step, use_locking=self._use_locking)
            return tf.group(change, new_m, new_v)

        def _resource_apply_dense(self, grad, var):
            return self._apply_dense(grad, var)

        def _apply_sparse(self, grad, var):
            return self._apply_dense(tf.convert_to_tensor(grad), var)

        def _resource_apply_sparse(self, grad, var, indices):
            return self._apply_dense(
                tf.convert_to_tensor(tf.IndexedSlices(grad, indices, tf.shape(var))), var
            )

        def _finish(self, update_ops, name_scope):
            with tf.control_dependencies(update_ops):
                counted = self._count().assign_add(1.0, use_locking=self._use_locking)
            return tf.group(*update_ops, counted, name=name_scope)

    return lambda: Layerwise(lambda: 0.1)


def lazy(tf):
    """Adam whose means go on in those rows only that have a gradient."""

    class Lazy(tf.compat.v1.train.AdamOptimizer):
        def _apply_sparse_shared(self, grad, var, indices, scatter_add):
            power1, power2 = (tf.cast(power, var.dtype) for power in self._get_beta_accumulators())
            m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
            rate = self._lr_t * tf.sqrt(1 - power2) / (1 - power1)
            old_m, old_v = tf.gather(m, indices), tf.gather(v, indices)
            new_m = self._beta1_t * old_m + (1 - self._beta1_t) * grad
            new_v = self._beta2_t * old_v + (1 - self._beta2_t) * tf.square(grad)
            step = rate * new_m / (tf.sqrt(new_v) + self._epsilon_t)
            done = [scatter_add(m, indices, new_m - old_m), scatter_add(v, indices, new_v - old_v)]
            return tf.group(scatter_add(var, indices, -step), *done)

    return lambda: Lazy(0.1)


def accumulating(tf):
    """Adds up gradients, and takes a step of Adam with every second one."""
    v1 = tf.compat.v1

    class Accumulating(v1.train.AdamOptimizer):
        def _create_slots(self, var_list):
            super()._create_slots(var_list)
            first = min(var_list, key=lambda var: var.name)
            self._create_non_slot_variable(initial_value=0, name="turn", colocate_with=first)
            for var in var_list:
                self._zeros_slot(var, "sum", self._name)

        def _turn(self):
            return self._get_non_slot_variable("turn", v1.get_default_graph())

        def _apply_cond(self, apply, grad, var):
            kept = self.get_slot(var, "sum")

            def step():
                done = apply((kept + grad) / 2.0, var)
                with tf.control_dependencies([done]):
                    return kept.assign(tf.zeros_like(kept), read_value=True) + 0.0

            def add():
                return kept.assign_add(grad, read_value=True) + 0.0

            return tf.cond(tf.equal(self._turn_t, 1), step, add).op

        def _prepare(self):
            super()._prepare()
            self._turn_t = tf.convert_to_tensor(self._turn())

        def _apply_dense(self, grad, var):
            return self._apply_cond(super()._apply_dense, grad, var)

        def _resource_apply_dense(self, grad, var):
            return self._apply_cond(super()._resource_apply_dense, grad, var)

        def _resource_apply_sparse(self, grad, var, indices):
            whole = tf.convert_to_tensor(tf.IndexedSlices(grad, indices, tf.shape(var)))
            return self._resource_apply_dense(whole, var)

        def _apply_sparse(self, grad, var):
            return self._apply_dense(tf.convert_to_tensor(grad), var)

        def _finish(self, update_ops, name_scope):
            with tf.control_dependencies(update_ops):
                return tf.group(*update_ops, self._turn().assign(1 - self._turn()), name=name_scope)

    return lambda: Accumulating(0.1)


def looking_ahead(tf):
    """Wraps an optimizer: its slow weights follow by halves, with every third step."""
    v1 = tf.compat.v1

    class LookingAhead(v1.train.Optimizer):
        def __init__(self, inner, name="LookingAhead"):
            super().__init__(False, name)
            self._inner = inner

        def compute_gradients(self, *args, **kwargs):
            return self._inner.compute_gradients(*args, **kwargs)

        def apply_gradients(self, grads_and_vars, global_step=None, name=None):
            pairs = list(grads_and_vars)
            variables = [var for _, var in pairs]
            step = self._inner.apply_gradients(pairs, global_step=global_step)
            self._create_non_slot_variable(initial_value=0, name="steps", colocate_with=variables[0])
            slow = [self._get_or_make_slot(var, var.initial_value, "slow", self._name) for var in variables]
            count = self._get_non_slot_variable("steps", graph=v1.get_default_graph())
            with tf.control_dependencies([step]):
                now = tf.convert_to_tensor(count.assign_add(1))
                take = tf.cast(tf.equal(now % 3, 0), tf.float32)
                done = []
                for var, kept in zip(variables, slow):
                    with tf.control_dependencies([now]):
                        mixed = kept + 0.5 * (var.read_value() - kept)
                        new = kept.assign(take * mixed + (1 - take) * kept)
                        with tf.control_dependencies([new]):
                            done.append(var.assign(take * new + (1 - take) * var.read_value()))
            return tf.group(*done, name=name or self._name)

        def get_slot(self, var, name):
            return super().get_slot(var, name) if name == "slow" else self._inner.get_slot(var, name)

        def variables(self):
            return super().variables() + self._inner.variables()

    return lambda: LookingAhead(v1.train.MomentumOptimizer(0.1, 0.5))


def scaled_gradients(tf):
    """Changes gradients on their way, and the rate before each step."""

    def half(grad):
        if isinstance(grad, tf.IndexedSlices):
            return tf.IndexedSlices(grad.values / 2.0, grad.indices, grad.dense_shape)
        return grad if grad is None else grad / 2.0

    class Scaled(tf.compat.v1.train.RMSPropOptimizer):
        def compute_gradients(self, *args, **kwargs):
            return [(half(grad), var) for grad, var in super().compute_gradients(*args, **kwargs)]

        def _prepare(self):
            super()._prepare()
            self._learning_rate_tensor = self._learning_rate_tensor * 2.0

    return lambda: Scaled(0.01, momentum=0.5)


def rows_only(tf):
    """Momentum, whose hooks for rows descend plainly, and tell how often each row came."""

    class RowsOnly(tf.compat.v1.train.MomentumOptimizer):
        def _resource_apply_sparse(self, grad, handle, indices):
            return handle.scatter_sub(tf.IndexedSlices(0.1 * grad + 0.01, indices))

        def _apply_sparse(self, grad, var):
            return tf.compat.v1.scatter_sub(var, grad.indices, 0.1 * grad.values + 0.01)

    return lambda: RowsOnly(0.1, 0.9)


MAKERS = {
    made.__name__: made
    for made in (weight_decay, layerwise, lazy, accumulating, looking_ahead, scaled_gradients, rows_only)
}


def path(tf, name, use_resource=True, steps=4):
    """Returns what a vector and a table become in some steps, and the names of all variables."""
    v1 = tf.compat.v1
    with (
        tf.Graph().as_default(),
        v1.Session() as session,
        v1.variable_scope("net", use_resource=use_resource),
    ):
        vector = v1.get_variable("vector", initializer=np.array([1.0, -2.0, 0.5], np.float32))
        table = v1.get_variable("table", initializer=np.arange(8, dtype=np.float32).reshape(4, 2) / 4.0)
        rows = tf.gather(table, v1.placeholder_with_default(np.array([2, 0, 2]), [3]))
        loss = tf.reduce_sum((vector - 0.25) ** 2) + tf.reduce_sum(rows**2 * [[1.0], [2.0], [3.0]])
        step = v1.train.get_or_create_global_step()
        optimizer = MAKERS[name](tf)()
        train = optimizer.minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        found = []
        for _ in range(steps):
            session.run(train)
            found.append(np.concatenate([session.run(vector), session.run(table).ravel()]))
        counted = int(session.run(step))
        return np.array(found), counted, sorted(v.name for v in v1.global_variables()), train.name
