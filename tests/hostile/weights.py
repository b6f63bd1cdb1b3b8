"""Hostile files of weights: safetensors, several files with a list, for the editor, and for `dovetail convert`."""

import json
import struct
from pathlib import Path

import h5py
import numpy as np

from tests.hostile.configs import LAYERS, sequential
from tests.hostile.watched import small

LINK, ELSEWHERE = "is a link, which is not read", "in another file, which is not read"
NO_SAFETENSORS, NOT_HERE = "no whole safetensors file", "not in its own folder"
SEVERAL = "stands under several names"


def make(target, outside, good):
    """Writes the files; returns rows as `files.make` does."""
    return [
        *_safetensors(target),
        *_lists(target, outside),
        *_shards(target, outside),
        *_editor(target, outside, good),
        *_converted(target, good),
    ]


# ---- safetensors


def _safetensors(target):
    path = target / "good.safetensors"
    small().save_weights(path)
    whole = path.read_bytes()
    start = 8 + struct.unpack("<Q", whole[:8])[0]
    header, body = json.loads(whole[8:start]), whole[start:]
    kernel = next(name for name in header if name.endswith("kernel"))

    def changed(body=body, **facts):
        text = json.dumps(header | {kernel: header[kernel] | facts}).encode()
        return struct.pack("<Q", len(text)) + text + body

    begin, end = header[kernel]["data_offsets"]
    hostile = {
        "length_bomb": struct.pack("<Q", (1 << 63) - 1) + whole[8:],
        "long_header": struct.pack("<Q", 99 << 20) + whole[8:],
        "deep_header": struct.pack("<Q", 10**6) + b"[" * 10**6,
        "outside": changed(data_offsets=[begin + 4096, end + 4096]),
        "beyond": changed(data_offsets=[begin, 1 << 62]),
        "negative": changed(data_offsets=[-8, 16]),
        "overlapping": changed(data_offsets=[begin - 4 if begin else begin + 4, end]),
        "shape_bomb": changed(shape=[1 << 32, 1 << 31]),
        "overflowing": changed(shape=[1 << 62, 4]),
        "other_dtype": changed(dtype="PICKLE"),
        "cut": whole[:-4],
    }
    for name, data in hostile.items():
        (target / f"{name}.safetensors").write_bytes(data)
    rows = [
        (f"safetensors_{name}", "load_weights", str(target / f"{name}.safetensors"), NO_SAFETENSORS)
        for name in hostile
    ]
    return [("good_safetensors", "load_weights", str(path), None), *rows]


# ---- several files


def _lists(target, outside):
    path = target / "good.weights.json"
    small().save_weights(path, max_shard_size=1e-8)
    facts = json.loads(path.read_text())
    kernel = next(group for group in facts["weight_map"] if group.startswith("/layers"))

    def names(*given):
        return json.dumps(facts | {"weight_map": facts["weight_map"] | {kernel: list(given)}})

    lists = {
        "list_up": (names("../outside/secret.h5"), NOT_HERE),
        "list_absolute": (names(str(outside / "secret.h5")), NOT_HERE),
        "list_backslash": (names("..\\outside\\secret.h5"), NOT_HERE),
        "list_folder": (names(".."), "no HDF5 file|damaged"),
        "list_zero": (names("a\0b"), "."),
        "list_number": (names(7), NOT_HERE),
        "list_dict": (names({"a": "b"}), NOT_HERE),
        "list_deep": ("[" * 10**6, "nested too deeply"),
        "list_twice": (path.read_text().replace("{", '{"weight_map": {},', 1), "stands twice"),
        "list_no_map": ('{"weight_map": [1]}', "no list of weights files"),
        "list_text": ("\udcff", "cannot be read|no text|no JSON|is damaged"),
    }
    for name, (text, _) in lists.items():
        (target / f"{name}.weights.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with open(target / "list_bomb.weights.json", "wb") as file:
        file.truncate(1 << 40)  # which takes no place on the disk
    lists["list_bomb"] = ("", "too long for a list")
    rows = [
        (f"several_{name}", "load_weights", str(target / f"{name}.weights.json"), refusal)
        for name, (_, refusal) in lists.items()
    ]
    return [("good_several", "load_weights", str(path), None), *rows]


def _linked(file, place, outside):
    file[place] = h5py.ExternalLink(str(outside / "secret.h5"), "/data")


def _soft_link(file, place, outside):
    file["elsewhere"] = np.ones((3, 2), "float32")
    file[place] = h5py.SoftLink("/elsewhere")


def _stored_outside(file, place, outside):
    file.create_dataset(place, (3, 2), "float32", external=[(str(outside / "secret.txt"), 0, 24)])


def _many(file, place, outside):
    """One dataset of a megabyte under a thousand names."""
    file[place] = np.zeros((1 << 18,), "float32")
    for i in range(2, 1000):
        file[f"{place.rpartition('/')[0]}/{i}"] = file[place]


def _bomb(file, place, outside):
    file.create_dataset(place, (1 << 20, 1 << 20), "float32", chunks=(1024, 1024))


def _in_itself(file, place, outside):
    file[place] = np.ones((3, 2), "float32")
    layer = place.rpartition("/vars")[0]
    file[f"{layer}/inner"] = file[layer]


_CHANGES = {
    "link": (_linked, LINK),
    "soft_link": (_soft_link, LINK),
    "storage": (_stored_outside, ELSEWHERE),
    "many": (_many, SEVERAL),
    "bomb": (_bomb, "claims"),
}


def _changed(path, whole, place, change, outside):
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file[place]
        change(file, place, outside)
    return str(path)


def _shards(target, outside):
    path = target / "good.weights.json"
    facts = json.loads(path.read_text())
    group, (name,) = next(item for item in facts["weight_map"].items() if item[0].startswith("/layers"))
    rows = []
    for kind, (change, refusal) in _CHANGES.items():
        shard, listed = f"shard_{kind}_00000.weights.h5", target / f"shard_{kind}.weights.json"
        _changed(target / shard, (target / name).read_bytes(), f"{group}/0", change, outside)
        listed.write_text(json.dumps(facts | {"weight_map": facts["weight_map"] | {group: shard}}))
        rows.append((f"several_{kind}", "load_weights", str(listed), refusal))
    return rows


# ---- the editor, and what is converted


def _editor(target, outside, good):
    place, rows = "layers/dense/vars/0", []
    with h5py.File(good.weights) as file:
        if place not in file:
            place = f"layers/{next(iter(file['layers']))}/vars/0"
    whole = Path(good.weights).read_bytes()
    for kind, (change, refusal) in {**_CHANGES, "in_itself": (_in_itself, SEVERAL)}.items():
        path = _changed(target / f"edited_{kind}.weights.h5", whole, place, change, outside)
        rows.append((f"editor_{kind}", "editor", path, refusal))
    return [("good_editor", "editor", good.weights, None), *rows]


def _converted(target, good):
    rows = []
    for name, model, weights, refusal in (
        ("good_converted", small().to_json(), good.weights, None),
        ("converted_link", small().to_json(), str(target / "edited_link.weights.h5"), LINK),
        ("converted_lambda", json.dumps(sequential(LAYERS["lambda"][0])), good.weights, LAYERS["lambda"][1]),
        ("converted_deep", "[" * 10**6, good.weights, "nested too deeply"),
    ):
        path = target / f"{name}.weights.h5"
        path.write_bytes(Path(weights).read_bytes())
        (target / f"{name}.json").write_text(model)
        rows.append((name, "converted", str(path), refusal))
    return rows
