"""What `keras.ops` has beyond the functions that other namespaces share: a late family (see `ops/table.py`)."""

from dovetail.ops.keras import (
    blocks,
    elementwise,
    images,
    linear,
    making,
    missing_values,
    signal,
    sparse_results,
    statistics,
)

FAMILIES = (
    blocks,
    elementwise,
    images,
    sparse_results,
    linear,
    making,
    missing_values,
    signal,
    statistics,
)
