"""Rows for shapes, joining and splitting, creation, indexing, gathering, sorting, blocks and strings."""

import numpy as np

from tests.ops.case import Case
from tests.support.parity import reference

WORDS = [" Ab ", "été", "Code", "x  y"]


def normal(*shapes):
    """Arguments: float32 arrays of the given shapes."""
    return lambda rng: tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)


def array(*shape, then=(), dtype=np.float32):
    """Arguments: one array, then what follows it."""
    if np.dtype(dtype).kind == "f":
        return lambda rng: (rng.normal(size=shape).astype(dtype), *then)
    return lambda rng: (rng.integers(0, 9, size=shape).astype(dtype), *then)


def several(*shapes, then=()):
    """Arguments: a list of float32 arrays, then what follows it."""
    return lambda rng: ([rng.normal(size=shape).astype(np.float32) for shape in shapes], *then)


def given(*values):
    """Arguments: these."""
    return lambda rng: values


def updated(x, updates, begin):
    """Returns `x` with `updates` written over it, their first element at `begin`."""
    result = x.copy()
    result[tuple(slice(b, b + size) for b, size in zip(begin, updates.shape, strict=True))] = updates
    return result


def placed(x, value):
    """Returns `x` with `value` in rows 1 and 2 of every other column, from the last one."""
    result = x.copy()
    result[1:3, ::-2] = value
    return result


def indices(*shape, below, dtype=np.int32):
    return lambda rng: rng.integers(0, below, size=shape).astype(dtype)


def with_indices(shape, *rest_shape, below, then=()):
    """Arguments: an array and an array of indices."""
    return lambda rng: (
        rng.normal(size=shape).astype(np.float32),
        rng.integers(0, below, size=rest_shape).astype(np.int32),
        *then,
    )


def distinct(*shape):
    """Arguments: an array of distinct numbers, in random order."""
    return lambda rng: (rng.permutation(int(np.prod(shape))).reshape(shape).astype(np.float32),)


SHAPES = [
    Case("reshape", array(2, 6, then=([3, 4],)), grad=(0,)),
    Case("reshape", array(2, 6, then=([-1, 3],)), id="minus_one"),
    Case("reshape", array(2, 6, then=([-1],), dtype=np.int32), id="flat_int"),
    Case("transpose", array(2, 3, 4), grad=(0,)),
    Case("transpose", array(2, 3, 4), kwargs={"perm": [1, 2, 0]}, grad=(0,), id="perm"),
    Case(
        "transpose",
        lambda rng: ((rng.normal(size=(2, 3)) + 1j).astype(np.complex64),),
        kwargs={"conjugate": True},
        id="conjugate",
    ),
    Case("expand_dims", array(2, 3, then=(1,)), grad=(0,)),
    Case("expand_dims", array(2, 3, then=(-1,)), id="last"),
    Case("squeeze", array(2, 1, 3, 1, then=([1, 3],)), grad=(0,)),
    Case("squeeze", array(2, 1, 3), id="all"),
    Case("squeeze", array(2, 3, 1, then=(-1,)), id="last"),
    Case("tile", array(2, 3, then=([2, 1],)), grad=(0,)),
    Case("tile", array(1, 2, then=([3, 2],), dtype=np.int64), id="int64"),
    Case("broadcast_to", array(3, 1, then=([2, 3, 4],)), grad=(0,)),
    Case("reverse", array(2, 3, 4, then=([0, -1],)), grad=(0,)),
    Case("roll", array(3, 4), kwargs={"shift": 2, "axis": 1}, grad=(0,)),
    Case("roll", array(3, 4), kwargs={"shift": [1, -2], "axis": [0, 1]}, id="two_axes"),
    Case("shape", array(2, 3)),
    Case("shape", array(2, 3), kwargs={"out_type": "int64"}, id="int64"),
    Case(
        "shape_vector",
        array(2, 3),
        kwargs={"out_type": "int32"},
        oracle=lambda x, out_type: np.array([2, 3], np.int32),
    ),
    Case("element_count", array(2, 3), kwargs={"out_type": "int64"}, oracle=lambda x, out_type: np.array(6)),
    Case("size", array(2, 3)),
    Case("rank", array(2, 3)),
    Case("ensure_shape", array(2, 3, then=([None, 3],)), grad=(0,)),
    Case(
        "broadcast_dynamic_shape",
        given(np.array([2, 1, 3], np.int32), np.array([4, 1], np.int32)),
        xla=False,
    ),
    Case(
        "moveaxis",
        array(2, 3, 4),
        kwargs={"source": 0, "destination": 2},
        grad=(0,),
        oracle=lambda x, source, destination: np.moveaxis(np.asarray(x), source, destination),
    ),
    Case("identity", array(2, 3), grad=(0,), id="array"),
    Case("dense_of", array(2, 3), tf="identity", grad=(0,)),
]

