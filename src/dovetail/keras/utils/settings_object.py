"""`keras.utils.Config`: settings as attributes of one object."""

from __future__ import annotations

import json
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any

from dovetail.base.errors import at_user_location, suggest

__all__ = ["Config"]


class Config:
    """A dict whose keys are attributes, and which can be frozen.

    Args:
        kwargs: the settings.

    Example:
        >>> config = keras.utils.Config(rate=0.1, units=8)
        >>> config.units = 16
        >>> config.as_dict()
        {'rate': 0.1, 'units': 16}
    """

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_config", {})
        object.__setattr__(self, "_frozen", False)
        self.update(kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what Python asks of a copy that has no settings yet
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, key: str) -> Any:
        try:
            return self._config[key]
        except KeyError:
            raise AttributeError(
                f"Config: there is no setting {key!r}.{suggest(str(key), self._config)}{at_user_location()}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._require_thawed()
        self._config[name] = value

    __setitem__ = __setattr__

    def __delattr__(self, name: str) -> None:
        self.pop(name)

    __delitem__ = __delattr__

    def __contains__(self, item: object) -> bool:
        return item in self._config

    def __iter__(self) -> Iterator[str]:
        return iter(self._config)

    def __len__(self) -> int:
        return len(self._config)

    def __repr__(self) -> str:
        return f"<Config {self._config}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._config == other._config

    __hash__ = object.__hash__

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _require_thawed(self) -> None:
        if self._frozen:
            raise ValueError(f"Config: it is frozen; call unfreeze() first{at_user_location()}")

    def keys(self) -> KeysView:
        return self._config.keys()

    def values(self) -> ValuesView:
        return self._config.values()

    def items(self) -> ItemsView:
        return self._config.items()

    def get(self, keyname: str, value: Any = None) -> Any:
        """Returns a setting, `value` where there is none."""
        return self._config.get(keyname, value)

    def pop(self, *args: Any) -> Any:
        """Takes a setting out and returns it."""
        self._require_thawed()
        return self._config.pop(*args)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Sets what a dict, another Config or keywords say."""
        self._require_thawed()
        given = [arg.as_dict() if isinstance(arg, Config) else arg for arg in args]
        self._config.update(*given, **kwargs)

    def freeze(self) -> None:
        """Allows no further changes."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether it is frozen."""
        return self._frozen

    def as_dict(self) -> dict[str, Any]:
        """Returns the settings as a new dict."""
        return dict(self._config)

    def to_json(self) -> str:
        """Returns the settings as JSON."""
        return json.dumps(self._config)
