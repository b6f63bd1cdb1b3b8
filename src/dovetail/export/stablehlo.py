"""Files of programs for any sizes: StableHLO, as `jax.export` keeps it, with the weights and the signatures.

A file is a zip archive, and an .npz file to NumPy:

    signature.json         the version of the format, and what each function takes and gives
    functions/NAME.bin     what `jax.export.deserialize` reads: `f(weights, *args, **kwargs)`
    weights/0.npy, ...     the arrays in the list `weights`

Reading trusts nothing: members are read by name, arrays without pickles, and a program that calls anything but the
operations of StableHLO is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from typing import Any

import numpy as np

from dovetail.base.atomic import replacing
from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.engine import programs
from dovetail.engine.platforms import KNOWN_PLATFORMS, USUAL_PLATFORMS
from dovetail.export.loaded import ExportedFunction, Loaded
from dovetail.export.pure import Pure
from dovetail.tensor.dtype import as_dtype
from dovetail.wire import zipped
from dovetail.wire.json_text import parsed

FORMAT, NEWEST = "dovetail.stablehlo", 1
SIGNATURE = "signature.json"
_MOST_SIGNATURE_BYTES = 64 << 20
_LOAD, _KIND = "tf.export.load", "StableHLO"


def _require_flatbuffers() -> None:
    optional("flatbuffers", "a StableHLO file", "flatbuffers")


# ---- writing


def write(path: str, functions: dict[str, Any], platforms: Any = None, one_batch: bool = False) -> None:
    """Writes concrete functions to a file, which replaces an older one when it is whole.

    Args:
        path: of the file.
        functions: by name; the first is the one that `load(path)(...)` calls.
        platforms: the kinds of devices: some of "cpu", "cuda", "rocm", "tpu"; ("cpu", "cuda", "tpu") when None.
        one_batch: the first axes of all inputs have one size.

    Raises:
        ImportError: the package flatbuffers is not installed.
        NotImplementedError: a function cannot be written as a program.
        ValueError: a platform is not known.
    """
    _require_flatbuffers()
    chosen = _platforms(platforms)
    pures = {name: Pure(concrete, name, one_batch) for name, concrete in functions.items()}
    places: dict[int, int] = {}
    variables = []
    for pure in pures.values():
        for variable in pure.variables:
            if id(variable) not in places:
                places[id(variable)] = len(places)
                variables.append(variable)
    contents = {name: pure.serialized(chosen) for name, pure in pures.items()}
    facts = {
        "format": FORMAT,
        "version": NEWEST,
        "written_by": "dovetail",
        "platforms": list(chosen),
        "default": next(iter(functions)),
        "weights": [
            {
                "name": getattr(one, "path", one.name).removesuffix(":0"),
                "shape": list(one.shape),
                "dtype": one.dtype.name,
            }
            for one in variables
        ],
        "functions": {
            name: {
                "weights": [places[id(one)] for one in pure.variables],
                "sha256": hashlib.sha256(contents[name]).hexdigest(),
                **_described(contents[name], pure.names),
            }
            for name, pure in pures.items()
        },
    }
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        archive.writestr(SIGNATURE, json.dumps(facts, indent=1))
        for name, content in contents.items():
            archive.writestr(_member_of(name), content)
        for place, variable in enumerate(variables):
            with archive.open(f"weights/{place}.npy", "w", force_zip64=True) as file:
                array = np.asarray(variable._plain()._value)
                np.lib.format.write_array(
                    file, np.ascontiguousarray(array).reshape(array.shape), (1, 0), False
                )


def _platforms(given: Any) -> tuple[str, ...]:
    names = USUAL_PLATFORMS if given is None else (given,) if isinstance(given, str) else tuple(given)
    wrong = [name for name in names if name not in KNOWN_PLATFORMS]
    if wrong or not names:
        raise ValueError(
            f"export: platforms are some of {', '.join(map(repr, KNOWN_PLATFORMS))}, received {given!r}"
            f"{at_user_location()}"
        )
    return names


def _member_of(name: str) -> str:
    return f"functions/{name}.bin"


def _described(content: bytes, names: list[str]) -> dict:
    made = programs().Program(content)

    def rows(parts: Any, labels: Any) -> list:
        return [
            {"name": label, "shape": list(one.shape), "dtype": as_dtype(one.dtype).name}
            for label, one in zip(labels, parts, strict=True)
        ]

    return {
        "inputs": rows(made.inputs, names),
        "outputs": rows(made.outputs, [f"output_{place}" for place in range(len(made.outputs))]),
    }


# ---- reading


def is_file(path: str) -> bool:
    """Returns whether a file is one of these, as far as its outside tells."""
    if not os.path.isfile(path) or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return SIGNATURE in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, OSError, ValueError):
        return False


def signature(path: str) -> dict:
    """Returns what a file says of itself, checked; no program and no weight is read.

    Raises:
        ValueError: it is damaged, of another kind or of a newer version.
    """
    with zipped.opened(path, _LOAD, _KIND) as archive:
        return _signature(archive, path)


def read(path: str) -> Loaded:
    """Returns what a file holds.

    Raises:
        ImportError: the package flatbuffers is not installed.
        UnimplementedError: a program calls into the process.
        ValueError: it is damaged, of another kind or of a newer version.
    """
    _require_flatbuffers()
    with zipped.opened(path, _LOAD, _KIND) as archive:
        facts = _signature(archive, path)
        weights = [_weight(archive, path, place, entry) for place, entry in enumerate(facts["weights"])]
        functions = {
            name: _function(archive, path, name, entry, weights) for name, entry in facts["functions"].items()
        }
    return Loaded(functions, facts["default"], facts)


def _damaged(path: str, what: str) -> ValueError:
    return ValueError(f"{_LOAD}: {path!r}: {what}{at_user_location()}")


def _signature(archive: zipfile.ZipFile, path: str) -> dict:
    text = zipped.member(archive, SIGNATURE, path, _LOAD, _KIND, _MOST_SIGNATURE_BYTES)
    try:
        facts = parsed(text)
    except ValueError as error:
        raise _damaged(path, f"{SIGNATURE} cannot be read: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise _damaged(path, f"{SIGNATURE} does not describe a {_KIND} file")
    version = facts.get("version")
    if type(version) is not int or version > NEWEST:
        raise _damaged(
            path,
            f"it is of the version {version!r:.40}, and this Dovetail reads up to {NEWEST}: use a newer one",
        )
    count = len(facts["weights"]) if isinstance(facts.get("weights"), list) else 0
    is_whole = (
        isinstance(facts.get("weights"), list)
        and all(map(_is_array, facts["weights"]))
        and isinstance(facts.get("functions"), dict)
        and facts["functions"].get(facts.get("default") if isinstance(facts.get("default"), str) else None)
        is not None
        and all(_is_function(entry, count) for entry in facts["functions"].values())
    )
    if not is_whole:
        raise _damaged(path, f"{SIGNATURE} is not whole")
    return facts


def _is_array(entry: Any) -> bool:
    """Whether it states the name, the shape and the dtype of an array."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("dtype"), str)
        and isinstance(entry.get("shape"), list)
        and all(isinstance(size, str) or (type(size) is int and size >= 0) for size in entry["shape"])
    )


