"""`keras.export`: models and functions for serving, as SavedModels."""

from dovetail.keras.layers.core.tfsm_layer import TFSMLayer
from dovetail.keras.saving.exporting import ExportArchive

__all__ = ["ExportArchive", "TFSMLayer"]