JOINING = [
    Case("concat", several((2, 3), (4, 3), then=(0,))),
    Case("concat", several((2, 3), (2, 1), then=(-1,)), id="last"),
    Case("stack", several((2, 3), (2, 3))),
    Case("stack", several((2, 3), (2, 3)), kwargs={"axis": -1}, id="last"),
    Case("unstack", array(2, 3), kwargs={"axis": 1}, grad=(0,)),
    Case("split", array(4, 6, then=(3,)), kwargs={"axis": 1}, grad=(0,)),
    Case("split", array(2, 6, then=([1, -1, 2],)), kwargs={"axis": 1}, grad=(0,), id="sizes"),
    Case("repeat", array(2, 3, then=(2,)), kwargs={"axis": 1}, grad=(0,)),
    Case("repeat", array(2, 3, then=([1, 0, 2],)), kwargs={"axis": 1}, grad=(0,), id="each"),
    Case("repeat", array(3, then=(2,), dtype=np.int32), id="flat"),
    Case("pad", array(2, 3, then=([[1, 0], [2, 1]],)), grad=(0,)),
    Case("pad", array(2, 3, then=([[0, 0], [1, 1]],)), kwargs={"constant_values": 7}, id="value"),
    Case("pad", array(3, 4, then=([[1, 2], [3, 0]], "REFLECT")), grad=(0,), id="reflect"),
    Case("pad", array(3, 4, then=([[3, 1], [0, 4]], "SYMMETRIC")), grad=(0,), id="symmetric"),
    Case("meshgrid", normal((3,), (4,))),
    Case("meshgrid", normal((3,), (4,), (2,)), kwargs={"indexing": "ij"}, id="ij"),
    Case(
        "pad_adjoint",
        array(4, 6),
        kwargs={"paddings": ((1, 1), (2, 0))},
        grad=(0,),
        oracle=lambda x, paddings: np.asarray(x)[1:3, 2:],
    ),
    Case(
        "repeat_adjoint",
        array(2, 3),
        kwargs={"each": (2, 0, 1), "axis": 1},
        grad=(0,),
        oracle=lambda x, each, axis: np.stack([x[:, :2].sum(1), 0 * x[:, 0], x[:, 2]], 1),
    ),
]

