"""The `dovetail` command: one file per subcommand, each with `add_arguments(parser)` and `run(options)`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

import dovetail
from dovetail.cli.split import split_at_program

# Each command is a module of its own name here, loaded when it is called: `run` must start at once.
COMMANDS = {
    "run": "run a TensorFlow or Keras program, unmodified",
    "show": "show what is in a model file, without running anything of it",
    "convert": "write a model file in another format",
    "doctor": "show versions and devices, and what is wrong",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 fine, 1 failed, 2 not understood.

    Args:
        argv: the arguments after `dovetail`; `sys.argv[1:]` by default.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    ours, theirs = split_at_program(given) if given[:1] == ["run"] else (given, [])
    parser = _build_parser(given[0] if given else "")
    options = parser.parse_args(ours)
    if options.command is None:
        parser.print_help()
        return 2
    options.program_args = theirs
    return options.run(options)


def _build_parser(called: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dovetail", description="TensorFlow's API and Keras' layers on JAX and NumPy."
    )
    parser.add_argument("--version", action="version", version=f"dovetail {dovetail.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary)
        if name == called:
            module = importlib.import_module(f"dovetail.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
