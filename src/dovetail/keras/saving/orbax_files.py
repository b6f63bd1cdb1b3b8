"""Checkpoints of Orbax, in the form in which Keras 3 writes and reads them.

A folder has a folder for each step, and in it three parts: `pytree`, the values of the variables as nested dicts by
their paths; `model_config`, the architecture; `assets`, the files of layers such as vocabularies.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.keras.saving import archive, configs
from dovetail.keras.serialization import deserialize_keras_object
from dovetail.wire.json_text import parsed

_MARKS = frozenset({"orbax.checkpoint", "pytree.orbax-checkpoint", "checkpoint_metadata"})
_PYTREE, _CONFIG, _ASSETS = "pytree", "model_config", "assets"
_WEIGHTS = ("trainable_variables", "non_trainable_variables")
_OF_DRAWS = ("seed_generator_state", "rng_state")  # their last names; the generators of others differ


def package(needed_by: str) -> Any:
    """Returns the part of Orbax that knows these checkpoints."""
    found = optional("orbax.checkpoint", needed_by, "orbax-checkpoint")
    if not hasattr(found, "v1"):
        raise ImportError(
            f"{needed_by} needs a newer Orbax: pip install -U orbax-checkpoint{at_user_location()}"
        )
    return found.v1


def is_checkpoint(path: str) -> bool:
    """Returns whether a folder is that of checkpoints, or of one."""
    if not os.path.isdir(path):
        return False
    names = os.listdir(path)
    return (
        bool(_MARKS.intersection(names))
        or _PYTREE in names
        or any(name.isdigit() and os.path.isdir(os.path.join(path, name, _PYTREE)) for name in names)
    )


def payload(model: Any, weights_only: bool) -> dict:
    """Returns the parts of a checkpoint of a model, as copies."""
    state = model.get_state_tree("numpy_array")
    if weights_only:
        return {_PYTREE: {part: state[part] for part in _WEIGHTS}}
    parts = {_PYTREE: state, _CONFIG: {"config": json.dumps(configs.of_archive(model)[0])}}
    assets = _assets_of(model)
    return parts | ({_ASSETS: assets} if assets else {})


def _assets_of(model: Any) -> dict:
    """Returns the files of layers as nested dicts of bytes."""
    tree: dict = {}
    for owner, folder in archive.with_assets(model, "save_assets"):
        with tempfile.TemporaryDirectory() as temporary:
            owner.save_assets(temporary)
            for root, _, names in os.walk(temporary):
                for name in names:
                    file = os.path.join(root, name)
                    inside = os.path.relpath(file, temporary).split(os.sep)
                    *above, last = [*folder.split("/")[1:], *inside]
                    node = tree
                    for part in above:
                        node = node.setdefault(part, {})
                    node[last] = np.fromfile(file, np.uint8)
    return tree


# ---- reading


def arrays(path: str, caller: str) -> tuple[list[tuple[str, tuple, str]], str | None]:
    """Returns the name, shape and dtype of each array of the newest checkpoint, and the description of the model.

    Raises:
        ImportError: Orbax is not installed.
        ValueError: it is damaged.
    """
    step = _step_of(path, caller)
    try:
        found = package(caller).pytree_metadata(os.path.abspath(step), checkpointable_name=_PYTREE).metadata
        rows = [(name, tuple(one.shape), np.dtype(one.dtype).name) for name, one in _flat(found)]
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # of Orbax and of what it stands on, of all kinds
        raise _damaged(
            step, caller, f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
        ) from error
    if not os.path.isdir(os.path.join(step, _CONFIG)):
        return rows, None
    text = _parts(step, [_CONFIG], caller)[_CONFIG]
    return rows, text.get("config") if isinstance(text, dict) else None


def read_weights(model: Any, path: str) -> None:
    """Assigns the variables of the newest checkpoint in a folder, or of one: all of them or, on an error, none.

    A model that is compiled gets the state of its optimizer and its metrics, too; random generators of others, and
    metrics that the model has not, are left out.

    Raises:
        ImportError: Orbax is not installed.
        ValueError: it is damaged, or has no value for a weight, or others than the model.
    """
    _assign(
        model,
        _parts(_step_of(path, "load_weights"), [_PYTREE], "load_weights")[_PYTREE],
        path,
        "load_weights",
    )


def read_model(path: str, compiled: bool = True) -> Any:
    """Returns the model of the newest checkpoint in a folder, or of one.

    Args:
        path: of the folder.
        compiled: compile the model as it was, with the state of its optimizer.

    Raises:
        ImportError: Orbax is not installed.
        ValueError: it is damaged, or holds weights only.
    """
    step = _step_of(path, "load_model")
    names = [name for name in (_CONFIG, _PYTREE, _ASSETS) if os.path.isdir(os.path.join(step, name))]
    if _CONFIG not in names:
        raise ValueError(
            f"load_model: {path!r} has the weights of a model only (save_weights_only=True): make the model, and call "
            f"load_weights on it{at_user_location()}"
        )
    parts = _parts(step, names, "load_model")
    try:
        config = parsed(parts[_CONFIG]["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, "load_model", f"the description of the model: {error}") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise _damaged(path, "load_model", "it describes no model")
    if not compiled:
        config.pop("compile_config", None)
    model = deserialize_keras_object(config)
    if not hasattr(model, "set_state_tree"):
        raise _damaged(path, "load_model", f"it describes a {type(model).__name__}, no model")
    _read_assets(model, parts.get(_ASSETS))
    _assign(model, parts[_PYTREE], path, "load_model")
    return model


def _damaged(path: str, caller: str, what: str) -> ValueError:
    return ValueError(f"{caller}: the checkpoint {path!r} is damaged: {what}{at_user_location()}")


def _step_of(path: str, caller: str) -> str:
    """Returns the folder of the newest checkpoint."""
    if os.path.isdir(os.path.join(path, _PYTREE)):
        return path
    steps = [name for name in os.listdir(path) if name.isdigit()]
    whole = [name for name in steps if os.path.isdir(os.path.join(path, name, _PYTREE))]
    if not whole:
        raise ValueError(f"{caller}: {path!r} has no checkpoint that is whole{at_user_location()}")
    return os.path.join(path, max(whole, key=int))


def _parts(step: str, names: list[str], caller: str) -> dict:
    orbax = package(caller)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Orbax, about devices
        try:
            return orbax.load_checkpointables(os.path.abspath(step), dict.fromkeys(names))
        except Exception as error:  # of Orbax and of what it stands on, of all kinds
            raise _damaged(
                step, caller, f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
            ) from error


def _flat(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def _assign(model: Any, state: Any, path: str, caller: str) -> None:
    """Assigns what a checkpoint holds of the variables of a model."""
    if not isinstance(state, dict) or not all(isinstance(part, dict) for part in state.values()):
        raise _damaged(path, caller, "it holds no variables by their kinds")
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)
    known = {part: dict(_flat(tree)) for part, tree in model.get_state_tree().items()}
    found = {part: dict(_flat(tree)) for part, tree in state.items() if part in known}
    roots = {name.partition("/")[0] for name in found.get("trainable_variables", ())}
    chosen = {}
    for part, values in found.items():
        if part in _WEIGHTS or known[part]:  # else the model is not compiled
            chosen[part], problems = _matched(part, values, known[part], model.name, roots)
            if problems:
                shown = "; ".join(problems[:5]) + ("; ..." if len(problems) > 5 else "")
                raise ValueError(
                    f"{caller}: {path!r} does not fit {model.name!r}: {shown}{at_user_location()}"
                )
    model.set_state_tree(chosen)


def _matched(part: str, values: dict, known: dict, name: str, roots: set[str]) -> tuple[dict, list[str]]:
    """Returns the values by the paths of a model's variables, and what does not fit.

    Args:
        part: the kind of variables.
        values: by the paths in the file, before which the name of the model may stand, or not.
        known: the variables of the model by their paths.
        name: of the model.
        roots: what paths in the file begin with.
    """
    own = {_short(part, path, name): path for path in known}
    options = [{_short(part, path, root): one for path, one in values.items()} for root in (None, *roots)]
    given = max(options, key=lambda option: len(own.keys() & option.keys()))
    problems = [
        f"{own[path]!r} is not in the file" for path in own if _counts(part, path) and path not in given
    ]
    problems += [f"the model has no {path!r}" for path in given if _counts(part, path) and path not in own]
    chosen = {own[path]: np.asarray(one) for path, one in given.items() if path in own}
    problems += [
        f"{path!r} has shape {tuple(known[path].shape)}, the file has {one.shape}"
        for path, one in chosen.items()
        if tuple(known[path].shape) != one.shape
    ]
    return chosen, problems


def _short(part: str, path: str, root: str | None) -> str:
    """Returns a path without the names of the model and of the optimizer."""
    if part != "optimizer_variables":
        return path.removeprefix(f"{root}/")
    return path.partition("/")[2].removeprefix(f"{root}_")


def _counts(part: str, path: str) -> bool:
    """Whether a variable must be on both sides: not metrics and random generators, which others have others of."""
    return part != "metrics_variables" and not path.endswith(_OF_DRAWS)


def _read_assets(model: Any, assets: Any) -> None:
    """Hands layers their files, in folders of their own."""
    if not isinstance(assets, dict):
        return
    for owner, folder in archive.with_assets(model, "load_assets"):
        node: Any = assets
        for part in folder.split("/")[1:]:
            node = node.get(part) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        with tempfile.TemporaryDirectory() as temporary:
            for inside, value in _flat(node):
                parts = inside.split("/")
                if any(part in ("", ".", "..") or os.sep in part or "\\" in part for part in parts):
                    continue
                target = os.path.join(temporary, *parts)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb") as file:
                    file.write(np.asarray(value, np.uint8).tobytes())
            if os.listdir(temporary):
                owner.load_assets(temporary)
