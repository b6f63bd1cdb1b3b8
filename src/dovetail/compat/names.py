"""The public names of Dovetail, and which of them is nearest to a name that is not there."""

from __future__ import annotations

import difflib
import functools
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import dovetail

# Parts of the package that serve the others. TensorFlow has no namespaces of these names.
HIDDEN = frozenset({"base", "cli", "engine", "graph", "module", "ops", "runtime", "scopes", "tensor"})
ABSENT = object()

# Names of TensorFlow 1 and of old Keras, and what does their work now.
REPLACED_BY = {
    "tf.Session": "eager execution, or tf.function",
    "tf.InteractiveSession": "eager execution",
    "tf.placeholder": "keras.Input, or an argument of a tf.function",
    "tf.get_variable": "tf.Variable",
    "tf.variable_scope": "tf.Module and tf.name_scope",
    "tf.global_variables_initializer": "no call, since variables are initialized when they are created",
    "tf.ConfigProto": "the functions of tf.config",
    "tf.train.Saver": "tf.train.Checkpoint",
    "tf.train.AdamOptimizer": "keras.optimizers.Adam",
    "tf.train.AdagradOptimizer": "keras.optimizers.Adagrad",
    "tf.train.GradientDescentOptimizer": "keras.optimizers.SGD",
    "tf.train.MomentumOptimizer": "keras.optimizers.SGD with momentum",
    "tf.train.RMSPropOptimizer": "keras.optimizers.RMSprop",
    "tf.layers.dense": "keras.layers.Dense",
    "tf.layers.conv2d": "keras.layers.Conv2D",
    "tf.layers.flatten": "keras.layers.Flatten",
    "tf.estimator": "keras.Model",
    "tf.contrib": "tf and keras.layers",
    "tf.to_float": "tf.cast(x, tf.float32)",
    "tf.to_int32": "tf.cast(x, tf.int32)",
    "tf.to_int64": "tf.cast(x, tf.int64)",
    "tf.random_uniform": "tf.random.uniform",
    "tf.random_normal": "tf.random.normal",
    "tf.set_random_seed": "tf.random.set_seed",
    "tf.assign": "variable.assign",
    "tf.assign_add": "variable.assign_add",
}

# Namespaces of TensorFlow and Keras that are not here.  A function with a similar name would be no help.
NAMESPACES_ELSEWHERE = frozenset(
    {
        "keras.applications",
        "tf.audio",
        "tf.distribute",
        "tf.io",
        "tf.lite",
        "tf.quantization",
        "tf.ragged",
        "tf.raw_ops",
        "tf.saved_model",
        "tf.summary",
        "tf.tpu",
        "tf.train",
        "tf.types",
        "tf.xla",
    }
)


def shown(module_name: str) -> str:
    """Returns a module's name as users write it: "tf.nn" for dovetail.nn, "keras.layers" for dovetail.keras.layers."""
    root, _, rest = module_name.partition(".")
    if root in ("dovetail", "tensorflow"):
        return rest if rest.split(".")[0] == "keras" else ".".join(["tf", *([rest] if rest else [])])
    return module_name.replace("tf_keras", "keras", 1)


def namespace(path: str) -> ModuleType | None:
    """Returns the public module at `path` ("", "nn", "keras.layers"), imported if need be, or None."""
    found: Any = dovetail
    for depth, part in enumerate(path.split(".") if path else ()):
        if depth == 0 and part in HIDDEN:
            return None
        found = _submodule(found, part)
        if found is None:
            return None
    return found


def lookup(module: ModuleType, name: str) -> Any:
    """Returns a public attribute of a module, or ABSENT."""
    try:
        value = getattr(module, name, ABSENT)
    except ModuleNotFoundError as error:
        if error.name != f"{module.__name__}.{name}":
            raise
        return ABSENT  # a part that loads when it is needed, and is not there
    if isinstance(value, ModuleType) and _is_hidden(module, name):
        return ABSENT
    return value


def walk() -> Iterator[ModuleType]:
    """Yields the public modules, the root first, importing those not yet loaded."""
    seen: set[int] = set()
    pending: list[ModuleType] = [dovetail]
    while pending:
        module = pending.pop(0)
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield module
        for name in dir(module) if module is dovetail else getattr(module, "__all__", ()):
            child = None if _is_hidden(module, name) else loadable(module, name)
            if child is not None:
                pending.append(child)


