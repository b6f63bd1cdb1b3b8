"""Raw ops as Keras 2 writes them: a layer that names a public function of TensorFlow, and calls with its arguments.

    {"class_name": "TFOpLambda", "config": {"name": "tf.concat", "function": "concat"},
     "inbound_nodes": [[["a", 0, 0, {"axis": 1}], ["b", 0, 0, {"axis": 1}]]]}

Most ops have the parameters of the function that shows them.  For those that have not, `_FORMS` says how a call of the
op is a call of the function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from dovetail.keras.models.keras_2_terms import NotInKeras2Error, constant, is_tensor, tensor
from dovetail.ops.table import op_named

_GETITEM = "__operators__.getitem"
_MIXED = "its arguments have several dtypes, which TensorFlow does not mix"


def op_config(entry: dict) -> dict:
    """Returns the config of a raw op's entry."""
    name = entry["config"].get("op")
    function = _FORMS[name][0] if name in _FORMS else _public(entry)
    return {"name": entry["name"], "trainable": True, "dtype": "float32", "function": function}


def op_call(entry: dict, call: dict, shifted: set[str]) -> Any:
    """Returns one call of a raw op.

    Raises:
        NotInKeras2Error: it is no call of a function of TensorFlow.
    """
    config = entry["config"]
    if config.get("promote") and len(_dtypes(config["op"], call["args"])) > 1:
        raise NotInKeras2Error(f"{entry['name']}: {_MIXED}")
    form = _FORMS.get(config.get("op"))
    first, given = (form[1] if form else _arguments_of(entry))(call["args"], dict(call["kwargs"]))
    kwargs = {key: constant(value, shifted) for key, value in given.items()}
    if isinstance(first, list) and not is_tensor(first):
        return [tensor(entry["name"], item, kwargs, shifted) for item in first]
    return tensor(entry["name"], first, kwargs, shifted)


def _dtypes(name: str, args: list) -> set[str]:
    """Returns the dtypes of those arguments that must agree."""
    op = op_named(name)
    alike = args if op is None or op.same_dtype < 0 else args[: op.same_dtype]
    return {value["config"]["dtype"] for value in alike if isinstance(value, dict) and "config" in value}


def _view(entry: dict) -> tuple[Any, Any]:
    op = op_named(entry["config"].get("op") or "")
    view = None if op is None else op.public
    published = str(getattr(view, "published", ""))
    if op is None or view is None or not published.startswith("tf."):
        raise NotInKeras2Error(f"{entry['name']}: it is no function of TensorFlow with a name")
    return op, view


def _shown(op: Any, view: Any) -> dict[str, str]:
    """Returns the parameters of a public function by those of the op that it calls."""
    if hasattr(view, "visible"):
        return view.visible
    known = inspect.signature(view).parameters
    return {name: name for name in (*op.tensors, *op.attributes) if name in known}


def _public(entry: dict) -> str:
    return _view(entry)[1].published.removeprefix("tf.")


def _arguments_of(entry: dict) -> Callable:
    """Returns what maps the arguments of an op to those of the public function that shows it."""
    op, view = _view(entry)
    shown = _shown(op, view)

    def arguments(args: list, kwargs: dict) -> tuple[Any, dict]:
        count = len(op.tensors)
        if op.variadic:
            args = [*args[: count - 1], args[count - 1 :]]
        given = dict(zip(op.tensors, args)) | kwargs
        unknown = [name for name in given if name not in shown]
        if unknown or not op.tensors:
            raise NotInKeras2Error(f"{entry['name']}: {view.published} has no arguments {unknown}")
        first = op.tensors[0]
        return given.pop(first), {shown[name]: value for name, value in given.items()}

    return arguments


# ---- ops whose functions have other parameters


def _of_list(args: list, kwargs: dict) -> tuple[Any, dict]:
    return args, kwargs


def _binary(args: list, kwargs: dict) -> tuple[Any, dict]:
    return args[0], {"b": args[1], **kwargs}


def _where(args: list, kwargs: dict) -> tuple[Any, dict]:
    x, y, condition = args
    return condition, {"x": x, "y": y}


def _renamed(names: dict[str, str]) -> Callable:
    def arguments(args: list, kwargs: dict) -> tuple[Any, dict]:
        return args[0], {names.get(key, key): value for key, value in kwargs.items()}

    return arguments


def _axes_listed(args: list, kwargs: dict) -> tuple[Any, dict]:
    axis = kwargs.pop("axis")
    return args[0], {**kwargs, "axis": axis if isinstance(axis, list) else [axis]}


def _gather(args: list, kwargs: dict) -> tuple[Any, dict]:
    return args[0], {"indices": args[1], **kwargs}


def _sort(args: list, kwargs: dict) -> tuple[Any, dict]:
    direction = "DESCENDING" if kwargs.pop("descending", False) else "ASCENDING"
    return args[0], kwargs | {"direction": direction}


def _top_k(args: list, kwargs: dict) -> tuple[Any, dict]:
    if kwargs.pop("index_type", "int32") != "int32":
        raise NotInKeras2Error("tf.math.top_k gives int32 indices in Keras 2")
    return args[0], kwargs


_ALL = {"start": None, "stop": None, "step": None}
_KEYS: dict[str, Callable[[list], Any]] = {
    "i": lambda entry: entry[1],
    "s": lambda entry: dict(zip(_ALL, entry[1:])),
    "n": lambda entry: None,
}


def _getitem(args: list, kwargs: dict) -> tuple[Any, dict]:
    shape = args[0]["config"]["shape"]
    spec: list = []
    for entry in kwargs["spec"]:
        if entry[0] == "e":  # which not every Keras 2 reads
            spec += [_ALL] * (len(shape) - sum(other[0] in ("i", "s") for other in kwargs["spec"]))
        elif entry[0] in _KEYS:
            spec.append(_KEYS[entry[0]](entry))
        else:
            raise NotInKeras2Error("a tensor stands in the brackets after another")
    return args[0], {"slice_spec": spec}


# op: the function of TensorFlow, `f(args, kwargs) -> first argument, the others`
_FORMS: dict[str, tuple[str, Callable]] = {
    "concat": ("concat", _of_list),
    "stack": ("stack", _of_list),
    "add_n": ("math.add_n", _of_list),
    "matmul": ("linalg.matmul", _binary),
    "where": ("where", _where),
    "split": ("split", _renamed({"sizes": "num_or_size_splits"})),
    "shape_vector": ("shape", _renamed({})),
    "reverse": ("reverse", _axes_listed),
    "gather": ("gather", _gather),
    "one_hot": ("one_hot", _renamed({"on": "on_value", "off": "off_value"})),
    "sort": ("sort", _sort),
    "largest_entries": ("math.top_k", _top_k),
    "flip": ("reverse", _axes_listed),
    "depth_to_space": ("nn.depth_to_space", _renamed({"block": "block_size"})),
    "space_to_depth": ("nn.space_to_depth", _renamed({"block": "block_size"})),
    "getitem": (_GETITEM, _getitem),
}
