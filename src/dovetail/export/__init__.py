"""`tf.export`: functions and modules in formats that need neither their code nor this library.

TensorFlow has no such namespace; `model.export` and `keras.export.ExportArchive` write the same files.
"""

from dovetail.export.files import FORMATS, load, save
from dovetail.export.loaded import ExportedFunction

__all__ = ["ExportedFunction", "load", "save"]
