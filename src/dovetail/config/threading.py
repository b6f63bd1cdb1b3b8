"""`tf.config.threading`: how many threads ops may use."""

from __future__ import annotations

from dovetail.engine import devices

__all__ = [
    "get_inter_op_parallelism_threads",
    "get_intra_op_parallelism_threads",
    "set_inter_op_parallelism_threads",
    "set_intra_op_parallelism_threads",
]


def get_intra_op_parallelism_threads() -> int:
    """Returns how many threads one op may use; 0: the system chooses."""
    return devices.setup.intra_op_threads


def set_intra_op_parallelism_threads(num_threads: int) -> None:
    """Bounds the threads that one compiled op uses on the CPU; 0 lets the system choose.

    Raises:
        RuntimeError: XLA has started already, and the number differs.
    """
    devices.set_threads(_checked(num_threads, "set_intra_op_parallelism_threads"))


def get_inter_op_parallelism_threads() -> int:
    """Returns what `set_inter_op_parallelism_threads` was given."""
    return devices.setup.inter_op_threads


def set_inter_op_parallelism_threads(num_threads: int) -> None:
    """Keeps the number for `get_inter_op_parallelism_threads`.

    Differs from TensorFlow: XLA runs independent ops of a program in the same threads as the work inside one op, so
    that `set_intra_op_parallelism_threads` bounds both.
    """
    count = _checked(num_threads, "set_inter_op_parallelism_threads")
    devices.refuse_when_started("Inter op parallelism", count != devices.setup.inter_op_threads)
    devices.setup.inter_op_threads = count


def _checked(num_threads: int, name: str) -> int:
    if int(num_threads) < 0:
        raise ValueError(f"tf.config.threading.{name}: expected 0 or more threads, received {num_threads}")
    return int(num_threads)
