"""Functions of files whose images are resized and then changed: one pass over memory instead of one an op.

A function is recorded once, as TensorFlow traces it.  Where a resized image goes through ops that work pixel by pixel,
they become one op, with the values of them all (`ops/image_chain.py`).  The rest runs as it was recorded, in its order:
random numbers are drawn as they would have been.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import numpy as np

from dovetail.data.functions import UserFunction, plain_execution
from dovetail.data.recorded import recorded
from dovetail.data.structure import as_leaf
from dovetail.data.vectorized import mode
from dovetail.engine import host
from dovetail.graph.node import READ, WRITE, FunctionCall, Node, OpCall
from dovetail.graph.recording import FunctionGraph
from dovetail.graph.replay import Steps
from dovetail.ops import draws, random_keys
from dovetail.ops.image_chain import STEPS, resize_chain
from dovetail.ops.precision import FLOAT32
from dovetail.tensor import SymbolicTensor, Tensor, TensorSpec

_ONE_DRAW = [0, 1]  # what a draw adds to the state of a generator
_SWAPPABLE = ("add", "multiply")


class OnePass:
    """A user's function, as it was recorded.

    Args:
        function: the function.
        graph: what was recorded.
        nodes: what runs instead of the graph's nodes.
        tree: how the leaves of a result nest.
    """

    def __init__(self, function: UserFunction, graph: FunctionGraph, nodes: list[Node], tree: Any) -> None:
        self._function, self._tree, self._outputs = function, tree, graph.outputs
        symbolic = [leaf for leaf in graph.outputs if type(leaf) is SymbolicTensor]
        self._steps = Steps(graph.inputs, nodes, symbolic, tells_where=True)

    def __call__(self, leaves: tuple) -> tuple[tuple, Any]:
        """Returns `(leaves, tree)` of what the function returns."""
        with plain_execution():
            try:
                found = iter(self._steps.run([Tensor(leaf) for leaf in leaves]))
            except Exception as error:
                self._function.explain(error, leaves)
                raise
        made = [next(found) if type(leaf) is SymbolicTensor else leaf for leaf in self._outputs]
        return tuple(map(as_leaf, made)), self._tree


def one_pass(function: UserFunction) -> OnePass | None:
    """Returns a function with its chains joined; None where it has none, or must run as it was written."""
    specs = function.source.specs
    if not mode.compiles or function.changes or not all(isinstance(spec, TensorSpec) for spec in specs):
        return None
    found = recorded(function)
    if found is None:
        return None
    graph, tree = found
    if graph.captures or not all(type(leaf) in (Tensor, SymbolicTensor) for leaf in graph.outputs):
        return None
    drawn = _with_draws(graph.nodes)
    joined = None if drawn is None else _joined(drawn, graph.outputs)
    return None if joined is None else OnePass(function, graph, joined, tree)


# ---- random numbers -----------------------------------------------------------------------------------------------


def _with_draws(nodes: list[Node]) -> list[Node] | None:
    """Returns nodes in which a generator moves on in one step, as threads want it; None for any other effect."""
    dropped: set[int] = set()
    made: list[Node] = []
    for i, node in enumerate(nodes):
        if id(node) in dropped:
            continue
        if node.operation is READ:
            moves = _moves(node, nodes[i + 1 :])
            dropped.update(map(id, moves))
            made.append(_draw(node) if moves else node)
        elif type(node.operation) is OpCall:
            made.append(_number_drawn(node) or node)
        else:
            return None
    return made


def _moves(read: Node, later: list[Node]) -> list[Node]:
    """Returns the nodes that add one draw to what was read, and write it; none where it is not so."""
    (state,) = read.outputs
    for add in later:
        if type(add.operation) is OpCall and add.operation.op.name == "add" and add.args[0] is state:
            (after,) = add.outputs
            users = [node for node in later if any(after is tensor for tensor in node.inputs)]
            one = type(add.args[1]) is Tensor and np.array_equal(add.args[1].numpy(), _ONE_DRAW)
            writes = len(users) == 1 and users[0].operation is WRITE and users[0].args[0] is read.args[0]
            return [add, *users] if one and writes else []
    return []


def _draw(read: Node) -> Node:
    return _like(read, FunctionCall(random_keys.take_key, "tf.random.take_key"), read.args, {}, read.outputs)


def _number_drawn(node: Node) -> Node | None:
    """Returns a node that draws one number without the ways of an op; None for a node that does not draw one."""
    given = {"low": 0.0, "high": 1.0, "dtype": "float32", "seed": None, **node.kwargs}
    if (
        _name(node) not in ("uniform", "random_uniform")
        or len(given.get("shape", "unknown"))
        or given["dtype"] != "float32"
        or not all(type(given[name]) is float for name in ("low", "high"))
    ):
        return None
    draw = functools.partial(_uniform_number, given["low"], given["high"], seed=given["seed"])
    key = {"key": node.args[0]} if node.args else {}
    return _like(node, FunctionCall(draw, "tf.random.uniform"), (), key, node.outputs)


def _uniform_number(low: float, high: float, key: Any = None, seed: Any = None) -> Tensor:
    """Returns a float32 number in [low, high), as the ops draw it.

    Args:
        low, high: numbers.
        key: what it is made of; None: the next key of the generator of `seed`.
        seed: see `random_keys.next_key`.
    """
    bits = np.asarray((random_keys.next_key(seed) if key is None else key)._value)
    return Tensor(draws.uniform.body(host, bits, shape=(), low=low, high=high, dtype=FLOAT32))


def _like(node: Node, operation: Any, args: tuple, kwargs: dict, outputs: list) -> Node:
    """Returns a node that stands where another stood."""
    made = Node(operation, args, kwargs)
    made.outputs, made.where = outputs, node.where
    return made


# ---- chains -------------------------------------------------------------------------------------------------------


def _joined(nodes: list[Node], outputs: list) -> list[Node] | None:
    """Returns nodes in which each chain is one node, where its last one stood; None where there is no chain."""
    uses = Counter(id(tensor) for node in nodes for tensor in node.inputs)
    uses.update(id(leaf) for leaf in outputs)
    users = {id(tensor): node for node in nodes for tensor in node.inputs}
    places: dict[int, Node | None] = {}
    for node in nodes:
        chain = _chain(node, uses, users)
        if len(chain) > 1:
            places.update({id(one): None for one in chain})
            places[id(chain[-1])] = _one_node(chain)
    if not places:
        return None
    replaced = (places.get(id(node), node) for node in nodes)
    return [node for node in replaced if node is not None]


def _chain(node: Node, uses: Counter, users: dict[int, Node]) -> list[Node]:
    """Returns a node that resizes an image, and those that change its pixels; none for another node."""
    if not _resizes(node):
        return []
    chain = [node]
    while True:
        (image,) = chain[-1].outputs
        following = users.get(id(image))
        if uses[id(image)] != 1 or following is None or _numbers(following, image) is None:
            return chain
        chain.append(following)


def _resizes(node: Node) -> bool:
    given = node.kwargs
    return (
        _name(node) == "resize"
        and node.outputs[0].shape.rank == 3
        and node.outputs[0].shape[:2].is_fully_defined()
        and given.get("method") != "nearest"
        and not given.get("preserve_aspect_ratio")
        and type(node.args[0]) is SymbolicTensor
    )


def _name(node: Node) -> str:
    return node.operation.op.name if type(node.operation) is OpCall else ""


def _numbers(node: Node, image: SymbolicTensor) -> list | None:
    """Returns what a step takes beside the image; None for what is no step."""
    _, count = STEPS.get(_name(node), (None, 0))
    args = node.args
    if len(args) == 2 and args[1] is image and _name(node) in _SWAPPABLE:
        args = args[::-1]
    if (
        not count
        or len(args) != count + 1
        or args[0] is not image
        or node.kwargs.get("axis", -2) not in (-2, 1)
    ):
        return None
    return list(args[1:]) if all(map(_is_number, args[1:])) else None


def _is_number(value: Any) -> bool:
    return type(value) in (Tensor, SymbolicTensor) and value.shape.rank == 0 and value.dtype == "float32"


def _one_node(chain: list[Node]) -> Node:
    first = chain[0]
    images = [node.outputs[0] for node in chain]
    numbers = [number for node, image in zip(chain[1:], images) for number in _numbers(node, image) or ()]
    attributes = {
        "size": tuple(images[0].shape[:2]),
        "method": first.kwargs.get("method", "bilinear"),
        "antialias": first.kwargs.get("antialias", False),
        "grid": first.kwargs.get("grid", "centers"),
        "steps": tuple(map(_name, chain[1:])),
    }
    return _like(first, OpCall(resize_chain, False), (first.args[0], *numbers), attributes, chain[-1].outputs)
