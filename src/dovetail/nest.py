"""`tf.nest`: nested structures."""

from dovetail.base import nest
from dovetail.base.nest import flatten, is_nested
from dovetail.base.told import told_function

assert_same_structure = told_function("tf.nest.assert_same_structure")(nest.assert_same_structure)
map_structure = told_function("tf.nest.map_structure")(nest.map_structure)
pack_sequence_as = told_function("tf.nest.pack_sequence_as")(nest.pack_sequence_as)

__all__ = ["assert_same_structure", "flatten", "is_nested", "map_structure", "pack_sequence_as"]
