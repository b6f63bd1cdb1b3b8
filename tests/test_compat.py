"""`import tensorflow`, `import keras` and `import tf_keras` under the aliases: the same objects, in every form."""

import importlib
import importlib.metadata
import importlib.util
import pickle
import sys
import types
import typing

import numpy as np
import pytest

import dovetail
from dovetail import compat
from dovetail.base.settings import settings
from dovetail.compat import aliases, callers, missing, names, private_paths, views

ROOTS = ("tensorflow", "keras", "tf_keras")


@pytest.fixture
def aliased():
    """Install the aliases for one test; what the real packages had loaded before comes back afterwards."""
    own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ROOTS}
    for name in own:
        del sys.modules[name]
    before = settings.keras
    compat.install()
    yield
    compat.uninstall()
    settings.keras = before  # `import tf_keras` says that the program is written for Keras 2
    sys.modules.update(own)


def run(source, **given):
    """Run a few lines as a program would run them and return its names. Import statements need real lines."""
    namespace = {"__name__": "program", **given}
    exec(compile(source, "<program>", "exec"), namespace)  # noqa: S102 - import statements are what is tested
    return namespace


# One row a form: the statement, the name it binds, where the same object is in Dovetail.
FORMS = [
    ("import tensorflow as tf", "tf.keras", "keras"),
    ("import tensorflow as tf", "tf.nn.relu", "nn.relu"),
    ("import tensorflow as tf", "tf.Variable", "Variable"),
    ("import tensorflow", "tensorflow.reduce_sum", "reduce_sum"),
    ("import tensorflow.keras", "tensorflow.keras.layers.Dense", "keras.layers.Dense"),
    ("import tensorflow.keras as k", "k", "keras"),
    ("import tensorflow.keras.backend as K", "K", "keras.backend"),
    ("from tensorflow import keras", "keras", "keras"),
    ("from tensorflow.keras import backend as K", "K", "keras.backend"),
    ("from tensorflow.keras import layers, models", "layers", "keras.layers"),
    ("from tensorflow.keras.layers import Dense, Layer", "Layer", "keras.layers.Layer"),
    ("from tensorflow.keras.models import Sequential", "Sequential", "keras.models.Sequential"),
    ("from tensorflow.keras.mixed_precision import set_global_policy as s", "s",
     "keras.mixed_precision.set_global_policy"),
    ("from tensorflow.keras.utils import to_categorical", "to_categorical", "keras.utils.to_categorical"),
    ("from tensorflow import nn, Variable as V", "V", "Variable"),
    ("from tensorflow.nn import softmax", "softmax", "nn.softmax"),
    ("from tensorflow.math import log", "log", "math.log"),
    ("import tensorflow.math as m", "m.log", "math.log"),
    ("import keras", "keras", "keras"),
    ("import keras.layers as L", "L", "keras.layers"),
    ("from keras.layers import Dense", "Dense", "keras.layers.Dense"),
    ("from keras import backend as K", "K", "keras.backend"),
    ("from keras.api.layers import Dense", "Dense", "keras.layers.Dense"),
    ("from keras.src.layers import Dense", "Dense", "keras.layers.Dense"),
    ("from keras.src.layers.core.dense import Dense", "Dense", "keras.layers.Dense"),
    ("from keras.layers.core import Dense", "Dense", "keras.layers.Dense"),
    ("from keras.engine.base_layer import Layer", "Layer", "keras.layers.Layer"),
    ("from keras.utils.np_utils import to_categorical", "to_categorical", "keras.utils.to_categorical"),
    ("import tf_keras", "tf_keras", "keras"),
    ("from tf_keras.layers import Dense", "Dense", "keras.layers.Dense"),
    ("from tensorflow.python.ops import math_ops", "math_ops.reduce_sum", "reduce_sum"),
    ("from tensorflow.python.ops import math_ops, array_ops", "array_ops.concat", "concat"),
    ("from tensorflow.python.ops import math_ops", "math_ops.reduce_sum_v2", "reduce_sum"),
    ("from tensorflow.python.ops import nn_ops", "nn_ops.relu", "nn.relu"),
    ("from tensorflow.python.ops import gen_math_ops", "gen_math_ops.exp", "math.exp"),
    ("import tensorflow.python.ops.nn_ops as nn_ops", "nn_ops.softmax", "nn.softmax"),
    ("from tensorflow.python.framework import ops", "ops.convert_to_tensor", "convert_to_tensor"),
    ("from tensorflow.python.framework.tensor_shape import TensorShape", "TensorShape", "TensorShape"),
    ("from tensorflow.python.framework import dtypes", "dtypes.float32", "float32"),
    ("from tensorflow.python.util import nest", "nest.flatten", "nest.flatten"),
    ("from tensorflow.python.keras.layers import Dense", "Dense", "keras.layers.Dense"),
    ("from tensorflow.python.keras.engine.base_layer import Layer", "Layer", "keras.layers.Layer"),
    ("from tensorflow.python.keras import backend as K", "K", "keras.backend"),
    ("import tensorflow.compat.v2 as tf", "tf.reduce_sum", "reduce_sum"),
    ("from tensorflow.compat.v2.keras.layers import Dense", "Dense", "keras.layers.Dense"),
    ("import tensorflow.compat.v1 as tf", "tf.matmul", "matmul"),
    ("import tensorflow.compat.v1 as tf", "tf.log", "math.log"),
    ("import tensorflow.compat.v1 as tf", "tf.keras", "keras"),
    ("import tensorflow as tf", "tf.compat.v1.random_uniform", "random.uniform"),
    ("import tensorflow.compat.v1 as tf", "tf.train.Example", "train.Example"),
    ("import tensorflow.compat.v1 as tf", "tf.python_io.TFRecordWriter", "io.TFRecordWriter"),
    ("import tensorflow.compat.v1 as tf", "tf.io.VarLenFeature", "io.VarLenFeature"),
    ("from tensorflow.core.example import example_pb2", "example_pb2.Example", "train.Example"),
    ("import tensorflow.core.example.feature_pb2 as pb", "pb.Feature", "train.Feature"),
    ("import tensorflow as tf", "tf.compat.v2.keras", "keras"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expression", "path"), FORMS)
def test_every_form_of_import_gives_the_same_object(aliased, statement, expression, path):
    expected = dovetail
    for part in path.split("."):
        expected = getattr(expected, part)
    assert eval(expression, run(statement)) is expected


def test_star_imports(aliased):
    assert run("from tensorflow.keras.layers import *")["Dense"] is dovetail.keras.layers.Dense
    assert run("from tensorflow import *")["reduce_sum"] is dovetail.reduce_sum


def test_modules_stay_what_they_were(aliased):
    before = dovetail.keras.layers.__spec__
    layers = importlib.import_module("tensorflow.keras.layers")
    assert layers is sys.modules["dovetail.keras.layers"] is sys.modules["tensorflow.keras.layers"]
    assert layers.__spec__ is before
    assert layers.__name__ == "dovetail.keras.layers"
    assert pickle.loads(pickle.dumps(layers.Dense)) is dovetail.keras.layers.Dense


def test_versions_look_like_tensorflow(aliased):
    tf = importlib.import_module("tensorflow")
    assert tf.__version__ == tf.version.VERSION == tf.compat.v1.__version__ == "2.21.0"
    assert tuple(map(int, tf.__version__.split("."))) >= (2, 0, 0)
    assert importlib.metadata.version("tensorflow") == "2.21.0"
    assert importlib.metadata.version("keras") == tf.keras.__version__
    assert importlib.metadata.version("tf_keras") == importlib.metadata.version("tf-keras") == "2.21.0"
    assert importlib.metadata.version("numpy") == np.__version__


def test_specs_are_found(aliased):
    assert importlib.util.find_spec("tensorflow") is not None
    assert importlib.util.find_spec("tensorflow.keras.layers") is not None
    assert importlib.util.find_spec("keras") is not None
    assert importlib.util.find_spec("tensorflow.no_such_module") is None


def test_missing_names_are_not_there(aliased):
    tf = importlib.import_module("tensorflow")
    for module in (tf, tf.nn, tf.keras, tf.keras.layers, tf.compat.v1):
        assert not hasattr(module, "no_such_name")
        assert not hasattr(module, "__no_such_name__")
    assert not hasattr(tf, "contrib")
    assert not hasattr(tf, "engine")
    with pytest.raises(
        AttributeError, match=r"tf\.nn\.softmaxx is not available in Dovetail yet.*tf\.nn\.softmax"
    ):
        _ = tf.nn.softmaxx
    with pytest.raises(
        AttributeError, match=r"tf\.redcue_sum .*Nearest: tf\.reduce_sum\. See docs/coverage\.md"
    ):
        _ = tf.redcue_sum
    with pytest.raises(AttributeError, match=r"keras\.layers\.Dens .*Nearest: keras\.layers\.Dense"):
        _ = tf.keras.layers.Dens
    with pytest.raises(AttributeError, match=r"tf\.compat\.v1\.InteractiveSesion is not available"):
        _ = tf.compat.v1.InteractiveSesion
    with pytest.raises(ModuleNotFoundError, match=r"keras\.layrs .*Nearest: keras\.layers"):
        importlib.import_module("tensorflow.keras.layrs")


@pytest.mark.parametrize("name", ["lite", "tpu"])
def test_a_missing_namespace_is_not_taken_for_a_function(aliased, name):
    tf = importlib.import_module("tensorflow")
    with pytest.raises(AttributeError, match=rf"tf\.{name} is not available in Dovetail yet\. See docs"):
        getattr(tf, name)


def test_names_of_tensorflow_1_point_to_what_does_their_work(aliased):
    tf = importlib.import_module("tensorflow")
    for name, instead in (("assign", r"variable\.assign"), ("random_normal", r"tf\.random\.normal")):
        with pytest.raises(AttributeError, match=rf"tf\.{name} is not available.*: {instead}\."):
            getattr(tf, name)


IMPORTS_OF_THE_MISSING = [
    ("from tensorflow import NoSuchName as x", "tf.NoSuchName"),
    ("from tensorflow.nn import NoSuchName as x", "tf.nn.NoSuchName"),
    ("from tensorflow.keras.layers import Dense, NoSuchName as x", "keras.layers.NoSuchName"),
    ("from keras.layers import NoSuchName as x", "keras.layers.NoSuchName"),
    ("from tensorflow.no_such_module import NoSuchName as x", "tf.no_such_module.NoSuchName"),
    ("from tensorflow.nn.no_such_module import NoSuchName as x", "tf.nn.no_such_module.NoSuchName"),
    ("from tensorflow.keras.no_such.module import NoSuchName as x", "keras.no_such.module.NoSuchName"),
    ("from tensorflow.python.ops.math_ops import NoSuchName as x", "tf.python.ops.math_ops.NoSuchName"),
    ("from tensorflow.python.no_such.module import NoSuchName as x", "tf.python.no_such.module.NoSuchName"),
    ("from keras.src.no_such.module import NoSuchName as x", "keras.src.no_such.module.NoSuchName"),
    ("from tensorflow.compat.v1 import NoSuchName as x", "tf.compat.v1.NoSuchName"),
]


@pytest.mark.parametrize(("statement", "full_name"), IMPORTS_OF_THE_MISSING)
def test_importing_what_is_missing_gives_a_placeholder(aliased, statement, full_name):
    program = run(statement)
    placeholder = program["x"]
    expected = f"{full_name.replace('.', '[.]')} is not available in Dovetail"
    with pytest.raises(NotImplementedError, match=expected):
        placeholder(1)
    with pytest.raises(NotImplementedError, match=expected):
        type("Child", *[()], {}) and types.new_class("Child", types.resolve_bases((placeholder,)))
    with pytest.raises(AttributeError, match=expected):
        _ = placeholder.attribute
    if "Dense" in program:
        assert program["Dense"] is dovetail.keras.layers.Dense
    assert not hasattr(dovetail.keras.layers, "NoSuchName")


@pytest.mark.parametrize(
    ("statement", "full_name"),
    [
        ("import tensorflow.contrib.slim as x", "tf.contrib.slim"),
        ("import tensorflow.no_such_module as x", "tf.no_such_module"),
        ("import tensorflow.nn.no_such_module as x", "tf.nn.no_such_module"),
        ("import tensorflow.keras.no_such.module as x", "keras.no_such.module"),
        ("import keras.no_such_module as x", "keras.no_such_module"),
    ],
)
def test_importing_a_missing_module_gives_an_empty_one(aliased, statement, full_name):
    with pytest.raises(AttributeError, match=full_name.replace(".", "[.]") + "[.]f is not available"):
        _ = run(statement)["x"].f
    tf = importlib.import_module("tensorflow")
    assert not hasattr(tf, "contrib")
    assert not hasattr(tf, "no_such_module")


def test_a_placeholder_may_be_carried_around(aliased):
    placeholder = run("from tensorflow.keras.layers import NoSuchLayer")["NoSuchLayer"]
    assert not isinstance(3, placeholder)
    assert not isinstance(3, (str, placeholder))
    assert isinstance(3, (placeholder, int))
    assert {placeholder: 1}[placeholder] == 1
    assert typing.Optional[placeholder] is not None  # noqa: UP045 - programs write it like this
    assert (placeholder | None) is not None
    assert not hasattr(placeholder, "from_config")
    assert "NoSuchLayer" in repr(placeholder)
    for use in (bool, iter, len, float, lambda x: x + 1, lambda x: x[0], np.asarray):
        with pytest.raises(NotImplementedError, match="NoSuchLayer"):
            use(placeholder)


GUARDED = """
try:
    from tensorflow.keras.layers import NoSuchLayer
except ImportError as error:
    message = str(error)
try:
    import tensorflow.contrib.eager as eager
except (ModuleNotFoundError, ValueError):
    eager = None
import contextlib
layer = None
with contextlib.suppress(ImportError):
    from tensorflow.keras.layers import OtherLayer as layer
try:
    from tensorflow.keras.layers import ThirdLayer
except ValueError:
    raise
try:
    from keras.src.utils.nowhere import to_categorical
except ImportError:
    to_categorical = None
"""


def test_a_program_with_a_fallback_gets_the_import_error(aliased, tmp_path, monkeypatch):
    (tmp_path / "guarded_program.py").write_text(GUARDED)
    monkeypatch.syspath_prepend(str(tmp_path))
    program = importlib.import_module("guarded_program")
    assert "keras.layers.NoSuchLayer is not available in Dovetail yet" in program.message
    assert program.eager is None
    assert program.layer is None
    assert isinstance(program.ThirdLayer, missing.Placeholder)
    assert program.to_categorical is dovetail.keras.utils.to_categorical


def test_guarded_lines():
    guarded = callers._guarded_lines("try:\n  import a\n  import b\nexcept:\n  import c\nelse:\n  import d\n")
    assert guarded == {2, 3}
    assert callers._guarded_lines("%matplotlib inline\nimport a") == frozenset()


def test_version_1_names(aliased):
    tf1 = importlib.import_module("tensorflow.compat.v1")
    tf1.enable_v2_behavior()
    tf1.enable_eager_execution()
    tf1.logging.set_verbosity(tf1.logging.ERROR)
    assert tf1.to_float(dovetail.constant([1, 2])).dtype == dovetail.float32
    assert tf1.executing_eagerly_outside_functions()
    assert tf1.get_variable is not None and "get_variable" in dir(tf1)
    assert not hasattr(tf1, "no_such_name")


def test_version_1_reads_records(aliased, tmp_path):
    tf1 = importlib.import_module("tensorflow.compat.v1")
    path = str(tmp_path / "r")
    options = tf1.python_io.TFRecordOptions(tf1.io.TFRecordCompressionType.GZIP)
    with tf1.python_io.TFRecordWriter(path, options) as writer:
        writer.write(b"one")
    assert list(tf1.io.tf_record_iterator(path, options)) == [b"one"]
    assert callable(tf1.train.summary_iterator)


def test_string_helpers():
    assert compat.as_bytes("ab") == compat.as_bytes(b"ab") == b"ab"
    assert compat.as_text(b"ab") == compat.as_str("ab") == compat.as_str_any(b"ab") == "ab"
    assert compat.as_str_any(3) == "3"
    assert compat.dimension_value(3) == 3
    assert compat.dimension_value(None) is None
    with pytest.raises(TypeError, match="expected str or bytes, received 3"):
        compat.as_bytes(3)


def test_private_helpers(aliased):
    names_of = run(
        "from tensorflow.python.client import device_lib\n"
        "from tensorflow.python.util.tf_export import keras_export\n"
        "from tensorflow.python.framework.smart_cond import smart_cond\n"
        "from tensorflow.python.framework.ops import EagerTensor\n"
        "from tensorflow.python.util.nest import is_sequence\n"
        "from tensorflow.python.platform import tf_logging as logging\n"
    )
    assert len(names_of["device_lib"].list_local_devices()) >= 1
    assert names_of["keras_export"]("keras.layers.Mine")(int) is int
    assert names_of["smart_cond"](True, lambda: 1, lambda: 2) == 1
    assert isinstance(dovetail.constant(1), names_of["EagerTensor"])
    assert names_of["is_sequence"]([1])
    assert callable(names_of["logging"].warning)


def test_private_modules_of_optimizers(aliased):
    names_of = run(
        """
from tensorflow.python.framework import ops
from tensorflow.python.ops import resource_variable_ops, state_ops, variable_scope
from tensorflow.python.training import adam, optimizer, training_ops
import tensorflow as tf

class Mine(optimizer.Optimizer):
    def _create_slots(self, var_list):
        for var in var_list:
            self._zeros_slot(var, "m", self._name)

    def _resource_apply_dense(self, grad, var):
        m = self.get_slot(var, "m")
        return training_ops.resource_apply_momentum(var.handle, m.handle, 0.1, grad, 0.5, use_locking=self._use_locking)

    def _resource_apply_sparse(self, grad, var, indices):
        return resource_variable_ops.resource_scatter_add(var.handle, indices, -grad)

with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
    v = variable_scope.get_variable("v", initializer=tf.ones([2, 2]))
    same_graph = ops.get_default_graph() is graph
    minimize = Mine(False, "mine").minimize
    dense, rows = minimize(tf.reduce_sum(v)), minimize(tf.reduce_sum(tf.gather(v, [1, 1])))
    doubled = state_ops.assign(v, 2.0 * v)
    given = training_ops.apply_gradient_descent(v, 1.0, tf.ones([2, 2]))
    session.run(tf.compat.v1.global_variables_initializer())
    session.run(dense)
    session.run(dense)
    found = [session.run(v).tolist()]
    session.run(rows)
    found += [session.run(v).tolist(), session.run(doubled).tolist(), session.run(given).tolist()]
"""
    )
    assert names_of["same_graph"] and issubclass(
        names_of["adam"].AdamOptimizer, names_of["optimizer"].Optimizer
    )
    kept = names_of["found"]
    for values, expected in zip(kept, ([0.75, 0.75], [0.75, -1.25], [1.5, -2.5], [0.5, -3.5]), strict=True):
        assert [round(row[0], 5) for row in values] == expected


def test_uninstall_undoes_everything():
    own = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ROOTS}
    for name in own:
        del sys.modules[name]
    plain_import, finders = __import__, list(sys.meta_path)
    names_before = set(vars(dovetail.keras)), set(vars(dovetail.nn))
    compat.install()
    compat.install()
    assert compat.installed()
    run(
        "import tensorflow.keras.nope, keras.src.nope; from keras.layers.core import Dense; import tensorflow.nn.nope"
    )
    compat.uninstall()
    compat.uninstall()
    assert not compat.installed()
    assert (
        __builtins__["__import__"] if isinstance(__builtins__, dict) else __builtins__.__import__
    ) is plain_import
    assert sys.meta_path == finders
    assert (set(vars(dovetail.keras)), set(vars(dovetail.nn))) == names_before
    left = [name for name, module in sys.modules.items() if isinstance(module, views.View)]
    assert left == []
    sys.modules.update(own)


def test_install_after_tensorflow_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    with pytest.raises(RuntimeError, match="tensorflow.* was imported before"):
        compat.install()
    assert not compat.installed()


def test_nearest_prefers_the_same_name_then_the_same_namespace():
    assert names.nearest("tf.nn.reduce_sum") == "tf.reduce_sum"
    assert names.nearest("keras.layers.DenseV2") == "keras.layers.Dense"
    assert names.nearest("keras.layers.Conv2d") == "keras.layers.Conv2D"
    assert (
        names.nearest("keras.optimizers.Adm") == "keras.optimizers.Adam"
    )  # tf.optimizers is the same module
    assert names.nearest("keras.losses.Hubber") == "keras.losses.Huber"
    assert names.nearest("tf.zzzzzzzzzzzz") == ""


def test_tables_of_private_modules_are_consistent():
    assert {name for name in private_paths.OLD_KERAS if name.startswith(".")} == set()
    for namespaces in private_paths.MODULES.values():
        assert set(namespaces) <= {*private_paths.EVERYWHERE, "io.gfile", "test", "autodiff", "keras.initializers",
                                   "keras.optimizers"}  # fmt: skip
    with pytest.raises(ValueError, match="expected a name below"):
        aliases.resolve("numpy")
