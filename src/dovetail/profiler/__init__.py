"""`tf.profiler`: where the time of training goes, and traces of what the host and the devices do."""

from dovetail.profiler import experimental
from dovetail.profiler.step_times import StepTimes

__all__ = ["StepTimes", "experimental"]
