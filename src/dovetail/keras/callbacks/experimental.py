"""`keras.callbacks.experimental` of Keras 2."""

from dovetail.keras.callbacks.backup import BackupAndRestore

__all__ = ["BackupAndRestore"]