@functools.cache
def public_names() -> dict[str, list[str]]:
    """Returns every public name by its last part: {"softmax": ["tf.nn.softmax", ...]}."""
    found: dict[str, list[str]] = {}
    for module in walk():
        path = shown(module.__name__)  # one name for a module that goes by several, as tf.optimizers does
        for name in getattr(module, "__all__", None) or dir(module):
            if not _is_hidden(module, name) and _exists(module, name):
                found.setdefault(name, []).append(f"{path}.{name}")
    return found


def nearest(full_name: str) -> str:
    """Returns the public name nearest to one that is missing, or "".

    The same name in another namespace comes first, then a similar one in the same namespace, then a very
    similar one of the same kind anywhere.
    """
    if _unversioned(full_name) in NAMESPACES_ELSEWHERE:
        return ""
    home, _, leaf = _unversioned(full_name).rpartition(".")
    known = public_names()
    for name in (leaf, _without_version(leaf)):
        same = [path for path in known.get(name, ()) if path != full_name]
        if same:
            return min(same, key=len)
    here = {name: path for name, paths in known.items() for path in paths if path == f"{home}.{name}"}
    related = {name: path for name, paths in known.items() for path in paths if _are_related(full_name, path)}
    for candidates, cutoff in ((here, 0.6), (related, 0.75)):
        # Where two names differ by case alone (Huber, huber), the one of the same kind comes last and stays.
        ordered = sorted(candidates.items(), key=lambda item: item[0][:1].isupper() == leaf[:1].isupper())
        folded = {name.lower(): path for name, path in ordered}
        close = difflib.get_close_matches(leaf.lower(), folded, n=1, cutoff=cutoff)
        if close:
            return folded[close[0]]
    return ""


def explain(full_name: str) -> str:
    """Returns the message for a name that is missing: what, what is nearest, where the list is."""
    plain = _unversioned(full_name)
    instead = next(
        (REPLACED_BY[key] for key in REPLACED_BY if plain == key or plain.startswith(key + ".")), ""
    )
    if instead:
        return (
            f"{full_name} is not available in Dovetail. What does its work: {instead}. See docs/coverage.md."
        )
    near = nearest(full_name)
    hint = f" Nearest: {near}." if near else ""
    return f"{full_name} is not available in Dovetail yet.{hint} See docs/coverage.md."


def _are_related(missing: str, path: str) -> bool:
    """True if both are of Keras or both are not, and both are classes or both are not."""
    kinds = [name.rpartition(".")[2][:1].isupper() for name in (missing, path)]
    return missing.startswith("keras.") == path.startswith("keras.") and kinds[0] == kinds[1]


def _unversioned(full_name: str) -> str:
    return full_name.replace(".compat.v1", "").replace(".compat.v2", "")


def _without_version(name: str) -> str:
    for suffix in ("_v2", "_v1", "V2", "V1"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def loadable(module: ModuleType, name: str) -> ModuleType | None:
    """Returns the public submodule of that name, or None: also when a package that it needs is not installed."""
    try:
        return _submodule(module, name)
    except ImportError:
        return None


def _exists(module: ModuleType, name: str) -> bool:
    try:
        return lookup(module, name) is not ABSENT
    except ImportError:
        return False


def _submodule(module: ModuleType, name: str) -> ModuleType | None:
    value = lookup(module, name)
    if isinstance(value, ModuleType) and _is_ours(value):
        return value
    if not (value is ABSENT or _is_view(value)) or not hasattr(module, "__path__"):
        return None
    full_name = f"{module.__name__}.{name}"
    try:
        found = importlib.import_module(full_name)
    except ModuleNotFoundError as error:
        if error.name != full_name:
            raise
        return None
    return found if _is_ours(found) else None


def _is_hidden(module: ModuleType, name: str) -> bool:
    return name.startswith("_") or (module is dovetail and name in HIDDEN | {"compat"})


def _is_ours(module: ModuleType) -> bool:
    return module.__name__.partition(".")[0] == "dovetail"


def _is_view(value: Any) -> bool:
    # `import keras.src` sets an attribute on dovetail.keras; such a view must not be taken for a namespace.
    return isinstance(value, ModuleType) and value.__name__.partition(".")[0] in (
        "tensorflow",
        "keras",
        "tf_keras",
    )
