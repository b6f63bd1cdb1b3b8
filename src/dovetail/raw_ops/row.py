"""The rows of the table of TensorFlow's operations: a name, its inputs and attributes there, and what does it here.

Most rows are lines of text, `Name(inputs; attributes) = function`:

    BatchMatMulV2(x, y; adj_x=False>adjoint_a, adj_y=False>adjoint_b) = matmul

Inputs are passed in their order (a star: a list of tensors), attributes by name, or by the name after ">".  `function`
is a public one, without `tf.`; several names before the parenthesis share a line.  What needs more than that is a
Python function under `@raw`, whose parameters say the same: keyword-only ones are attributes.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import namedtuple
from collections.abc import Callable
from typing import Any

from dovetail.base.errors import at_user_location, suggest
from dovetail.ops.table import find

ROWS: dict[str, Row] = {}
_EMPTY = inspect.Parameter.empty
_LINE = re.compile(r"(?P<names>[\w ]+)\((?P<inputs>[^;)]*)(?:;(?P<attributes>.*))?\) = (?P<target>[\w.]+)$")
_COMMA = re.compile(r",(?![^(]*\))")  # between attributes, not inside of a default

# What only tells TensorFlow's runtime how to run an operation, or repeats what the inputs tell.
HINTS = frozenset(
    {
        "N",
        "T",
        "Tcond",
        "Tin",
        "Tout",
        "Truncate",
        "allowed_devices",
        "bad_indices_policy",
        "config",
        "config_proto",
        "container",
        "debug_name",
        "executor_type",
        "grad_a",
        "grad_b",
        "grad_x",
        "grad_y",
        "incompatible_shape_error",
        "num_row_partition_tensors",
        "output_shapes",
        "parallel_iterations",
        "shared_name",
        "swap_memory",
        "use_cudnn_on_gpu",
        "use_locking",
        "use_node_name_sharing",
        "validate_indices",
        "validate_shape",
    }
)

# Attributes that graphs know by another name than `tf.raw_ops`.
_IN_GRAPHS = {"squeeze_dims": "axis"}


class Row:
    """One operation of TensorFlow.

    Args:
        name: TensorFlow's.
        inputs: names of the inputs, those of lists with a star before them.
        attributes: name -> default; none: `inspect.Parameter.empty`.
        function: called with the inputs by position and the attributes by name.
        outputs: names of the outputs, where there is more than one.
    """

    def __init__(
        self,
        name: str,
        inputs: tuple[str, ...],
        attributes: dict[str, Any],
        function: Callable,
        outputs: tuple[str, ...] = (),
    ) -> None:
        self.name, self.attributes, self.function, self.outputs = name, attributes, function, outputs
        self.inputs = tuple(one.lstrip("*") for one in inputs)
        self._is_list = tuple(one.startswith("*") for one in inputs)
        self._packed: Any = namedtuple(name, outputs) if outputs else None

    @property
    def __signature__(self) -> inspect.Signature:
        """The arguments as `tf.raw_ops` has them; what tells TensorFlow's runtime alone is taken too."""
        kind = inspect.Parameter
        stated = [*((name, _EMPTY) for name in self.inputs), *self.attributes.items()]
        stated.sort(key=lambda pair: pair[1] is not _EMPTY)  # those without a default come first
        given = [kind(name, kind.POSITIONAL_OR_KEYWORD, default=value) for name, value in stated]
        given += [kind("name", kind.KEYWORD_ONLY, default=None), kind("hints", kind.VAR_KEYWORD)]
        return inspect.Signature(given)

    def wanted(self, attributes: dict) -> dict:
        """Returns those attributes of a node that matter, by the names that the function knows."""
        named = {_IN_GRAPHS.get(name, name): value for name, value in attributes.items()}
        return {name: value for name, value in named.items() if self.takes(name)}

    def run(self, tensors: list, attributes: dict) -> list:
        """Returns the outputs, as a node of a graph has them: for flat inputs.

        Raises:
            ValueError: there are too few or too many inputs.
        """
        given = self._grouped(tensors)
        found = self.function(*given, **attributes)
        if found is None:
            return []
        return list(found) if isinstance(found, list | tuple) else [found]

    def _grouped(self, tensors: list) -> list:
        lists = sum(self._is_list)
        rest = len(tensors) - (len(self.inputs) - lists)
        if rest < 0 or (rest and not lists) or (lists and rest % lists):
            raise ValueError(
                f"{self.name}: {len(tensors)} inputs, expected ({', '.join(self.inputs)}){at_user_location()}"
            )
        size, grouped, place = rest // lists if lists else 0, [], 0
        for is_list in self._is_list:
            if is_list:
                grouped.append(tensors[place : place + size])
                place += size
            else:
                grouped.append(tensors[place])
                place += 1
        return grouped

    def takes(self, name: str) -> bool:
        """Returns whether an attribute matters.

        Raises:
            ValueError: nobody knows it.
        """
        if name in self.attributes:
            return True
        if name in HINTS or name.startswith("_"):
            return False
        raise ValueError(
            f"tf.raw_ops.{self.name}: unknown attribute {name!r}.{suggest(name, [*self.inputs, *self.attributes])}"
            f"{at_user_location()}"
        )

    def __call__(self, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        """Runs the operation as `tf.raw_ops` has it: everything is passed by name."""
        label = f"tf.raw_ops.{self.name}"
        if args:
            raise TypeError(
                f"{label} takes no positional arguments; pass {', '.join(self.inputs)} by name{at_user_location()}"
            )
        missing = [one for one in self.inputs if one not in kwargs]
        missing += [
            one for one, default in self.attributes.items() if default is _EMPTY and one not in kwargs
        ]
        if missing:
            raise TypeError(f"{label}: missing the argument {missing[0]!r}{at_user_location()}")
        inputs = [list(kwargs.pop(one)) if many else kwargs.pop(one) for one, many in self._named_inputs()]
        found = self.function(*inputs, **{one: value for one, value in kwargs.items() if self.takes(one)})
        return self._packed(*found) if self._packed is not None else found

    def _named_inputs(self) -> zip:
        return zip(self.inputs, self._is_list, strict=True)


class _Target:
    """A public function that is looked up when it is first called."""

    def __init__(self, name: str, renamed: dict[str, str], defaults: dict[str, Any]) -> None:
        self._name, self._renamed, self._defaults = name, renamed, defaults
        self._found: Callable | None = None

    def __call__(self, *args: Any, **attributes: Any) -> Any:
        if self._found is None:
            self._found = public(self._name)
        given = {**self._defaults, **attributes}
        return self._found(*args, **{self._renamed[name]: value for name, value in given.items()})


def public(name: str) -> Callable:
    """Returns the public function of a name such as "math.abs"."""
    space, _, last = name.rpartition(".")
    return find(f"tf.{space}" if space else "tf", last)


def enter(lines: str) -> None:
    """Adds rows that are written as lines of text."""
    for line in filter(None, map(str.strip, lines.splitlines())):
        found = _LINE.match(line)
        if found is None:
            raise ValueError(f"{line!r} is no row")
        inputs = tuple(part.strip() for part in found["inputs"].split(",") if part.strip())
        attributes, renamed = {}, {}
        for part in filter(None, map(str.strip, _COMMA.split(found["attributes"] or ""))):
            stated, _, here = part.partition(">")
            name, equals, default = stated.partition("=")
            attributes[name] = ast.literal_eval(default) if equals else _EMPTY
            renamed[name] = here or name
        defaults = {name: value for name, value in attributes.items() if value is not _EMPTY}
        for name in found["names"].split():
            add(Row(name, inputs, attributes, _Target(found["target"], renamed, defaults)))


def raw(names: str, outputs: str = "") -> Callable[[Callable], Callable]:
    """Decorator: makes a function the body of operations.  Parameters annotated as `list` take lists of tensors."""

    def decorate(function: Callable) -> Callable:
        parameters = inspect.signature(function).parameters.values()
        inputs = tuple(
            f"*{p.name}" if p.annotation in ("list", list) else p.name
            for p in parameters
            if p.kind is not p.KEYWORD_ONLY
        )
        attributes = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        for name in names.split():
            add(Row(name, inputs, attributes, function, tuple(outputs.split())))
        return function

    return decorate


def add(row: Row) -> None:
    """Adds a row; ValueError where the operation has one."""
    if row.name in ROWS:
        raise ValueError(f"the operation {row.name} has two rows")
    ROWS[row.name] = row