CREATION = [
    Case("zeros", given([2, 3])),
    Case("zeros", given([2], "int64"), id="int64"),
    Case("zeros", given([2], "bool"), id="bool"),
    Case("ones", given([2, 3])),
    Case("ones", given([2], "bfloat16"), id="bfloat16"),
    Case("fill", lambda rng: ([2, 3], np.float32(rng.normal()))),
    Case("zeros_like", array(2, 3)),
    Case("zeros_like", array(2, 3), kwargs={"dtype": "int32"}, id="int32"),
    Case("ones_like", array(2, 3, dtype=np.int32)),
    Case(
        "full_like",
        array(2, 3, then=(4,)),
        kwargs={"dtype": "float64"},
        oracle=lambda x, fill_value, dtype: np.full_like(x, fill_value, dtype),
    ),
    Case("range", given(5)),
    Case("range", given(3, 18, 3), id="steps"),
    Case("range", given(3, 1, -0.5), id="down"),
    Case("range", given(3, -1, -1), id="to the first"),
    Case("range", given(np.int64(4)), id="int64"),
    Case("range", given(5), kwargs={"dtype": "float64"}, id="float64"),
    Case("linspace", given(0.0, 2.0, 5)),
    Case(
        "linspace", lambda rng: (*normal((3,), (3,))(rng), 4), kwargs={"axis": -1}, grad=(0, 1), id="tensors"
    ),
    Case("eye", given(3)),
    Case("eye", given(2, 3), kwargs={"batch_shape": [2], "dtype": "int32"}, id="batch"),
    Case("one_hot", given(np.array([0, 2, -1, 5]), 3)),
    Case(
        "one_hot",
        given(np.array([[0, 2], [1, 1]], np.int32), 3),
        kwargs={"axis": 1, "dtype": "int32"},
        id="axis",
    ),
    Case("one_hot", given(np.array([0, 1]), 2), kwargs={"on_value": 5.0, "off_value": -1.0}, id="values"),
    Case("constant", given([[1, 2], [3, 4]])),
    Case("constant", given([1.5, 2], "float64"), id="float64"),
    Case("constant", given(3), kwargs={"shape": [2, 2]}, id="fill"),
    Case("constant", given(["a", "bc"]), id="strings", xla=False),
    Case("convert_to_tensor", given(np.arange(3.0))),
]

INDEXING = [
    Case("slice", array(3, 4, then=([1, 0], [2, -1])), grad=(0,)),
    Case("strided_slice", array(5, 6, then=([0, 1], [4, 6], [2, 3])), grad=(0,)),
    Case(
        "strided_slice",
        array(5, 6, then=([0, 1, 1], [0, 4, 6], [1, -1, 2])),
        kwargs={"begin_mask": 2, "end_mask": 2, "new_axis_mask": 1},
        id="masks",
    ),
    Case(
        "strided_slice",
        array(2, 5, 6, then=([0, 3], [1, 4])),
        kwargs={"ellipsis_mask": 1, "shrink_axis_mask": 2},
        id="ellipsis",
    ),
    Case(
        "getitem",
        array(4, 5),
        kwargs={"spec": (("i", 1), ("s", None, None, -2))},
        grad=(0,),
        oracle=lambda x, spec: np.asarray(x)[1, ::-2],
    ),
    Case(
        "getitem_adjoint",
        array(2),
        kwargs={"spec": (("i", 1), ("s", 0, 3, 2)), "shape": (2, 4)},
        grad=(0,),
        oracle=lambda g, spec, shape: np.array([[0, 0, 0, 0], [g[0], 0, g[1], 0]], g.dtype),
    ),
    Case(
        "dynamic_slice",
        array(4, 5, then=(np.array([1, 2], np.int32),)),
        kwargs={"size": (2, 3)},
        grad=(0,),
        oracle=lambda x, begin, size: np.asarray(x)[1:3, 2:5],
    ),
    Case(
        "dynamic_slice_adjoint",
        array(2, then=(np.array([1], np.int32),)),
        kwargs={"shape": (4,)},
        grad=(0,),
        oracle=lambda x, begin, shape: np.array([0, x[0], x[1], 0], x.dtype),
    ),
    Case(
        "setitem",
        lambda rng: (*array(4, 5)(rng), *array(2, 1)(rng)),
        kwargs={"spec": (("s", 1, 3, None), ("s", None, None, -2))},
        oracle=lambda x, value, spec: placed(x, value),
    ),
    Case(
        "slice_update",
        lambda rng: (*normal((4, 5), (2, 3))(rng), np.array([1, 2], np.int32)),
        grad=(0, 1),
        oracle=updated,
    ),
    Case(
        "boolean_mask",
        lambda rng: (*array(4, 3)(rng), np.array([True, False, True, True])),
        grad=(0,),
        xla=False,
    ),
    Case(
        "boolean_mask",
        lambda rng: (*array(3)(rng), np.array([2, 0, 1])),
        xla=False,
        id="numbers",
    ),
    Case(
        "boolean_mask",
        lambda rng: (*array(2, 3)(rng), np.array([True, False, True])),
        kwargs={"axis": 1},
        id="axis",
        xla=False,
    ),
    Case(
        "boolean_mask_adjoint",
        lambda rng: (*array(2)(rng), np.array([True, False, True])),
        kwargs={"shape": (3,)},
        grad=(0,),
        oracle=lambda g, mask, shape: np.array([g[0], 0, g[1]], g.dtype),
        xla=False,
    ),
    Case(
        "where",
        lambda rng: (rng.random((3, 1)) > 0.5, *normal((3, 4), (4,))(rng)),
        grad=(1, 2),
    ),
    Case("where", given(np.array([[True, False], [True, True]])), id="coordinates", xla=False),
    Case("where_true", given(np.array([0, 3, 0, 1])), oracle=lambda c: np.array([[1], [3]]), xla=False),
]