def _is_function(entry: Any, count: int) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("weights"), list)
        and all(type(place) is int and 0 <= place < count for place in entry["weights"])
        and all(isinstance(entry.get(key), list) for key in ("inputs", "outputs"))
        and all(map(_is_array, (*entry["inputs"], *entry["outputs"])))
    )


def _weight(archive: zipfile.ZipFile, path: str, place: int, entry: dict) -> np.ndarray:
    name = f"weights/{place}.npy"
    data = zipped.member(archive, name, path, _LOAD, _KIND)
    try:
        wanted = np.dtype(as_dtype(entry["dtype"]).numpy_dtype)
        file = io.BytesIO(data)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("it is of another version")
        shape, in_columns, stored = np.lib.format.read_array_header_1_0(file)
        same = stored == wanted or (stored.kind == "V" and stored.itemsize == wanted.itemsize)
        if stored.hasobject or wanted.hasobject or in_columns or not same or list(shape) != entry["shape"]:
            raise ValueError(f"it is {stored} of the shape {shape}")
        count = int(np.prod(shape, dtype=object))
        if count * wanted.itemsize != len(data) - file.tell():
            raise ValueError("it has another size")
        return np.frombuffer(data, wanted, count, file.tell()).reshape(shape)
    except (ValueError, TypeError, SyntaxError, OverflowError, RecursionError, MemoryError) as error:
        raise _damaged(
            path, f"{name} is no {entry['dtype']} of the shape {entry['shape']}: {error}"
        ) from error


def _function(archive: zipfile.ZipFile, path: str, name: str, entry: dict, weights: list) -> ExportedFunction:
    member = _member_of(name)
    content = zipped.member(archive, member, path, _LOAD, _KIND)
    if hashlib.sha256(content).hexdigest() != entry.get("sha256"):
        raise _damaged(path, f"{member} is damaged: it is not what {SIGNATURE} has the digest of")
    try:
        program = programs().Program(content)
    except ValueError as error:
        raise _damaged(path, f"{member}: {error}") from error
    held = [weights[place] for place in entry["weights"]]
    if program.num_weights != len(held):
        raise _damaged(
            path, f"{member} takes {program.num_weights} weights, and {SIGNATURE} names {len(held)}"
        )
    return ExportedFunction(name, program, held)
