"""Where the command's own arguments end and those of the program begin."""

from __future__ import annotations

# Options of the command that are followed by their value.
WITH_VALUE = frozenset({"--keras"})


def split_at_program(argv: list[str]) -> tuple[list[str], list[str]]:
    """Splits `run [options] program [args]` after the program, so that its arguments stay its own.

    Example:
        >>> split_at_program(["run", "-m", "package.train", "--help"])
        (['run', '-m', 'package.train'], ['--help'])
    """
    value = False
    for index, word in enumerate(argv[1:], start=1):
        if value:
            value = False
            continue
        value = word in WITH_VALUE
        if value:
            continue
        if word == "-m":
            return argv[: index + 2], argv[index + 2 :]
        if not word.startswith("-") or word == "-":
            return argv[: index + 1], argv[index + 1 :]
    return argv, []
