"""Run many programs, each in a process of its own, without importing JAX in each of them.

A server process imports what every program imports anyway, and forks itself for each program.  The fork then is the
program, as `python -m dovetail run FILE` would be: its own folder, environment, output and exit.  Where there is no
`os.pidfd_open` (outside of Linux), `Warm` starts a new Python each time.
"""

import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

# What others make; Dovetail itself is imported by the program, as always.
IMPORTED = ("numpy", "ml_dtypes", "jax", "jax.numpy", "jax.scipy.special", "jax.export")


class Warm:
    """A server, started at the first run; a context manager that ends it."""

    def __init__(self):
        self._server = None
        self._folder = TemporaryDirectory()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._server is not None:
            self._server.communicate()
        self._folder.cleanup()

    def run(self, arguments, cwd, env, timeout):
        """Run `python -m dovetail ARGUMENTS` to its end.

        Args:
          arguments: the words after `python -m dovetail`.
          cwd: the folder to run in.
          env: all environment variables.
          timeout: seconds, after which it is killed.

        Returns:
          A subprocess.CompletedProcess with text.

        Raises:
          subprocess.TimeoutExpired: it took longer.
        """
        if not hasattr(os, "pidfd_open"):
            command = [sys.executable, "-m", "dovetail", *arguments]
            return subprocess.run(
                command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
            )
        out, err = (Path(self._folder.name) / name for name in ("out", "err"))
        job = {"arguments": arguments, "cwd": str(cwd), "env": env, "out": str(out), "err": str(err)}
        status = self._ask(job | {"timeout": timeout})
        if status is None:
            raise subprocess.TimeoutExpired(arguments, timeout, out.read_text(), err.read_text())
        return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())

    def _ask(self, job):
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tools.warm"],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        print(json.dumps(job), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())


def next_program():
    """Serve runs; return only in a fork, with the arguments of the program that it is to be."""
    for line in sys.stdin:
        job = json.loads(line)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns of forks; no thread of its has started here
            child = os.fork()
        if child == 0:
            _become(job)
            return job["arguments"]
        print(json.dumps(_wait(child, job["timeout"])), flush=True)
    return None


def _become(job):
    os.setsid()
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    read = os.open(os.devnull, os.O_RDONLY)
    out, err = (os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC) for name in ("out", "err"))
    for source, target in ((read, 0), (out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)


def _wait(child, timeout):
    """Return the exit status of a child, negative for a signal; None when it was killed for its time."""
    ended = os.pidfd_open(child)
    in_time, _, _ = select.select([ended], [], [], timeout)
    if not in_time:
        os.killpg(child, signal.SIGKILL)
    os.close(ended)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if in_time else None


if __name__ == "__main__":
    for module in IMPORTED:
        importlib.import_module(module)
    program = next_program()
    if program is not None:
        sys.argv = ["dovetail", *program]
        sys.path[0] = os.getcwd()
        runpy.run_module("dovetail", run_name="__main__", alter_sys=True)
