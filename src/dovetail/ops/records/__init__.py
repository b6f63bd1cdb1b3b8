"""Records to tensors: `tf.io.parse_example` and its kin, and tensors as bytes."""

from dovetail.ops.records import examples, features, protos, sequences, sparse, tensors

__all__ = ["examples", "features", "protos", "sequences", "sparse", "tensors"]
