"""Files that are no files of the system's: a place from which the next bytes are read, or to which they are written."""

from __future__ import annotations

import io
import os


class Seekable(io.RawIOBase):
    """What such files share.

    Attributes:
        at: the place.
        size: how many bytes there are.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.at, self.size = 0, size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        if at < 0:
            raise ValueError(f"there is no byte {at}")
        self.at = at
        return at

    def left(self) -> int:
        """Returns how many bytes there are from the place on."""
        return max(self.size - self.at, 0)
