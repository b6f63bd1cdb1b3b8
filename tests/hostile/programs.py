"""Hostile StableHLO files: cut, with claims that do not hold, with pickles, and with programs that call the process."""

import dataclasses
import hashlib
import io
import json
import pickle
import zipfile

import jax
import jax.export
import numpy as np
from jaxlib.mlir.dialects import stablehlo

NAME = "functions/serve.bin"


class _Payload:
    def __reduce__(self):
        return open, ("owned.txt", "w")


def make(target, outside, good):
    """Writes the files; returns rows as `files.make` does."""
    with zipfile.ZipFile(good.program) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    facts, (weight,) = json.loads(members["signature.json"]), facts_of(members)
    serve = facts["functions"]["serve"]
    array = np.asarray([_Payload()], object)
    pickled = io.BytesIO()
    np.lib.format.write_array(pickled, array, allow_pickle=True)
    calling = called_in_process()

    def stated(**more):
        return {"signature.json": json.dumps(facts | more)}

    def program(content, **more):
        digest = hashlib.sha256(content).hexdigest()
        changed = {**serve, "sha256": digest, **more}
        return {NAME: content, **stated(functions={"serve": changed})}

    hostile = {
        "no_signature": ({"signature.json": None}, "has no signature.json"),
        "deep_signature": ({"signature.json": "[" * 10**6}, "nested too deeply"),
        "other_format": (stated(format="x"), "does not describe"),
        "newer": (stated(version=2), "use a newer one"),
        "no_version": (stated(version=None), "use a newer one"),
        "wrong_place": (stated(functions={"serve": serve | {"weights": [7]}}), "is not whole"),
        "no_default": (stated(default="x"), "is not whole"),
        "path_as_name": (stated(functions={"../serve": serve}, default="../serve"), "has no functions/"),
        "other_weight": (stated(weights=[facts["weights"][0] | {"shape": [1 << 40]}]), "of the shape"),
        "other_dtype": (stated(weights=[facts["weights"][0] | {"dtype": "string"}]), "is no string"),
        "no_weight": ({weight: None}, "has no weights/0.npy"),
        "cut_weight": ({weight: members[weight][:-1]}, "another size"),
        "pickled_weight": ({weight: pickled.getvalue()}, "is no float32"),
        "weight_bomb": ({weight: members[weight].replace(b"()", b"(9999999999,)")}, "is no float32"),
        "cut_program": ({NAME: members[NAME][:-9]}, "the digest"),
        "garbage": (program(b"\xff" * 400), "the program is damaged"),
        "pickle": (program(pickle.dumps(_Payload())), "the program is damaged"),
        "empty": (program(b""), "the program is damaged"),
        "other_arity": (program(members[NAME], weights=[]), "takes 1 weights"),
        "calls_python": (program(calling, weights=[]), "in this process"),
        "outfeeds": (program(with_an_outfeed(), weights=[]), "calls 'outfeed'"),
    }
    rows = []
    for name, (changed, refusal) in hostile.items():
        path = target / f"{name}.stablehlo"
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in {**members, **changed}.items():
                if content is not None:
                    archive.writestr(member, content)
        rows.append((f"program_{name}", "exported", str(path), refusal))
    path = target / "cut.stablehlo"
    with open(good.program, "rb") as file:
        path.write_bytes(file.read()[:-40])
    return [*rows, ("program_cut", "exported", str(path), "is not a StableHLO file")]


def facts_of(members):
    return [name for name in members if name.startswith("weights/")]


def called_in_process():
    """Returns a serialized program that calls a function of the process, by a name that XLA knows."""
    call = jax.ffi.ffi_call("xla_ffi_python_cpu_callback", jax.ShapeDtypeStruct((), "float32"))
    checks = [jax.export.DisabledSafetyCheck.custom_call("xla_ffi_python_cpu_callback")]
    made = jax.export.export(jax.jit(lambda weights, x: call(x)), platforms=["cpu"], disabled_checks=checks)
    return bytes(made([], jax.ShapeDtypeStruct((), "float32")).serialize())


def with_an_outfeed():
    """Returns a serialized program that hands out what it is given beside what it returns."""
    made = jax.export.export(jax.jit(lambda weights, x: x), platforms=["cpu"])(
        [], jax.ShapeDtypeStruct((), "float32")
    )
    added = (
        "%t = stablehlo.create_token : !stablehlo.token\n"
        '%o = "stablehlo.outfeed"(%arg0, %t) : (tensor<f32>, !stablehlo.token) -> !stablehlo.token\n'
    )
    text = made.mlir_module().replace("    return ", f"{added}    return ", 1)
    content = stablehlo.serialize_portable_artifact_str(text, stablehlo.get_current_version())
    return bytes(dataclasses.replace(made, mlir_module_serialized=content).serialize())
