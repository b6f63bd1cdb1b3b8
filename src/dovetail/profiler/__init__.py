"""`tf.profiler`: traces of what the host and the devices do."""

from dovetail.profiler import experimental

__all__ = ["experimental"]
