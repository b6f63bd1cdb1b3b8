"""The `dovetail` command: one file per subcommand, each with `add_parser` and `run`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import dovetail
from dovetail.cli import doctor, run

COMMANDS = {"run": run, "doctor": doctor}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 fine, 1 failed, 2 not understood.

    Args:
        argv: the arguments after `dovetail`; `sys.argv[1:]` by default.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    ours, theirs = run.split(given) if given[:1] == ["run"] else (given, [])
    parser = _build_parser()
    options = parser.parse_args(ours)
    if options.command is None:
        parser.print_help()
        return 2
    options.program_args = theirs
    return COMMANDS[options.command].run(options)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dovetail", description="TensorFlow's API and Keras' layers on JAX and NumPy."
    )
    version = getattr(dovetail, "__version__", "unknown")
    parser.add_argument("--version", action="version", version=f"dovetail {version}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    for command in COMMANDS.values():
        command.add_parser(commands)
    return parser
