"""Probabilities that know the logits they were made of.

The logarithm of a saturated sigmoid or softmax has lost what its logits knew: the cross-entropy is cut off at
`-log(epsilon)` and its gradient is zero, so a model that starts out badly scaled never learns.  So the activations
keep the logits beside their results (inside a trace, those of `tf.nn.softmax` and `tf.sigmoid` are kept, too, by what
observes these two ops; in a recording, the nodes tell), and the cross-entropies compute from those, as Keras does with
TensorFlow.
"""

from __future__ import annotations

from typing import Any

from dovetail.base.observer import Observer
from dovetail.graph.node import OpCall
from dovetail.ops.losses import softmax
from dovetail.ops.nn import sigmoid
from dovetail.tensor.beside import SideTable
from dovetail.tensor.symbolic import SymbolicTensor
from dovetail.tensor.tensor import Tensor

# The ops that make probabilities of logits, and the kind that their attributes say.
_KINDS = {sigmoid: lambda axis=None: "sigmoid", softmax: lambda axis=-1: axis}

_logits = SideTable()


def keep_logits(probabilities: Any, logits: Any, kind: Any) -> Any:
    """Returns `probabilities`, beside which the logits are kept.

    Args:
        probabilities: what the activation made.
        logits: of what.
        kind: "sigmoid", or the axis of the softmax.
    """
    if type(probabilities) is Tensor and type(logits) is Tensor:
        _logits.keep(probabilities, (kind, logits))
    return probabilities


def logits_of(output: Any) -> tuple | None:
    """Returns `(kind, logits)` of what a sigmoid or a softmax gave, None for other tensors."""
    if type(output) is not SymbolicTensor:
        return _logits.get(output)
    operation = output.node.operation if output.node is not None else None
    if type(operation) is OpCall and operation.op in _KINDS:
        return _KINDS[operation.op](**output.node.kwargs), output.node.args[0]
    return None


def recovered(output: Any, kind: Any, from_logits: bool) -> tuple[Any, bool]:
    """Returns what to compute a cross-entropy of, and whether that is logits.

    Args:
        output: the predictions.
        kind: what would have made them of logits: "sigmoid", or the axis of a softmax.
        from_logits: they are logits already.

    Differs from Keras on TensorFlow: only a sigmoid's logits serve the binary cross-entropy and only a softmax's the
    categorical one; there, a sigmoid followed by the categorical cross-entropy is computed as if it were a softmax.
    """
    noted = None if from_logits else logits_of(output)
    rank = output.shape.rank if noted is not None else None
    if noted is None or rank is None:
        return output, from_logits
    return (noted[1], True) if _counted(noted[0], rank) == _counted(kind, rank) else (output, False)


def _counted(kind: Any, rank: int) -> Any:
    """Returns a softmax's axes as counted from the first."""
    if kind == "sigmoid" or not rank:
        return kind
    axes = (-1,) if kind is None else kind if isinstance(kind, tuple | list) else (kind,)
    return sorted(axis % rank for axis in axes)


class _Keeper(Observer):
    """Keeps the logits beside what the ops give inside of traces."""

    __slots__ = ()

    def record(self, call: Any, inputs: tuple, outputs: tuple) -> None:
        keep_logits(outputs[0], inputs[0], _KINDS[call.op](**call.attributes))


for _op in _KINDS:
    _op.observer = _Keeper()
