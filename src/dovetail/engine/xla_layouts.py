"""Transposes and factors around products of many pairs of matrices, which the native kernel reads and writes in place.

Attention splits rows into heads, which come before the steps in its products and behind them in everything else. Which
transposes stand only for that is known when a program has been traced.
"""

from __future__ import annotations

from typing import Any

from dovetail.engine import jax_private
from dovetail.engine.native_batched import TARGET, layouts_in, product_of_layouts, sizes


def with_axes_in_place(closed: Any) -> Any:
    """Returns a program in which such products take what was transposed for them, and give what is made of them."""
    equations = closed.jaxpr.eqns
    targets = [jax_private.custom_call_of(equation) or {} for equation in equations]
    if not any(each.get("target_name") == TARGET for each in targets):
        return closed
    links = jax_private.Links(closed)
    kept: list = []
    dropped: set[int] = set()
    for equation, target in zip(equations, targets, strict=True):
        if target.get("target_name") == TARGET:
            product = _Product(equation, layouts_in(target))
            product.read(links, dropped)
            done = product.write(links)
            new = product.equation()
            if new is not None:
                equation = new
                dropped.update(done)
        kept.append(equation)
    return jax_private.with_equations(closed, [each for each in kept if id(each) not in dropped])


class _Product:
    """A product, of what was made into its operands, and giving what is made of it."""

    def __init__(self, equation: Any, layouts: tuple) -> None:
        self._equation, (*self._of_operands, self._of_y, self._scale) = equation, layouts
        self._operands, self._result = list(equation.invars), equation.outvars[0]

    def read(self, links: jax_private.Links, dropped: set[int]) -> None:
        """Takes what was transposed or scaled to be its operands, where no other product does that."""
        for i in range(2):
            while (before := links.made_by(self._operands[i])) is not None:
                turned, factor = _turned(before), jax_private.factor_of(before)
                if id(before) in dropped or (turned is None and factor is None):
                    break
                axes = self._of_operands[i] if turned is None else _chain(turned, self._of_operands[i])
                if not self._fits(axes, i, before.invars[0]):
                    break
                self._of_operands[i], self._operands[i] = axes, before.invars[0]
                self._scale *= 1.0 if factor is None else factor

    def write(self, links: jax_private.Links) -> list[int]:
        """Gives what is only transposed or scaled of it; returns the ids of the equations that did that."""
        done = []
        while (after := links.only_use(self._result)) is not None:
            turned, factor = _turned(after), jax_private.factor_of(after)
            if turned is not None:
                axes = _chain(self._of_y, turned)
                if not self._gives(axes):
                    break
            elif factor is not None:
                self._scale *= factor
            else:
                break
            self._result = after.outvars[0]
            done.append(id(after))
        return done

    def _gives(self, axes: tuple) -> bool:
        """Takes on axes of the result, whose last must be that of rows or of columns: those lie side by side then."""
        rank = len(axes)
        if axes[-1] < rank - 2:
            return False
        before = self._of_operands, self._operands, self._of_y
        if axes[-1] == rank - 2:  # the product of the transposed matrices is the transposed product
            axes = tuple(2 * rank - 3 - axis if axis >= rank - 2 else axis for axis in axes)
            self._of_operands = [(*of[:-2], of[-1], of[-2]) for of in reversed(self._of_operands)]
            self._operands = self._operands[::-1]
        self._of_y = axes
        if self._fits(self._of_operands[0], 0, self._operands[0]):
            return True
        self._of_operands, self._operands, self._of_y = before
        return False

    def _fits(self, axes: tuple, i: int, operand: Any) -> bool:
        """Whether the kernel reads an operand by these axes."""
        layouts, operands = list(self._of_operands), list(self._operands)
        layouts[i], operands[i] = axes, operand
        a, b = [each.aval.shape for each in operands]
        try:
            sizes(a, b, layouts[0], layouts[1], self._of_y)
        except ValueError:
            return False
        return True

    def equation(self) -> Any:
        """Returns it as an equation of a program, None where it is not one."""
        of_a, of_b = self._of_operands
        function = product_of_layouts(of_a, of_b, self._of_y, self._scale)
        kind = (TARGET, of_a, of_b, self._of_y, self._scale)
        return jax_private.equation_of(lambda a, b: function(a, b)[0], self._operands, [self._result], kind)


def _turned(equation: Any) -> tuple | None:
    """Returns the axes by which an equation transposes, None for others."""
    return equation.params["permutation"] if equation.primitive.name == "transpose" else None


def _chain(first: tuple, then: tuple) -> tuple:
    """Returns the axes of transposing twice."""
    return tuple(first[axis] for axis in then)
