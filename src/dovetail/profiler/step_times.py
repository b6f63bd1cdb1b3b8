"""Where the time of training goes."""

from __future__ import annotations

from dovetail.base import step_times
from dovetail.base.step_times import COMPILING, DATA, KINDS, Stopwatch
from dovetail.engine import profiling

_ADVICE = {
    DATA: "the device waited for data: in tf.data, map(..., num_parallel_calls=tf.data.AUTOTUNE), cache() and "
    "prefetch(tf.data.AUTOTUNE); a PyDataset has workers=...",
    COMPILING: "much was compiled: keep shapes the same from batch to batch (drop_remainder=True, padding to few "
    "sizes), train for longer, or keep the cache of compiled programs (DOVETAIL_CACHE_DIR)",
}
_ADVISED_FROM = 0.2


class StepTimes:
    """Counts where the time of `fit`, `evaluate` and `predict` goes while a `with` block runs, in this thread.

        with tf.profiler.StepTimes() as times:
            model.fit(dataset, epochs=3)
        print(times)  # 8.41 s: compiling 9%, waiting for data 12%, dispatch 3%, steps 74%, callbacks 1%, other 1%

    "compiling" is tracing and XLA's compiler; "waiting for data" is time in which no step runs because the next batch
    is not there; "dispatch" is starting steps; "steps" is the steps themselves; "other" is all else in the block. A
    block inside another counts for both.

    Attributes:
        seconds: a dict of these kinds, in seconds; they add up to `total`.
        total: seconds that the block has taken.
    """

    def __init__(self) -> None:
        self._watch: Stopwatch | None = None
        self._around: Stopwatch | None = None
        self.seconds: dict[str, float] = dict.fromkeys(KINDS, 0.0)

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def advice(self) -> list[str]:
        """What to do about kinds that have taken a fifth of the time or more; []: nothing stands out."""
        return [
            text for kind, text in _ADVICE.items() if self.seconds[kind] >= _ADVISED_FROM * self.total > 0
        ]

    def __enter__(self) -> StepTimes:
        """Begins anew."""
        profiling().tell_compile_times(_compiled)
        self._around = step_times.here.watch
        if self._around is not None:
            self._around.lap()
        step_times.here.watch = self._watch = Stopwatch()
        self.seconds = self._watch.seconds
        return self

    def __exit__(self, *exc: object) -> None:
        if self._watch is not None:
            self._watch.lap()
            if self._around is not None:
                self._around.take_over(self._watch)
        step_times.here.watch, self._watch, self._around = self._around, None, None

    def __str__(self) -> str:
        total = self.total
        shares = [f"{kind} {self.seconds[kind] / total:.0%}" for kind in KINDS if total]
        return f"{total:.2f} s: {', '.join(shares)}" if shares else "nothing has been counted"


def _compiled(seconds: float) -> None:
    """What XLA tells of each stage of making a program, in the thread that waits for it."""
    watch = step_times.here.watch
    if watch is not None and watch.kind != COMPILING:
        watch.move(seconds, watch.kind, COMPILING)
