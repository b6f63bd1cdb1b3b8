"""`tf.math`: a view on the op table."""

from types import SimpleNamespace as _Namespace
from typing import Any as _Any

from dovetail.ops import table as _table
from dovetail.ops.views import contents as _contents

__all__ = sorted({*_contents("tf.math"), *_table.late_names("tf.math"), "special"})  # noqa: PLE0605

globals().update(_contents("tf.math"))


def __getattr__(name: str) -> _Any:
    if name == "special":
        found = globals()[name] = _Namespace(**_table.whole("tf.math.special"))
        return found
    if name in _table.late_names("tf.math"):
        found = globals()[name] = _table.find("tf.math", name)
        return found
    raise AttributeError(f"module 'dovetail.math' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
