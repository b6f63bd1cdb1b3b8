"""The parent's end: a worker that stays, or a fresh process for every repeat. Both load, repeat and close."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.frameworks import NO_DISK_CACHE, environment
from benchmarks.kinds import BenchmarkError, Side, Workload, in_unit

ROOT = Path(__file__).resolve().parent.parent
LOAD_LIMIT_S = 600.0
REPEAT_LIMIT_S = 300.0
ERROR_LINES = 6


class Timed(Protocol):
    """A side that can be timed."""

    def load(self) -> int: ...

    def repeat(self) -> dict[str, Any]: ...

    def close(self) -> None: ...


def start(workload: Workload, side: Side) -> Timed:
    """Make the handle for one side of a workload; nothing runs before `load`."""
    return WorkerHandle(workload, side) if side.build is not None else FreshProcess(workload, side)


class WorkerHandle:
    """A long-lived process that is asked for repeats over JSON lines."""

    def __init__(self, workload: Workload, side: Side) -> None:
        self.workload = workload
        self.side = side
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process, see close()
        self.process: subprocess.Popen[str] | None = None

    def load(self) -> int:
        """Start the process, build and warm up its side, and return the units of work per repeat."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", self.side.framework],
            cwd=ROOT,
            env=environment(self.side.framework, self.workload.device),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            bufsize=1,
        )
        request = {"do": "load", "workload": self.workload.name, "label": self.side.label}
        return int(self._ask(request, LOAD_LIMIT_S)["units"])

    def repeat(self) -> dict[str, Any]:
        """Ask for one timed repeat: its value, those of its parts where it has some, and the peak of memory."""
        return self._ask({"do": "repeat"}, REPEAT_LIMIT_S)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def _ask(self, request: dict[str, Any], limit_s: float) -> dict[str, Any]:
        process = self.process
        if process is None or process.stdin is None or process.stdout is None:
            raise BenchmarkError(f"{self.side.label}: asked before it was loaded")
        try:
            process.stdin.write(json.dumps(request) + "\n")
        except BrokenPipeError:
            raise BenchmarkError(self._how_it_ended()) from None
        ready, _, _ = select.select([process.stdout], [], [], limit_s)
        if not ready:
            raise BenchmarkError(f"no answer to {request['do']!r} within {limit_s:.0f} s")
        line = process.stdout.readline()
        if not line:
            raise BenchmarkError(self._how_it_ended())
        reply: dict[str, Any] = json.loads(line)
        if not reply["ok"]:
            sys.stderr.write("\n" + reply["trace"])
            raise BenchmarkError(reply["error"])
        return reply

    def _how_it_ended(self) -> str:
        code = self.process.wait() if self.process is not None else None
        self.log.seek(0)
        last_lines = self.log.read().strip().splitlines()[-ERROR_LINES:]
        return f"the process ended with code {code}: " + " | ".join(last_lines)


class FreshProcess:
    """A new process for every repeat, timed from its start to a line of output or to its end."""

    def __init__(self, workload: Workload, side: Side) -> None:
        self.workload = workload
        self.side = side
        self.filled_cache = tempfile.TemporaryDirectory(prefix="benchmark_cache_")

    def load(self) -> int:
        """Run once untimed: fills the file system's cache and, where one is used, the compilation cache."""
        self._seconds(self.filled_cache.name)
        return 1

    def repeat(self) -> dict[str, Any]:
        """Time one fresh process."""
        if self.side.cache != "empty":
            return {"value": in_unit(self.workload, self._seconds(self.filled_cache.name), 1)}
        with tempfile.TemporaryDirectory(prefix="benchmark_cache_") as empty:
            return {"value": in_unit(self.workload, self._seconds(empty), 1)}

    def close(self) -> None:
        """Remove the cache directory."""
        self.filled_cache.cleanup()

    def _seconds(self, cache_dir: str) -> float:
        env = environment(self.side.framework, self.workload.device)
        if self.side.cache is not None:
            env["DOVETAIL_CACHE_DIR"] = cache_dir
            for name in NO_DISK_CACHE:
                env.pop(name, None)
        command = [sys.executable, *self.side.command]
        with tempfile.TemporaryFile("w+") as log:
            begin = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log, text=True
            )
            output, seconds = self._wait(process, begin)
            log.seek(0)
            errors = log.read()
        self._verify(process.returncode, output, errors)
        return seconds

    def _wait(self, process: subprocess.Popen[str], begin: float) -> tuple[str, float]:
        """Read the output to its end; the clock stops at the awaited line, or when the process has ended."""
        if process.stdout is None:
            raise BenchmarkError(f"{self.side.label}: the process has no output to read")
        lines, seconds = [], None
        limit = threading.Timer(REPEAT_LIMIT_S, process.kill)
        limit.start()
        try:
            for line in process.stdout:
                lines.append(line)
                if self.side.until is not None and line.startswith(self.side.until):
                    seconds = time.perf_counter() - begin
            process.wait()
        finally:
            limit.cancel()
        if seconds is None:
            seconds = time.perf_counter() - begin
        return "".join(lines), seconds

    def _verify(self, code: int, output: str, errors: str) -> None:
        if code != 0:
            last_lines = errors.strip().splitlines()[-ERROR_LINES:]
            raise BenchmarkError(f"the process ended with code {code}: " + " | ".join(last_lines))
        if self.side.until is not None and self.side.until not in output:
            raise BenchmarkError(f"the process never printed {self.side.until!r}")
        if self.side.silent and (output or errors):
            raise BenchmarkError(f"expected no output, the process printed: {(output + errors)[:300]!r}")


@dataclass(frozen=True)
class Usage:
    """Processor time since the machine started, in seconds: all there was, what was busy, and our children's.

    Ours counts once a child has ended. `total` is 0 where the system has no /proc/stat.
    """

    total: float
    busy: float
    ours: float

    @classmethod
    def now(cls) -> Usage:
        """Read the counters."""
        spent = os.times()
        ours = spent.user + spent.system + spent.children_user + spent.children_system
        stat = Path("/proc/stat")
        if not stat.exists():
            return cls(0.0, 0.0, ours)
        ticks = [int(field) for field in stat.read_text().split("\n", 1)[0].split()[1:9]]
        idle = ticks[3] + ticks[4]  # idle, waiting for input and output
        second = os.sysconf("SC_CLK_TCK")
        return cls(sum(ticks) / second, (sum(ticks) - idle) / second, ours)

    def busy_elsewhere_until(self, later: Usage) -> float | None:
        """Return the share of the machine that other programs used between two readings."""
        total = later.total - self.total
        if total <= 0:
            return None
        return max(0.0, (later.busy - self.busy - (later.ours - self.ours)) / total)