GATHERING = [
    Case("gather", with_indices((5, 3), 4, below=5), grad=(0,)),
    Case("gather", with_indices((2, 5, 3), 2, 2, below=5), kwargs={"axis": 1}, grad=(0,), id="axis"),
    Case("gather", with_indices((2, 5, 3), 2, 4, below=5), kwargs={"batch_dims": 1}, grad=(0,), id="batch"),
    Case(
        "gather",
        with_indices((2, 3, 5), 2, 4, below=5),
        kwargs={"axis": 2, "batch_dims": 1},
        grad=(0,),
        id="batch_axis",
    ),
    Case(
        "gather_adjoint",
        with_indices((4, 3), 4, below=5),
        kwargs={"shape": (5, 3)},
        grad=(0,),
        oracle=lambda g, i, shape: reference().math.unsorted_segment_sum(g, i, 5).numpy(),
    ),
    Case(
        "take_wrapped",
        lambda rng: (*array(5, 3)(rng), np.array([0, -1, 2])),
        kwargs={"axis": 0},
        grad=(0,),
        oracle=lambda x, i, axis: np.take(np.asarray(x), i, axis),
    ),
    Case(
        "take_along_axis",
        with_indices((2, 5), 2, 3, below=5),
        kwargs={"axis": 1},
        grad=(0,),
        oracle=lambda x, i, axis: np.take_along_axis(np.asarray(x), np.asarray(i), axis),
    ),
    Case("nn.embedding_lookup", with_indices((5, 3), 2, 4, below=5), grad=(0,)),
    Case("nn.embedding_lookup", with_indices((5, 3), 2, 4, below=5), kwargs={"max_norm": 1.0}, id="max_norm"),
    Case("gather_nd", with_indices((4, 4, 3), 5, 2, below=4), grad=(0,)),
    Case(
        "gather_nd",
        with_indices((2, 4, 3), 2, 5, 1, below=4),
        kwargs={"batch_dims": 1},
        grad=(0,),
        id="batch",
    ),
    Case(
        "gather_nd_adjoint",
        with_indices((5, 3), 5, 1, below=4),
        kwargs={"shape": (4, 3)},
        grad=(0,),
        oracle=lambda g, i, shape: reference().scatter_nd(i, g, shape).numpy(),
    ),
    Case(
        "along_axis_adjoint",
        given(np.ones((2, 3), np.float32), np.array([[0, 4, 0], [1, -1, 2]], np.int32)),
        kwargs={"shape": (2, 5), "axis": 1},
        grad=(0,),
        oracle=lambda g, i, shape, axis: np.array([[2, 0, 0, 0, 1], [0, 1, 1, 0, 1]], np.float32),
    ),
    Case(
        "write_row",
        given(np.ones((3, 2), np.float32), np.array([5, 6], np.float32), np.array(1, np.int32)),
        grad=(0, 1),
        oracle=lambda x, value, i: np.array([[1, 1], [5, 6], [1, 1]], np.float32),
    ),
    Case(
        "write_row",
        given(np.ones((3, 0), np.float32), np.array([5, 6], np.float32), np.array(2, np.int32)),
        grad=(1,),
        oracle=lambda x, value, i: np.array([[0, 0], [0, 0], [5, 6]], np.float32),
        id="first row",
    ),
    Case(
        "scatter_nd",
        given(np.array([[1], [3], [1]], np.int32), np.array([1.0, 2, 3], np.float32), [5]),
        grad=(1,),
    ),
    Case(
        "tensor_scatter_nd_update",
        lambda rng: (*array(4, 3)(rng), np.array([[1], [3]]), *array(2, 3)(rng)),
        grad=(0, 2),
    ),
    Case(
        "tensor_scatter_nd_add",
        lambda rng: (*array(4)(rng), np.array([[1], [3], [1]]), *array(3)(rng)),
        grad=(0, 2),
    ),
    Case(
        "tensor_scatter_nd_sub",
        lambda rng: (*array(4)(rng), np.array([[1], [3], [1]]), *array(3)(rng)),
        grad=(0, 2),
    ),
    Case(
        "tensor_scatter_nd_min",
        lambda rng: (*array(4)(rng), np.array([[1], [3]]), *array(2)(rng)),
        grad=(0, 2),
    ),
    Case(
        "tensor_scatter_nd_max",
        lambda rng: (*array(4)(rng), np.array([[1], [3]]), *array(2)(rng)),
        grad=(0, 2),
    ),
    Case(
        "scatter_into",
        lambda rng: (*array(4)(rng), *array(3)(rng), np.array([[1], [3], [1]])),
        kwargs={"kind": "mul"},
        oracle=lambda x, u, i, kind: np.array([x[0], x[1] * u[0] * u[2], x[2], x[3] * u[1]], x.dtype),
    ),
    Case(
        "scatter_into",
        lambda rng: (np.array([8, 9, -7]), np.array([2, 4]), np.array([[1], [2]])),
        kwargs={"kind": "div"},
        oracle=lambda x, u, i, kind: np.array([8, 4, -1]),
    ),
    Case(
        "tensor_scatter",
        lambda rng: (*array(4)(rng), *array(2)(rng), np.array([[1], [3]])),
        kwargs={"kind": "add"},
        grad=(0, 1),
        oracle=lambda x, u, i, kind: reference().tensor_scatter_nd_add(x, i, u).numpy(),
    ),
]

