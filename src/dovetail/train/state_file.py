"""The file "checkpoint" in a folder of checkpoints: which there are, and which is the latest."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.train.bundle import index_path

_NAME = "checkpoint"


@dataclass
class CheckpointState:
    """What the file says.

    Attributes:
        model_checkpoint_path: the latest.
        all_model_checkpoint_paths: those that are kept, oldest first.
        all_model_checkpoint_timestamps: when each was written, in seconds since 1970.
        last_preserved_timestamp: when the latest was kept for good.
    """

    model_checkpoint_path: str = ""
    all_model_checkpoint_paths: list[str] = field(default_factory=list)
    all_model_checkpoint_timestamps: list[float] = field(default_factory=list)
    last_preserved_timestamp: float = 0.0


_LINE = re.compile(r'^\s*(\w+)\s*:\s*(?:"((?:[^"\\]|\\.)*)"|(\S+))\s*$')


def read(folder: str, name: str | None = None) -> CheckpointState | None:
    """Returns what a folder's file says, None when it has none; paths are as they can be opened.

    Args:
        folder: the folder.
        name: of the file; "checkpoint" when None.
    """
    path = os.path.join(folder, name or _NAME)
    if not os.path.isfile(path):
        return None
    state = CheckpointState()
    with open(path, encoding="utf-8") as file:
        for line in file:
            match = _LINE.match(line)
            if match is None:
                if line.strip():
                    raise ValueError(
                        f"{path}: the line {line.strip()!r:.80} cannot be read{at_user_location()}"
                    )
                continue
            key, text, number = match.groups()
            _set(state, folder, key, text, number)
    return state


def _set(state: CheckpointState, folder: str, key: str, text: str | None, number: str | None) -> None:
    if text is not None:
        where = re.sub(r"\\(.)", r"\1", text)
        where = where if os.path.isabs(where) else os.path.join(folder, where)
        if key == "model_checkpoint_path":
            state.model_checkpoint_path = where
        elif key == "all_model_checkpoint_paths":
            state.all_model_checkpoint_paths.append(where)
    elif key == "all_model_checkpoint_timestamps":
        state.all_model_checkpoint_timestamps.append(float(number or 0))
    elif key == "last_preserved_timestamp":
        state.last_preserved_timestamp = float(number or 0)


def write(
    folder: str,
    latest: str,
    kept: list[str],
    times: list[float] | None = None,
    preserved: float | None = None,
    name: str | None = None,
) -> None:
    """Writes the file anew; paths in the folder are written without it, so that the folder can move.

    Args:
        folder: the folder.
        latest: path of the latest checkpoint.
        kept: paths of all, oldest first.
        times: when each was written; now, when None.
        preserved: when the latest was kept for good.
        name: of the file; "checkpoint" when None.
    """
    times = [time.time()] * len(kept) if times is None else times
    lines = [f'model_checkpoint_path: "{_within(folder, latest)}"']
    lines += [f'all_model_checkpoint_paths: "{_within(folder, path)}"' for path in kept]
    lines += [f"all_model_checkpoint_timestamps: {value!r}" for value in times]
    if preserved is not None:
        lines.append(f"last_preserved_timestamp: {preserved!r}")
    path = os.path.join(folder, name or _NAME)
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _within(folder: str, path: str) -> str:
    same = os.path.abspath(os.path.dirname(path)) == os.path.abspath(folder or ".")
    text = os.path.basename(path) if same else os.path.abspath(path)
    return text.replace("\\", "\\\\").replace('"', '\\"')


def latest_checkpoint(checkpoint_dir: str, latest_filename: str | None = None) -> str | None:
    """Returns the path of a folder's latest checkpoint, without its endings; None when there is none.

    Args:
        checkpoint_dir: the folder.
        latest_filename: of the file that names it; "checkpoint" when None.
    """
    state = read(os.fspath(checkpoint_dir), latest_filename)
    if state is None or not state.model_checkpoint_path:
        return None
    found = state.model_checkpoint_path
    return found if os.path.exists(index_path(found)) else None


def get_checkpoint_state(checkpoint_dir: str, latest_filename: str | None = None) -> CheckpointState | None:
    """Returns which checkpoints a folder has, None when it has none; arguments as of `latest_checkpoint`."""
    return read(os.fspath(checkpoint_dir), latest_filename)


def prefix_of(path: str) -> str:
    """Returns the path of a checkpoint without endings: a folder stands for its latest."""
    if os.path.isdir(path):
        return latest_checkpoint(path) or path
    return path.removesuffix(".index")
