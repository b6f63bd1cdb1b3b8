"""`keras.legacy`: older forms of what has newer ones."""

from dovetail.keras.legacy import saving

__all__ = ["saving"]