SORTING = [
    Case("sort", distinct(3, 4), grad=(0,)),
    Case("sort", distinct(3, 4), kwargs={"axis": 0, "direction": "DESCENDING"}, grad=(0,), id="down"),
    Case("argsort", distinct(3, 4)),
    Case("argsort", given(np.array([3, 1, 2, 3, 1])), id="ties"),
    Case("argsort", given(np.array([3, 1, 2, 3, 1])), kwargs={"direction": "DESCENDING"}, id="ties_down"),
    Case("searchsorted", given(np.array([1.0, 3, 5, 5, 9]), np.array([0.0, 5, 10]))),
    Case(
        "searchsorted",
        given(np.array([[1, 3], [2, 2]]), np.array([[1, 2, 3], [2, 1, 4]])),
        kwargs={"side": "right"},
        id="rows",
    ),
    Case("math.invert_permutation", given(np.array([2, 0, 1], np.int32))),
    Case("unique", given(np.array([3, 1, 3, 2, 1])), xla=False),
    Case("unique_with_counts", given(np.array([3, 1, 3, 2, 1], np.float32)), xla=False),
    Case(
        "dynamic_partition",
        array(4, 2, then=(np.array([1, 0, 1, 2], np.int32), 3)),
        grad=(0,),
        xla=False,
    ),
    Case(
        "dynamic_partition_adjoint",
        lambda rng: (np.array([1, 0, 1], np.int32), *normal((1, 2), (2, 2))(rng)),
        kwargs={"rest": (2,)},
        grad=(1, 2),
        oracle=lambda places, a, b, rest: np.stack([b[0], a[0], b[1]]),
        xla=False,
    ),
    Case(
        "dynamic_stitch",
        given(
            [np.array([0, 2], np.int32), np.array([1], np.int32)],
            [np.array([[1.0], [2]], np.float32), np.array([[3.0]], np.float32)],
        ),
        xla=False,
    ),
    Case("sequence_mask", given(np.array([1, 3, 0]), 4)),
    Case(
        "sequence_mask",
        given(np.array([[1, 3], [2, 0]])),
        kwargs={"dtype": "float32"},
        id="longest",
        xla=False,
    ),
]

