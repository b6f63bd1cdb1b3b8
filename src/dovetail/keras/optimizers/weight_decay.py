"""Which variables weight decay leaves alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dovetail.keras.optimizers.checks import label
from dovetail.tensor.variable import Variable


class Undecayed:
    """The variables that a user has excluded from weight decay.

    Args:
        variables: the variables.
        names: regular expressions; variables in whose name or path one is found.
    """

    def __init__(self, variables: Iterable | None = None, names: Iterable | None = None) -> None:
        self._variables = list(variables or ())
        patterns = sorted(set(names or ()))
        self._pattern = re.compile("|".join(patterns)) if patterns else None

    def has(self, variable: Variable) -> bool:
        if any(one is variable for one in self._variables):
            return True
        pattern = self._pattern
        return pattern is not None and bool(pattern.search(variable.name) or pattern.search(label(variable)))
