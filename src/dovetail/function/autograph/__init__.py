"""AutoGraph: Python's control flow on tensors whose values are known only when the program runs.

`gate.converted` is the one gate for user code.  `need` tells from bytecode what a function needs, `source` finds
its syntax tree, `passes` rewrites it with `diastatic-malt`, `convert` compiles it as if it stood in the user's file, at
the user's lines. What the rewritten code calls stands in `branches`, `loops`, `values` `builtin_names` and `operators`.
"""