BLOCKS = [
    Case("nn.space_to_depth", array(2, 4, 6, 3, then=(2,)), grad=(0,)),
    Case("nn.depth_to_space", array(2, 2, 3, 8, then=(2,)), grad=(0,)),
    Case("space_to_batch", array(2, 3, 4, 1, then=([2, 2], [[1, 0], [0, 0]])), grad=(0,)),
    Case("batch_to_space", array(8, 2, 2, 1, then=([2, 2], [[1, 0], [0, 1]])), grad=(0,)),
    Case(
        "to_batch",
        array(2, 4, 6, 1),
        kwargs={"block": (2, 3)},
        grad=(0,),
        oracle=lambda x, block: reference().space_to_batch(x, block, [[0, 0], [0, 0]]).numpy(),
    ),
    Case(
        "from_batch",
        array(6, 2, 2, 1),
        kwargs={"block": (2, 3)},
        grad=(0,),
        oracle=lambda x, block: reference().batch_to_space(x, block, [[0, 0], [0, 0]]).numpy(),
    ),
    Case(
        "cropped",
        array(2, 4, 5),
        kwargs={"crops": ((1, 1), (0, 2))},
        grad=(0,),
        oracle=lambda x, crops: np.asarray(x)[:, 1:3, :3],
    ),
    Case("linalg.tensor_diag", array(2, 3), grad=(0,)),
    Case("linalg.tensor_diag_part", array(2, 3, 2, 3), grad=(0,)),
    Case("reverse_sequence", array(3, 4, 2, then=(np.array([2, 4, 0]),)), kwargs={"seq_axis": 1}, grad=(0,)),
    Case("bitcast", array(2, 3, then=("int32",)), id="same"),
    Case("bitcast", array(2, 3, then=("uint8",)), id="narrow"),
    Case("unravel_index", given(np.array([5, 0, 11], np.int32), [3, 4])),
]

STRINGS = [
    Case("strings.join", given([["a", "b"], ["c", "d"]]), kwargs={"separator": "-"}, xla=False),
    Case("strings.upper", given(np.array(WORDS)), xla=False),
    Case("strings.lower", given(np.array(WORDS)), xla=False),
    Case("strings.strip", given(np.array(WORDS)), xla=False),
    Case("strings.length", given(np.array(WORDS)), xla=False),
    Case("strings.length", given(np.array(WORDS)), kwargs={"unit": "UTF8_CHAR"}, xla=False, id="characters"),
    Case("strings.substr", given(np.array(WORDS), 1, 2), xla=False),
    Case("strings.regex_full_match", given(np.array(WORDS), "[A-Z].*"), xla=False),
    Case("strings.regex_replace", given(np.array(WORDS), "[aeo]+", "_"), xla=False),
    Case("strings.to_number", given(np.array(["1.5", "-2", "3e2"])), xla=False),
    Case(
        "strings.reduce_join",
        given(np.array([WORDS, WORDS])),
        kwargs={"axis": 1, "separator": "|"},
        xla=False,
    ),
    Case(
        "strings.unsorted_segment_join",
        given(np.array(WORDS), np.array([1, 0, 1, 3])),
        kwargs={"num_segments": 4, "separator": "|"},
        xla=False,
    ),
    Case("strings.unicode_transcode", given(np.array(WORDS), "UTF-8", "UTF-16-BE"), xla=False),
    Case("strings.unicode_script", given(np.array([65, 0x416, -1], np.int32)), xla=False),
    Case("fingerprint", given(np.array([[1, 2], [3, 4]], np.int32)), xla=False),
    Case("fingerprint", given(np.array([WORDS, WORDS[::-1]])), id="strings", xla=False),
    Case("strings.as_string", given(np.array([1.5, -2.25], np.float32)), xla=False),
    Case(
        "strings.as_string",
        given(np.array([3, 11])),
        kwargs={"width": 4, "fill": "0"},
        id="ints",
        xla=False,
    ),
    Case(
        "strings.format",
        given("a {} b {}", [np.arange(9), np.float32(2.5)]),
        symbolic="its text shows the values",
        xla=False,
    ),
]

