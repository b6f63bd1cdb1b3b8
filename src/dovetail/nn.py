"""`tf.nn`: a view on the op table."""

from typing import Any as _Any

from dovetail.ops import table as _table
from dovetail.ops.views import contents as _contents

__all__ = sorted({*_contents("tf.nn"), *_table.late_names("tf.nn")})  # noqa: PLE0605

globals().update(_contents("tf.nn"))


def __getattr__(name: str) -> _Any:
    if name in _table.late_names("tf.nn"):
        found = globals()[name] = _table.find("tf.nn", name)
        return found
    raise AttributeError(f"module 'dovetail.nn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
