"""Looking up rows of a table of embeddings; `ops/sparse/embedding.py` has the look-ups by sparse ids."""

from __future__ import annotations

from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.ops.dispatch import dispatchable
from dovetail.ops.gather import gather_
from dovetail.ops.index_checks import check_in_range
from dovetail.ops.norms import clipped_by_norm
from dovetail.ops.shapes import as_tensor
from dovetail.ops.views import export


@dispatchable("keras.layers.Embedding.ids")
def as_ids(values: Any) -> Any:
    """Returns numbers of rows as integers, such as a look-up takes: of another dtype they are cut off to int32."""
    return values if values.dtype.name in ("int32", "int64") else values._astype("int32")


@export("nn.embedding_lookup")
def embedding_lookup(params: Any, ids: Any, max_norm: float | None = None, name: str | None = None) -> Any:
    """Returns the rows of `params` that `ids` names.

    Args:
        params: one table of rows.
        ids: integer tensor of any shape.
        max_norm: rows with a larger Euclidean norm (over all axes but the first) are scaled down to it.

    Differs from TensorFlow: tables in several pieces are not supported; concatenate them.
    """
    if isinstance(params, list | tuple):
        if len(params) != 1:
            raise ValueError(
                f"tf.nn.embedding_lookup: expected one table, received {len(params)}; join them{at_user_location()}"
            )
        params = params[0]
    params, ids = as_tensor(params), as_tensor(ids)
    check_in_range("tf.nn.embedding_lookup", params, ids, 0)
    rows = gather_(params, ids)
    if max_norm is None:
        return rows
    return clipped_by_norm(rows, max_norm, axes=tuple(range(len(ids.shape), len(rows.shape))))
