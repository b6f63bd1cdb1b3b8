"""The metadata of the packages that Dovetail stands in for, for `importlib.metadata.version("tensorflow")`."""

from __future__ import annotations

from importlib.metadata import Distribution
from os import PathLike
from pathlib import Path

import dovetail


class AliasDistribution(Distribution):
    """A name and a version.

    Args:
        name: the distribution's name, such as "tensorflow".
        version: what programs should take it for.
    """

    def __init__(self, name: str, version: str) -> None:
        self._text = (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: Dovetail, as {name}\n"
        )

    def read_text(self, filename: str) -> str | None:
        return self._text if filename in ("METADATA", "PKG-INFO") else None

    def locate_file(self, path: str | PathLike[str]) -> Path:
        return Path(dovetail.__file__).parent / path
