"""The whole op table: importing this module registers every family.

Families of values that most programs never meet are late: they are imported when one of their names is first asked for.
"""

import importlib
from typing import Any

from dovetail.ops import (
    arithmetic,
    array,
    attention,
    batch_normalization,
    blocks,
    boxes,
    conv,
    conv_names,
    create,
    ctc,
    depthwise,
    diagonals,
    dropout,
    embedding,
    gather,
    generator,
    image,
    image_boxes,
    image_color,
    image_crop,
    image_filter,
    image_histogram,
    image_random,
    image_resize,
    image_sample,
    indexed_slices,
    indexing,
    keras_array,
    keras_math,
    linalg,
    logic,
    losses,
    mapping,
    math,
    matrix,
    nn,
    normalization,
    norms,
    operators,
    padding,
    pool,
    random,
    random_backend,
    random_keys,
    random_stateless,
    reduction,
    segment,
    shapes,
    slicing,
    solve,
    sorting,
    tensor_array,
    variable_parts,
)
from dovetail.ops.core import OPS, Op
from dovetail.ops.views import NAMESPACES, contents

FAMILIES = (
    arithmetic,
    array,
    blocks,
    conv,
    conv_names,
    depthwise,
    losses,
    nn,
    batch_normalization,
    normalization,
    pool,
    generator,
    random,
    random_backend,
    random_keys,
    random_stateless,
    attention,
    boxes,
    create,
    ctc,
    diagonals,
    dropout,
    embedding,
    gather,
    image,
    image_boxes,
    image_color,
    image_crop,
    image_filter,
    image_histogram,
    image_random,
    image_resize,
    image_sample,
    indexed_slices,
    indexing,
    keras_array,
    keras_math,
    linalg,
    logic,
    mapping,
    math,
    matrix,
    norms,
    operators,
    padding,
    reduction,
    segment,
    shapes,
    slicing,
    solve,
    sorting,
    tensor_array,
    variable_parts,
)

_IMAGE_FILES = (
    "adjust_jpeg_quality decode_and_crop_jpeg decode_bmp decode_gif decode_image decode_jpeg decode_jxl decode_png "
    "decode_webp encode_jpeg encode_png extract_jpeg_shape is_jpeg random_jpeg_quality stateless_random_jpeg_quality"
)
# The late families, each with the names that it publishes: all of a namespace ("*"), or some.
LATE = {
    "files": {
        "tf.audio": "*",
        "tf.image": _IMAGE_FILES,
        "tf.io": "*",
    },
    "keras": {
        "keras.ops": "*",
        "keras.ops.image": "*",
        "keras.ops.linalg": "*",
        "keras.ops.nn": "*",
        "keras.ops.numpy": "*",
    },
    "protos": {
        "tf": "make_ndarray make_tensor_proto",
        "tf.compat.v1": "AttrValue Event FunctionDef FunctionDefLibrary GraphDef HistogramProto NameAttrList NodeDef "
        "OpDef Summary SummaryMetadata TensorProto TensorShapeProto make_tensor_proto",
        "tf.compat.v1.train": "summary_iterator",
    },
    "strings": {"tf": "as_string", "tf.strings": "*"},
    "hashing": {"tf": "fingerprint", "tf.strings": "*"},
    "lookup": {},
    "text": {},
    "strings_each": {"tf.strings": "*"},
    "strings_join": {"tf.strings": "*"},
    "strings_unicode": {"tf.strings": "*"},
    "ragged": {
        "tf": "RaggedTensor RaggedTensorSpec",
        "tf.experimental": "DynamicRaggedShape",
        "tf.ragged": "*",
        "tf.strings": "*",
    },
    "signal": {"tf": "fftnd ifftnd irfftnd rfftnd", "tf.signal": "*"},
    "records": {"tf.io": "*"},
    "special": {
        "tf.math": "bessel_i0 bessel_i0e bessel_i1 bessel_i1e betainc igamma igammac lbeta nextafter polygamma zeta",
        "tf.math.special": "*",
    },
    "sparse": {
        "tf": "SparseTensor SparseTensorSpec edit_distance",
        "tf.compat.v1": "SparseTensorValue",
        "tf.nn": "collapse_repeated ctc_beam_search_decoder ctc_greedy_decoder ctc_loss ctc_unique_labels "
        "embedding_lookup_sparse safe_embedding_lookup_sparse",
        "keras.backend": "ctc_label_dense_to_sparse",
        "tf.ragged": "*",
        "tf.sets": "*",
        "tf.sparse": "*",
    },
}


def late_names(namespace: str) -> frozenset[str]:
    """Returns the names of a namespace that late families publish, without importing these."""
    names = (name for stated in LATE.values() for name in stated.get(namespace, "").split())
    return frozenset(names) - {"*"}


def find(namespace: str, name: str) -> Any:
    """Returns what a namespace holds under a name that may be a late family's.

    Raises:
        KeyError: nothing goes by that name.
    """
    for family, stated in LATE.items():
        names = stated.get(namespace, "").split()
        if name in names or ("*" in names and name not in NAMESPACES.get(namespace, {})):
            _load(family)
    return NAMESPACES[namespace][name]


def whole(namespace: str) -> dict[str, Any]:
    """Returns all that a namespace holds, the namespaces inside it and the names of late families included."""
    for family, stated in LATE.items():
        if namespace in stated:
            _load(family)
    return contents(namespace)


def load_all() -> None:
    """Imports the late families, so that `OPS` and `NAMESPACES` are complete."""
    for family in LATE:
        _load(family)


def op_named(name: str) -> Op | None:
    """Returns the op of a name, or None."""
    if name not in OPS:
        load_all()
    return OPS.get(name)


def _load(family: str) -> None:
    importlib.import_module(f"dovetail.ops.{family}")


__all__ = ["FAMILIES", "LATE", "NAMESPACES", "OPS", "find", "late_names", "load_all", "op_named", "whole"]
