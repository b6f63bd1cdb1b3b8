"""Where progress is written: standard output, or the log when interactive logging is switched off."""

from __future__ import annotations

import logging
import sys

_interactive = [True]
_log = logging.getLogger("dovetail.keras")


def enable_interactive_logging() -> None:
    """Writes progress to standard output (the default)."""
    _interactive[0] = True


def disable_interactive_logging() -> None:
    """Writes progress to the logger "dovetail.keras" instead of standard output."""
    _interactive[0] = False


def is_interactive_logging_enabled() -> bool:
    return _interactive[0]


def write(text: str) -> None:
    """Writes text as it is; characters that the output cannot show become question marks."""
    if not _interactive[0]:
        _log.info(text.strip())
        return
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, errors="replace").decode(encoding))
    sys.stdout.flush()
