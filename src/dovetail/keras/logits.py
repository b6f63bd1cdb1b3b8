"""Probabilities that know the logits they were made of.

The logarithm of a saturated sigmoid or softmax has lost what its logits knew: the cross-entropy is cut off at
`-log(epsilon)` and its gradient is zero, so a model that starts out badly scaled never learns.  So the activations
leave the logits on their results (inside a trace, `tf.nn.softmax` and `tf.sigmoid` do, too), and the cross-entropies
compute from those, as Keras does with TensorFlow.
"""

from __future__ import annotations

from typing import Any

from dovetail.tensor.tensor import Tensor


def keep_logits(probabilities: Any, logits: Any, kind: Any) -> Any:
    """Returns `probabilities`, on which the logits are noted.

    Args:
        probabilities: what the activation made.
        logits: of what.
        kind: "sigmoid", or the axis of the softmax.
    """
    if type(probabilities) is Tensor and type(logits) is Tensor:
        probabilities._keras_logits = (kind, logits)
    return probabilities


def recovered(output: Any, kind: Any, from_logits: bool) -> tuple[Any, bool]:
    """Returns what to compute a cross-entropy of, and whether that is logits.

    Args:
        output: the predictions.
        kind: what would have made them of logits: "sigmoid", or the axis of a softmax.
        from_logits: they are logits already.

    Differs from Keras on TensorFlow: only a sigmoid's logits serve the binary cross-entropy and only a softmax's the
    categorical one; there, a sigmoid followed by the categorical cross-entropy is computed as if it were a softmax.
    """
    noted = getattr(output, "_keras_logits", None)
    if from_logits or noted is None:
        return output, from_logits
    rank = len(output.shape)
    return (noted[1], True) if _counted(noted[0], rank) == _counted(kind, rank) else (output, False)


def _counted(kind: Any, rank: int) -> Any:
    """Returns a softmax's axes as counted from the first."""
    if kind == "sigmoid" or not rank:
        return kind
    axes = (-1,) if kind is None else kind if isinstance(kind, tuple | list) else (kind,)
    return sorted(axis % rank for axis in axes)
