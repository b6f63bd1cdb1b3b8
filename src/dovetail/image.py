"""`tf.image`: a view on the op table."""

from typing import Any as _Any

from dovetail.ops import table as _table
from dovetail.ops.views import contents as _contents

__all__ = sorted({*_contents("tf.image"), *_table.late_names("tf.image")})  # noqa: PLE0605

globals().update(_contents("tf.image"))


def __getattr__(name: str) -> _Any:
    if name in _table.late_names("tf.image"):
        found = globals()[name] = _table.find("tf.image", name)
        return found
    raise AttributeError(f"module 'dovetail.image' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