KERAS = [
    Case("ops.reshape", array(2, 6, then=((3, 4),))),
    Case("ops.transpose", array(2, 3, 4), kwargs={"axes": (0, 2, 1)}),
    Case("ops.expand_dims", array(2, 3), kwargs={"axis": 0}),
    Case("ops.squeeze", array(2, 1, 3), kwargs={"axis": 1}),
    Case("ops.concatenate", several((2, 3), (2, 1)), kwargs={"axis": 1}),
    Case("ops.append", normal((2, 3), (2,))),
    Case("ops.stack", several((2, 3), (2, 3)), kwargs={"axis": 1}),
    Case("ops.unstack", array(2, 3), kwargs={"axis": 1}),
    Case("ops.split", array(4, 6, then=([1, 4],)), kwargs={"axis": 1}),
    Case("ops.split", array(4, 6, then=(3,)), kwargs={"axis": 1}, id="number"),
    Case("ops.array_split", array(2, 7, then=(3,)), kwargs={"axis": 1}),
    Case("ops.tile", array(2, 3, then=(2,))),
    Case("ops.tile", array(3, then=([2, 2],)), id="higher"),
    Case("ops.repeat", array(2, 3, then=(2,)), kwargs={"axis": 1}),
    Case("ops.pad", array(2, 3, then=(((1, 1), (1, 1)),))),
    Case("ops.pad", array(2, 3, then=(((0, 1), (2, 0)),)), kwargs={"constant_values": 3}, id="value"),
    Case("ops.flip", array(2, 3)),
    Case("ops.roll", array(2, 3, then=(2,))),
    Case("ops.swapaxes", array(2, 3, 4, then=(0, 2))),
    Case("ops.moveaxis", array(2, 3, 4, then=([0, 1], [-1, 0]))),
    Case("ops.ravel", array(2, 3)),
    Case("ops.hstack", several((2, 3), (2, 1))),
    Case("ops.hstack", several((2,), (3,)), id="vectors"),
    Case("ops.vstack", several((2, 3), (1, 3))),
    Case("ops.dstack", several((2, 3), (2, 3))),
    Case("ops.hsplit", array(2, 4, then=(2,))),
    Case("ops.vsplit", array(4, 2, then=(2,))),
    Case("ops.rot90", array(2, 3)),
    Case("ops.rot90", array(2, 3, 4), kwargs={"k": 3, "axes": (0, 2)}, id="back"),
    Case("ops.zeros", given((2, 3))),
    Case("ops.full", given((2, 3), 4.0)),
    Case("ops.full_like", array(2, 3, then=(4,))),
    Case("ops.arange", given(2, 9, 3)),
    Case("ops.linspace", given(0.0, 1.0), kwargs={"num": 5, "endpoint": False}),
    Case("ops.logspace", given(0.0, 2.0), kwargs={"num": 3}),
    Case("ops.eye", given(3), kwargs={"k": 1}),
    Case("ops.tri", given(3, 4), kwargs={"k": 1}),
    Case("ops.one_hot", given(np.array([0, 2]), 3)),
    Case("ops.multi_hot", given(np.array([[0, 2], [1, 1]])), kwargs={"num_classes": 3}),
    Case("ops.where", lambda rng: (rng.random((3, 1)) > 0.5, *normal((3, 4), (4,))(rng))),
    Case("ops.nonzero", given(np.array([[0, 3], [1, 0]])), xla=False, check_dtype=False),
    Case(
        "ops.select",
        lambda rng: (
            [np.array([True, False, False]), np.array([True, True, False])],
            list(normal((3,), (3,))(rng)),
            7.0,
        ),
    ),
    Case("ops.take", lambda rng: (*array(5, 3)(rng), np.array([0, -1, 2])), kwargs={"axis": 0}),
    Case("ops.take_along_axis", with_indices((2, 5), 2, 3, below=5), kwargs={"axis": 1}),
    Case("ops.scatter", given(np.array([[1], [3]]), np.array([1.0, 2], np.float32), (5,))),
    Case(
        "ops.scatter_update", lambda rng: (*array(4, 3)(rng), np.array([[1, 0], [3, 1]]), np.float32([1, 2]))
    ),
    Case("ops.slice", array(4, 5, then=(np.array([1, 2]), (2, 3)))),
    Case(
        "ops.slice_update",
        lambda rng: (*array(4, 5)(rng), np.array([1, 2]), *array(2, 3)(rng)),
    ),
    Case("ops.sort", distinct(3, 4)),
    Case("ops.argsort", distinct(3, 4)),
    Case("ops.searchsorted", given(np.array([1.0, 3, 5]), np.array([0.0, 3, 4, 9]))),
    Case("ops.digitize", given(np.float32([0.2, 6.4, 3.0]), np.float32([0.0, 1.0, 3.0, 4.0]))),
    Case("ops.isin", given(np.array([[1, 2], [3, 4]]), np.array([2, 4]))),
    Case("ops.isin", given(np.array([1, 2]), np.array([2])), kwargs={"invert": True}, id="not"),
    Case("ops.unravel_index", given(np.array([5, 0, 11]), (3, 4))),
    Case("ops.space_to_depth", array(2, 4, 6, 3, then=(2,))),
    Case("ops.depth_to_space", array(2, 8, 2, 3, then=(2,)), kwargs={"data_format": "channels_first"}),
    Case("ops.get_item", array(2, 3, then=(1,))),
    Case("ops.size", array(2, 3), check_dtype=False),
]

