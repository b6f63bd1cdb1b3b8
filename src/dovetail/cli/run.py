"""`dovetail run script.py [args]`: a program written for TensorFlow or Keras, unmodified, on Dovetail."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import runpy
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import NoReturn

from dovetail import compat
from dovetail.base.errors import is_framework_file
from dovetail.base.settings import settings
from dovetail.compat.children import reach_children
from dovetail.profiler.step_times import StepTimes

# Frames of these modules stand between the user's lines in a traceback and say nothing about them.
_OWN_MODULES = ("dovetail.cli", "dovetail.compat", "dovetail.__main__")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what `dovetail run` takes to its parser."""
    parser.usage = "dovetail run [-h] (script.py | -m module) [args ...]"
    parser.description = "Run a program in which tensorflow, keras and tf_keras are Dovetail."
    parser.add_argument("-m", dest="module", metavar="module", help="a module, as in python -m module")
    parser.add_argument(
        "--keras",
        type=int,
        choices=(2, 3),
        help="the Keras that the program is written for, where the two differ",
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="say at the end where the time of fit, evaluate and predict went: compiling, waiting for data, ...",
    )
    parser.add_argument("script", nargs="?", help="a Python file, or a folder or zip file with a __main__.py")
    parser.set_defaults(parser=parser)


def run(options: argparse.Namespace) -> int:
    """Runs the program as `__main__`, with its own arguments, and returns its exit status."""
    if options.module is None and options.script is None:
        options.parser.error("expected a script or -m module, for example: dovetail run train.py --epochs 3")
    if options.keras is not None:
        settings.keras = options.keras
    compat.install()
    with _profiled(options.profile):
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    try:
        if options.module is not None:
            _run_module(options.module, options.program_args)
        else:
            _run_script(options.script, options.program_args)
    except (SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - every error of the program ends it, as in plain Python
        return _report(error)
    return 0


@contextlib.contextmanager
def _profiled(wanted: bool) -> Iterator[None]:
    """Says on stderr where the time went."""
    if not wanted:
        yield
        return
    times = StepTimes()
    try:
        with times:
            yield
    finally:
        print(f"dovetail run: {times}", *times.advice, sep="\ndovetail run: ", file=sys.stderr)


def _run_module(name: str, args: list[str]) -> None:
    _set_path(os.getcwd())
    sys.argv = [name, *args]
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        _stop(f"no module named {error.name!r} (looking for {name!r} from {os.getcwd()})")
    if found is None:
        _stop(f"no module named {name!r} (looking from {os.getcwd()})")
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _run_script(script: str, args: list[str]) -> None:
    if not os.path.exists(script):
        _stop(f"cannot open {script!r}: there is no such file (looking from {os.getcwd()})")
    sys.argv = [script, *args]
    if os.path.isdir(script) or not _is_source(script):
        del sys.path[:1]
        reach_children()
        runpy.run_path(script, run_name="__main__")
        return
    _set_path(os.path.dirname(os.path.realpath(script)))
    path = os.path.abspath(script)
    main = ModuleType("__main__")
    main.__file__ = path
    main.__loader__ = _ScriptLoader("__main__", path)
    sys.modules["__main__"] = main
    main.__loader__.exec_module(main)


class _ScriptLoader(SourceFileLoader):
    """Runs a file as Python runs a script: without a compiled copy in `__pycache__`."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError("scripts are not cached")


def _is_source(script: str) -> bool:
    with open(script, "rb") as file:
        return file.read(2) != b"PK" and not script.endswith(".pyc")


def _set_path(folder: str) -> None:
    """Puts the program's folder where Python puts it, in place of the command's own."""
    if not sys.flags.safe_path:
        sys.path[:1] = [folder]
    reach_children()


def _stop(message: str) -> NoReturn:
    print(f"dovetail run: {message}", file=sys.stderr)
    raise SystemExit(2)


def _report(error: BaseException) -> int:
    """Prints the error as Python would, with the program's frames only, and returns the exit status."""
    _clean(error, seen=set())
    sys.excepthook(type(error), error, error.__traceback__)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def _clean(error: BaseException | None, seen: set[int]) -> None:
    """Drops the frames of `dovetail run` itself from the traceback of an error and of what led to it."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_own_frames(error.__traceback__)
    shorter = _without_framework_frames(error.__traceback__)
    if settings.traceback_filtering and shorter is not None and shorter is not error.__traceback__:
        error.__traceback__ = shorter
        error.add_note(
            "Dovetail's own frames are left out; keras.config.disable_traceback_filtering() shows them."
        )
    _clean(error.__cause__, seen)
    _clean(error.__context__, seen)


def _without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    frames: list[TracebackType] = []
    for entry in _entries(traceback):
        if not _is_own(entry, leading=not frames):
            frames.append(entry)
    return _chained(frames)


def _without_framework_frames(traceback: TracebackType | None) -> TracebackType | None:
    """Returns the traceback through the program's own code; the same object when it passes through nothing else."""
    every = _entries(traceback)
    frames = [entry for entry in every if not is_framework_file(entry.tb_frame.f_code.co_filename)]
    return traceback if len(frames) == len(every) else _chained(frames)


def _entries(traceback: TracebackType | None) -> list[TracebackType]:
    entries = []
    while traceback is not None:
        entries.append(traceback)
        traceback = traceback.tb_next
    return entries


def _chained(entries: list[TracebackType]) -> TracebackType | None:
    kept: TracebackType | None = None
    for entry in reversed(entries):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _is_own(traceback: TracebackType, leading: bool) -> bool:
    code, module = traceback.tb_frame.f_code, traceback.tb_frame.f_globals.get("__name__", "")
    if leading and code.co_filename.startswith("<frozen "):
        return True  # importlib and runpy, which start the program
    return isinstance(module, str) and module.startswith(_OWN_MODULES)
