"""Ragged tensors, and what is done with them: each case runs in Dovetail and in TensorFlow."""

import numpy as np

# name -> (nested lists, dtype, ragged_rank, row_splits_dtype)
TENSORS = {
    "rows": ([[3.0, 1.0, 4.0], [], [1.0, 5.0]], "float32", None, "int64"),
    "empty rows": ([[], []], "float32", None, "int64"),
    "no rows": (np.zeros((0, 0)).tolist(), "float32", None, "int64"),
    "deep": ([[[1.0, 2.0], [3.0]], [], [[4.0, 5.0, 6.0], []]], "float32", None, "int64"),
    "vectors": ([[[1.0, 2.0], [3.0, 4.0]], [], [[5.0, 6.0]]], "float32", 1, "int64"),
    "short splits": ([[7.0], [8.0, 9.0]], "float32", None, "int32"),
}

# name -> f(tf, x); it returns tensors, ragged tensors, lists or numbers.  "!" in front: values only where defined.
CASES = {
    "to_list": lambda tf, x: x.to_list(),
    "shape": lambda tf, x: x.shape.as_list(),
    "values": lambda tf, x: x.values,
    "row_lengths": lambda tf, x: x.row_lengths(),
    "row_lengths of axis -1": lambda tf, x: x.row_lengths(axis=x.ragged_rank),
    "row_starts": lambda tf, x: x.row_starts(),
    "value_rowids": lambda tf, x: x.value_rowids(),
    "nested_row_splits": lambda tf, x: list(x.nested_row_splits),
    "nrows": lambda tf, x: x.nrows(),
    "bounding_shape": lambda tf, x: x.bounding_shape(),
    "spec": lambda tf, x: repr(tf.type_spec_from_value(x)),
    "repr": lambda tf, x: " ".join(repr(x).split()),
    "size": lambda tf, x: tf.size(x),
    "rank": lambda tf, x: tf.rank(x),
    "negative": lambda tf, x: -x,
    "exp": lambda tf, x: tf.exp(x),
    "scalar on the left": lambda tf, x: 2.0 / (x + 1.0),
    "itself": lambda tf, x: x * x - x,
    "compare": lambda tf, x: (x > 2.0) & (x <= 4.0),
    "cast": lambda tf, x: tf.cast(x, tf.int64),
    "clip": lambda tf, x: tf.clip_by_value(x, 2.0, 4.0),
    "add_n": lambda tf, x: tf.add_n([x, x]),
    "zeros_like": lambda tf, x: tf.zeros_like(x),
    "ones_like": lambda tf, x: tf.ones_like(x, dtype=tf.int32),
    "where": lambda tf, x: tf.where(x > 2.0, x, -x),
    "where alone": lambda tf, x: tf.where(x > 2.0),
    "map_flat_values": lambda tf, x: tf.ragged.map_flat_values(tf.square, x),
    "sum": lambda tf, x: tf.reduce_sum(x),
    "sum of rows": lambda tf, x: tf.reduce_sum(x, axis=1),
    "sum of columns": lambda tf, x: tf.reduce_sum(x, axis=0),
    "sum of the last": lambda tf, x: tf.reduce_sum(x, axis=-1),
    "sum of both": lambda tf, x: tf.reduce_sum(x, axis=[0, 1]),
    "mean of rows": lambda tf, x: tf.reduce_mean(x, axis=1),
    "max of rows": lambda tf, x: tf.reduce_max(x, axis=1),
    "min of columns": lambda tf, x: tf.reduce_min(x, axis=0),
    "prod of rows": lambda tf, x: tf.reduce_prod(x, axis=1),
    "variance": lambda tf, x: tf.math.reduce_variance(x, axis=1),
    "any": lambda tf, x: tf.reduce_any(x > 2.0, axis=1),
    "all": lambda tf, x: tf.reduce_all(x > 2.0, axis=1),
    "concat 0": lambda tf, x: tf.concat([x, x], 0),
    "concat 1": lambda tf, x: tf.concat([x, x, x], 1),
    "concat -1": lambda tf, x: tf.concat([x, x], -1),
    "stack 0": lambda tf, x: tf.stack([x, x]),
    "stack 1": lambda tf, x: tf.stack([x, x], axis=1),
    "expand 0": lambda tf, x: tf.expand_dims(x, 0),
    "expand 1": lambda tf, x: tf.expand_dims(x, 1),
    "expand -1": lambda tf, x: tf.expand_dims(x, -1),
    "squeeze": lambda tf, x: tf.squeeze(tf.expand_dims(x, 1), 1),
    "reverse 1": lambda tf, x: tf.reverse(x, [1]),
    "reverse both": lambda tf, x: tf.reverse(x, [0, 1]),
    "to_tensor": lambda tf, x: x.to_tensor(),
    "to_tensor of a default": lambda tf, x: x.to_tensor(9.0),
    "to_tensor of a shape": lambda tf, x: x.to_tensor(shape=[None, 2] + [None] * (len(x.shape) - 2)),
    "merge_dims": lambda tf, x: x.merge_dims(0, 1),
    "rows 1:": lambda tf, x: x[1:],
    "rows ::-1": lambda tf, x: x[::-1],
    "columns :1": lambda tf, x: x[:, :1],
    "columns -2:": lambda tf, x: x[:, -2:],
    "columns ::2": lambda tf, x: x[:, ::2],
    "columns ::-1": lambda tf, x: x[:, ::-1],
    "newaxis": lambda tf, x: x[:, tf.newaxis],
    "ellipsis": lambda tf, x: x[..., :1],
    "int32 splits": lambda tf, x: x.with_row_splits_dtype(tf.int32),
    "boolean_mask": lambda tf, x: tf.ragged.boolean_mask(x, x > 2.0),
    "to_sparse": lambda tf, x: [x.to_sparse().indices, x.to_sparse().values, x.to_sparse().dense_shape],
    "to_sparse and back": lambda tf, x: tf.RaggedTensor.from_sparse(x.to_sparse()),
    "tf.shape": lambda tf, x: repr(tf.shape(x)),
    "sizes of tf.shape": lambda tf, x: [tf.shape(x)[0], repr(tf.shape(x)[:2])],
    "one_hot": lambda tf, x: tf.one_hot(tf.cast(x, tf.int32), 4),
    "dropout": lambda tf, x: tf.nn.dropout(x, 0.0),
    "embedding_lookup": lambda tf, x: tf.nn.embedding_lookup(tf.ones([10, 2]), tf.cast(x, tf.int32)),
    "gather from a table": lambda tf, x: tf.gather(tf.range(20) * 2, tf.cast(x, tf.int32)),
    "bincount": lambda tf, x: tf.math.bincount(tf.cast(x if x.shape[-1] is None else x[:, :, 0], tf.int32)),
    "cumsum": lambda tf, x: tf.cumsum(x, axis=1),
    "cumsum, reverse": lambda tf, x: tf.cumsum(x, axis=1, exclusive=True, reverse=True),
    "softmax": lambda tf, x: tf.nn.softmax(x),
    "tile": lambda tf, x: tf.tile(x, [2, 3] + [1] * (len(x.shape) - 2)),
    "column": lambda tf, x: x + tf.ones([x.shape[0]] + [1] * (len(x.shape) - 1)),
}
# What needs rows.
WITH_ROWS = {
    "row 0": lambda tf, x: x[0],
    "row -1": lambda tf, x: x[-1],
    "a row by a tensor": lambda tf, x: x[tf.constant(1)],
    "gather": lambda tf, x: tf.gather(x, [1, 0, 0]),
    "gather, ragged": lambda tf, x: tf.gather(x, tf.ragged.constant([[1], [], [0, 0]], dtype=tf.int64)),
    "gather_nd": lambda tf, x: tf.gather_nd(x, [[1], [0]]),
    "matmul": lambda tf, x: (
        tf.matmul(tf.expand_dims(x[:1].to_tensor(), -1), tf.ones([1, 1, 2]))
        if len(x.shape) == 2
        else tf.matmul(tf.RaggedTensor.from_row_lengths(tf.ones([3, 2]), [1, 2]), tf.ones([2, 2, 3]))
    ),
    "partitions": lambda tf, x: tf.ragged.stack_dynamic_partitions(x, list(range(x.shape[0]))[::-1], 4),
    "split": lambda tf, x: tf.split(x, x.shape[0]),
    "map_fn": lambda tf, x: tf.map_fn(lambda row: row[::-1], x),
}
# Functions of the flat values whose gradients are checked: f(tf, x) -> dense scalar.
SMOOTH = {
    "sum of squares": lambda tf, x: tf.reduce_sum(tf.reduce_sum(x * x, axis=1)),
    "mean": lambda tf, x: tf.reduce_sum(tf.reduce_mean(x, axis=1) ** 2),
    "max": lambda tf, x: tf.reduce_sum(tf.reduce_max(x, axis=0) ** 2),
    "to_tensor": lambda tf, x: tf.reduce_sum(x.to_tensor(2.0) ** 3),
    "columns": lambda tf, x: tf.reduce_sum(x[:, 1:].flat_values ** 2),
    "concat": lambda tf, x: tf.reduce_sum(tf.concat([x, x * x], 1).flat_values ** 2),
    "a row": lambda tf, x: tf.reduce_sum(x[0] ** 2),
    "broadcast": lambda tf, x: tf.reduce_sum(
        (x - tf.reduce_mean(x, axis=0, keepdims=False)[:1]).flat_values ** 2
    ),
    "softmax": lambda tf, x: tf.reduce_sum(tf.nn.softmax(x).flat_values ** 2),
}

# What makes rows of strings, and strings of rows: name -> f(tf).
STRINGS = {
    "format": lambda tf: tf.strings.format("rows {}", tf.ragged.constant([[1, 2], [], [3]])),
    "split": lambda tf: tf.strings.split(["a b", "", " c  d "]),
    "split at": lambda tf: tf.strings.split([["a,b"], [",c"]], ","),
    "bytes_split": lambda tf: tf.strings.bytes_split(["ab", "", "é"]),
    "unicode_split": lambda tf: tf.strings.unicode_split(["añ", ""], "UTF-8"),
    "unicode_decode": lambda tf: tf.strings.unicode_decode(["añ", ""], "UTF-8"),
    "unicode_encode": lambda tf: tf.strings.unicode_encode(tf.ragged.constant([[97, 241], []]), "UTF-8"),
    "ngrams": lambda tf: tf.strings.ngrams(tf.strings.split(["a b c", "", "d"]), 2, separator="+"),
    "reduce_join": lambda tf: tf.strings.reduce_join(
        tf.strings.split(["a b", "", "c"]), axis=-1, separator="/"
    ),
}
