"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def replacing(path: str) -> Iterator[str]:
    """Gives the path of a new file beside `path`, which takes its place at the end of the block.

    An error in the block leaves what was there before, and nothing else.
    """
    partial = f"{path}.partial"
    try:
        yield partial
        with open(partial, "rb") as file:  # on the disk before its name is
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.remove(partial)
        raise
    os.replace(partial, path)