BACKEND = [
    Case("K.reshape", array(2, 6, then=((3, 4),))),
    Case("K.expand_dims", array(2, 3)),
    Case("K.squeeze", array(2, 1, 3, then=(1,))),
    Case("K.permute_dimensions", array(2, 3, 4, then=((0, 2, 1),))),
    Case("K.transpose", array(2, 3)),
    Case("K.repeat", array(2, 3, then=(4,))),
    Case("K.repeat_elements", array(2, 3, then=(2, 1))),
    Case("K.concatenate", several((2, 3), (2, 1))),
    Case("K.stack", several((2, 3), (2, 3))),
    Case("K.tile", array(2, 3, then=([1, 2],))),
    Case("K.flatten", array(2, 3)),
    Case("K.batch_flatten", array(2, 3, 4)),
    Case("K.zeros_like", array(2, 3)),
    Case("K.ones_like", array(2, 3)),
    Case("K.arange", given(5)),
    Case("K.arange", given(2, 9, 3), id="steps"),
    Case("K.gather", with_indices((5, 3), 4, below=5)),
    Case("K.one_hot", given(np.array([0, 2]), 3)),
    Case("K.reverse", array(2, 3, then=(1,))),
    Case("K.shape", array(2, 3)),
    Case("K.constant", given([1, 2])),
    Case("K.cast_to_floatx", array(2, 3, dtype=np.int32)),
    Case("K.temporal_padding", array(2, 3, 4)),
    Case("K.spatial_2d_padding", array(2, 3, 4, 5), kwargs={"data_format": "channels_last"}),
    Case("K.spatial_3d_padding", array(2, 3, 4, 2, 5), kwargs={"data_format": "channels_first"}),
]

CASES = [
    *(*SHAPES, *JOINING, *CREATION, *INDEXING),
    *(*GATHERING, *SORTING, *BLOCKS, *STRINGS, *KERAS, *BACKEND),
]
