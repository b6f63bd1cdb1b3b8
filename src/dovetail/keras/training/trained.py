"""What a model trains: what was trainable when it was compiled.

`trainable` can change at any time, and a compiled model goes on training what it trained: the two models of an
adversarial pair share layers, and each was compiled with other layers frozen.  So `compile` notes the flags, and a
step sees those, in its thread alone; nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from dovetail.base.settings import state
from dovetail.base.versions import Versions

_AS_THEY_ARE = nullcontext()


class TrainableFlags:
    """The `trainable` flags of a model's layers and variables at one moment.

    Layers and variables that come later have the flags of their own.

    Args:
        model: a model (or None: nothing is noted, all flags are those of the moment).
    """

    def __init__(self, model: Any) -> None:
        self._layers = [] if model is None else model._flatten_layers()
        self._objects = [*self._layers, *(v for layer in self._layers for v in layer._held_variables())]
        self._flags = [item._trainable for item in self._objects]
        self._index: dict[int, bool] | None = None
        self._versions: Versions | None = None
        self._are_those_of_now = False

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_index": None, "_versions": None}  # these hold for these objects only

    def of(self, item: Any) -> bool:
        """Returns the flag of a layer or a variable."""
        if self._index is None:
            self._index = {id(one): flag for one, flag in zip(self._objects, self._flags)}
        return self._index.get(id(item), item._trainable)

    def seen(self) -> AbstractContextManager:
        """Returns a context in which layers and variables show these flags, in this thread."""
        if self._versions is None or not self._versions.hold():
            self._versions = Versions(self._objects)
            self._are_those_of_now = [item._trainable for item in self._objects] == self._flags
        return _AS_THEY_ARE if self._are_those_of_now else self._shown()

    @contextmanager
    def _shown(self) -> Iterator[None]:
        before, state.trainable_of = state.trainable_of, self.of
        try:
            yield
        finally:
            state.trainable_of = before
            self._take_in_new_variables()

    def _take_in_new_variables(self) -> None:
        """Notes the weights that a step has made with the flags of compilation, and gives them those of now."""
        known = set(map(id, self._objects))
        for layer in self._layers:
            for variable in layer._own_weights:
                if id(variable) not in known:
                    self._objects.append(variable)
                    self._flags.append(variable._trainable)
                    variable.trainable = variable._declared_trainable and layer._trainable
        self._index = self._versions = None
