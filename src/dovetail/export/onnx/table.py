"""The table of what writes ops as nodes of ONNX graphs; `writes("name")` is the decorator of its functions."""

from __future__ import annotations

from dovetail.graph.walking import table

WRITERS, writes = table()
