"""Weights in several HDF5 files, with a list of what stands where, as Keras 3 writes them.

model.weights.json        {"metadata": {"total_size": bytes}, "weight_map": {"/layers/dense/vars": ["model_00000..."]}}
model_00000.weights.h5    some of the groups of one ".weights.h5" file
model_00001.weights.h5    the others
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any

import h5py
import numpy as np

from dovetail.base.atomic import replacing_all
from dovetail.base.errors import at_user_location
from dovetail.keras.saving.h5 import descend, opened
from dovetail.keras.saving.layout import Place, places
from dovetail.keras.saving.stored import read_values, read_weights, write_place, write_value
from dovetail.wire.json_text import parsed

ENDING = ".weights.json"
_MAX_LIST_BYTES = 64 << 20


def write(model: Any, path: str, max_shard_size: float) -> None:
    """Writes the weights of a model.

    Older files of these names are replaced when all new ones are whole.  Keras wants the first shard under its fixed
    name, so that they are replaced one after the other, without a list: a process that dies meanwhile leaves none,
    which loading tells, and never a list of files of two models.

    Args:
        model: the model.
        path: of the list; it ends in ".weights.json".
        max_shard_size: of one file, in GiB.  A layer's own weights stay together, however large they are.
    """
    base = path.removesuffix(ENDING)
    before = _shards_of(path)
    shards = _shards(model, max_shard_size * (1 << 30))
    paths = [f"{base}_{number:05d}.weights.h5" for number in range(len(shards))]
    where: dict[str, list[str]] = {}
    with replacing_all([*paths, path]) as (*partials, partial_list):
        for (shard, _), name, partial in zip(shards, map(os.path.basename, paths), partials, strict=True):
            with h5py.File(partial, "w") as file:
                for place in shard:
                    write_place(place, file)
            where |= {f"/{place.vars_path}": [name] for place in shard if place.variables}
        facts = {"metadata": {"total_size": sum(size for _, size in shards)}, "weight_map": where}
        with open(partial_list, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=4)
    for name in before - {os.path.basename(name) for name in paths}:
        with contextlib.suppress(FileNotFoundError):
            os.remove(os.path.join(os.path.dirname(path), name))


def _shards_of(path: str) -> set[str]:
    """Returns the names of the shards that stood beside a list until now; none of a list that cannot be read."""
    try:
        named = {name for names in listed(path).values() for name in names}
    except (OSError, ValueError):
        return set()
    shard = re.compile(re.escape(os.path.basename(path.removesuffix(ENDING))) + r"_\d{5}\.weights\.h5")
    return {name for name in named if shard.fullmatch(name)}


def _shards(model: Any, limit: float) -> list[tuple[list[Place], int]]:
    """Returns the groups of each file, and their bytes."""
    shards: list[tuple[list[Place], int]] = [([], 0)]
    for place in places(model):
        size = sum(_num_bytes(variable) for variable in place.variables)
        if shards[-1][1] and shards[-1][1] + size > limit:
            shards.append(([], 0))
        shards[-1] = ([*shards[-1][0], place], shards[-1][1] + size)
    return shards


def _num_bytes(variable: Any) -> int:
    return int(np.prod(variable.shape.as_list(), dtype=np.int64)) * np.dtype(variable._numpy_dtype).itemsize


def read(
    model: Any, path: str, skip_mismatch: bool = False, skipped: frozenset | set[int] = frozenset()
) -> None:
    """Reads the weights that `write` or Keras has written.

    Raises:
        ValueError: the list is damaged, names files of another folder, or the weights do not fit.
        FileNotFoundError: a file of the list is not there.
    """
    where = listed(path)
    with h5py.File("merged", "w", driver="core", backing_store=False) as merged:
        for name in sorted({name for names in where.values() for name in names}):
            groups = [group for group, names in where.items() if name in names]
            met: set[int] = set()
            with opened(os.path.join(os.path.dirname(path), name), name) as file:
                for group in groups:
                    _copy(descend(file, group.strip("/")), merged.require_group(group), met)
        read_weights(model, merged, skip_mismatch, skipped)


def _copy(source: Any, target: Any, met: set[int]) -> None:
    for name, value in read_values(source, met).items() if isinstance(source, h5py.Group) else ():
        write_value(target, name, value)


def listed(path: str) -> dict[str, list[str]]:
    """Returns the names of the files of each group."""
    if os.path.getsize(path) > _MAX_LIST_BYTES:
        raise ValueError(f"load_weights: {path!r} is too long for a list of files{at_user_location()}")
    with open(path, "rb") as file:
        text = file.read()
    try:
        facts = parsed(text)
    except ValueError as error:
        raise ValueError(f"load_weights: {path!r} cannot be read: {error}{at_user_location()}") from error
    where = facts.get("weight_map") if isinstance(facts, dict) else None
    if not isinstance(where, dict):
        raise ValueError(f"load_weights: {path!r} is no list of weights files{at_user_location()}")
    named = {group: names if isinstance(names, list) else [names] for group, names in where.items()}
    for names in named.values():
        for name in names:
            if not isinstance(name, str) or not name or os.path.basename(name) != name or "\\" in name:
                raise ValueError(
                    f"load_weights: {path!r} names the file {name!r}, which is not in its own folder"
                    f"{at_user_location()}"
                )
    return named
