"""Damaging files at random, by a seed: bytes, and what stands in them, so that outer checks still pass."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np

from dovetail.wire import records, sorted_table

_ODD = [0, 1, 127, 128, 255]
_VALUES = [
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        7,
        2**31,
        2**40,
        -(2**63),
        1e308,
        float("nan"),
        "",
        "x",
        "relu",
        "../x",
        "é",
    ),
    *([], {}, [None], [-1, -1], [[]], {"class_name": "Dense"}, {"class_name": "Dense", "config": None}),
    *(
        {"class_name": "__numpy__", "config": {}},
        {"class_name": "__tensor__", "config": {"value": 1, "dtype": "x"}},
    ),
    *({"class_name": "__keras_tensor__", "config": {}}, {"class_name": "function", "config": []}),
]


def in_bytes(data, rng):
    """Changes, cuts, repeats and removes bytes."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        if not data:
            break
        place, size = int(rng.integers(len(data))), int(rng.integers(1, 17))
        kind = rng.integers(7)
        if kind == 0:
            data[place] = rng.integers(256)
        elif kind == 1:
            data[place] ^= 1 << rng.integers(8)
        elif kind == 2:
            data[place] = _ODD[rng.integers(len(_ODD))]
        elif kind == 3:
            data[place : place + size] = bytes([_ODD[rng.integers(len(_ODD))]]) * size
        elif kind == 4:
            del data[place : place + size]
        elif kind == 5:
            data[place:place] = data[place : place + size]
        elif rng.integers(4) == 0:
            del data[place:]
    return bytes(data)


def in_json(value, rng):
    """Replaces, removes and swaps values of a structure; returns a new one."""
    value = json.loads(json.dumps(value))
    for _ in range(rng.integers(1, 3)):
        places = list(_places(value))
        if not places:
            break
        owner, key = places[rng.integers(len(places))]
        other, from_key = places[rng.integers(len(places))]
        kind = rng.integers(4)
        if kind <= 1:
            owner[key] = _VALUES[rng.integers(len(_VALUES))]
        elif kind == 2:
            owner[key] = json.loads(json.dumps(other[from_key]))
        elif isinstance(owner, dict):
            del owner[key]
    return value


def _places(value):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


# ---- kinds of files: `(path of a good one, path to write, rng)`


def plain(source, path, rng):
    Path(path).write_bytes(in_bytes(Path(source).read_bytes(), rng))


def archive(source, path, rng, described="config.json", data="model.weights.h5"):
    if rng.integers(5) == 0:
        return plain(source, path, rng)
    with zipfile.ZipFile(source) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    if rng.integers(4) == 0:
        members[data] = in_bytes(members[data], rng)
    else:
        members[described] = json.dumps(in_json(json.loads(members[described]), rng))
    with zipfile.ZipFile(path, "w") as packed:
        for name, value in members.items():
            packed.writestr(name, value)
    return None


def exported(source, path, rng):
    data = ("functions/serve.bin", "weights/0.npy")[rng.integers(2)]
    return archive(source, path, rng, "signature.json", data)


def whole_h5(source, path, rng):
    if rng.integers(2) == 0:
        return plain(source, path, rng)
    held = io.BytesIO(Path(source).read_bytes())
    with h5py.File(held, "a") as file:
        name = ("model_config", "training_config")[rng.integers(2)]
        file.attrs[name] = json.dumps(in_json(json.loads(file.attrs[name]), rng))
    Path(path).write_bytes(held.getvalue())
    return None


def text(source, path, rng):
    if rng.integers(4) == 0:
        return plain(source, path, rng)
    Path(path).write_text(json.dumps(in_json(json.loads(Path(source).read_text()), rng)))
    return None


def checkpoint(source, path, rng):
    shutil.copy(f"{source}.data-00000-of-00001", f"{path}.data-00000-of-00001")
    if rng.integers(4) == 0:
        return plain(f"{source}.index", f"{path}.index", rng)
    if rng.integers(4) == 0:
        shutil.copy(f"{source}.index", f"{path}.index")
        return plain(f"{source}.data-00000-of-00001", f"{path}.data-00000-of-00001", rng)
    items = list(sorted_table.loads(Path(f"{source}.index").read_bytes(), "index"))
    place = rng.integers(len(items))
    key, value = items[place]
    items[place] = (key, in_bytes(value, rng)) if rng.integers(3) else (in_bytes(key, rng), value)
    Path(f"{path}.index").write_bytes(sorted_table.dumps(items))
    return None


def saved_model(source, path, rng):
    copied(source, path)
    name = ("saved_model.pb", "saved_model.pb", "variables/variables.index")[rng.integers(3)]
    plain(os.path.join(source, name), os.path.join(path, name), rng)


def record_file(source, path, rng):
    if rng.integers(3) == 0:
        return plain(source, path, rng)
    with open(source, "rb") as file:
        found = [
            in_bytes(record, rng) if rng.integers(2) else record for record in records.read(file, source)
        ]
    Path(path).write_bytes(b"".join(map(records.framed, found)))
    return None


def dataset(source, path, rng):
    copied(source, path)
    names = [
        os.path.relpath(os.path.join(root, name), source)
        for root, _, some in os.walk(source)
        for name in some
    ]
    name = sorted(names)[rng.integers(len(names))]
    change = record_file if name.endswith(".snapshot") else plain
    change(os.path.join(source, name), os.path.join(path, name), rng)


def copied(source, path):
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(source, path)


def generator(seed, number):
    return np.random.default_rng((seed, number))
