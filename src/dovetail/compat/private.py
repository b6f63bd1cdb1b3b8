"""TensorFlow's and Keras' private module paths, which programs import from all the same.

`tensorflow.python.ops.math_ops`, `keras.src.layers.core.dense` and the like become views that look their names up in
the public namespaces.  The tables say which paths count as modules and where each one looks first.
"""

from __future__ import annotations

import importlib
import inspect
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

from dovetail.compat.names import namespace
from dovetail.compat.views import View

# Where a private module looks for its names, after the namespaces of its own row.
EVERYWHERE = (
    "", "math", "nn", "linalg", "random", "image", "strings", "io", "sparse", "ragged", "signal", "bitwise", "dtypes",
    "train", "data", "data.experimental", "config", "distribute", "errors", "lookup", "nest", "debugging", "summary",
    "experimental", "autograph", "sets", "audio", "saved_model", "raw_ops",
)  # fmt: skip
KERAS_EVERYWHERE = tuple(
    ["keras"]
    + [
        f"keras.{part}"
        for part in (
            "layers", "models", "losses", "metrics", "optimizers", "optimizers.schedules", "callbacks", "initializers",
            "regularizers", "constraints", "activations", "utils", "backend", "ops", "random", "mixed_precision",
            "saving", "config", "datasets", "preprocessing", "preprocessing.image", "preprocessing.sequence",
            "preprocessing.text", "quantizers", "distribution", "applications", "experimental", "tree",
        )
    ]
)  # fmt: skip

# Folders of tensorflow/python.
FOLDERS = frozenset(
    "autograph checkpoint client data data.experimental data.experimental.ops data.ops data.util debug distribute eager "
    "eager.polymorphic_function feature_column framework grappler layers lib lib.io module ops ops.linalg "
    "ops.losses ops.numpy_ops ops.parallel_for ops.ragged ops.signal ops.structured platform profiler saved_model "
    "summary tools tpu trackable training training.experimental training.tracking types util".split()
)

# Modules of tensorflow/python: last part of the path -> the namespaces it looks in first. Names that end in `_ops`
# need no row: they look everywhere.
MODULES: dict[str, tuple[str, ...]] = {
    "nest": ("nest",),
    "nn": ("nn",), "nn_impl": ("nn",), "nn_ops": ("nn",), "gen_nn_ops": ("nn",), "embedding_ops": ("nn",),
    "ctc_ops": ("nn",), "candidate_sampling_ops": ("nn",), "rnn": ("nn",),
    "math_ops": ("", "math"), "gen_math_ops": ("math", ""), "special_math_ops": ("", "math"),
    "linalg_ops": ("linalg",), "gen_linalg_ops": ("linalg",), "linalg_impl": ("linalg",),
    "random_ops": ("random",), "stateless_random_ops": ("random",), "stateful_random_ops": ("random",),
    "random_seed": ("random",), "gen_random_ops": ("random",),
    "image_ops": ("image",), "image_ops_impl": ("image",), "gen_image_ops": ("image",),
    "string_ops": ("strings",), "gen_string_ops": ("strings",), "io_ops": ("io",), "parsing_ops": ("io",),
    "sparse_ops": ("sparse",), "ragged_factory_ops": ("ragged",), "gen_sparse_ops": ("sparse",),
    "signal": ("signal",), "fft_ops": ("signal",), "lookup_ops": ("lookup",), "check_ops": ("debugging",),
    "init_ops": ("", "keras.initializers"), "init_ops_v2": ("", "keras.initializers"), "summary_ops_v2": ("summary",),
    "errors": ("errors",), "errors_impl": ("errors",), "dtypes": ("", "dtypes"), "config": ("config",),
    "gfile": ("io.gfile",), "file_io": ("io.gfile",), "tf_record": ("io",), "test": ("test",), "saved_model": ("saved_model",),
    "dataset_ops": ("data",), "readers": ("data",), "iterator_ops": ("data",), "options": ("data",),
    "checkpoint": ("train",), "checkpoint_management": ("train",), "checkpoint_utils": ("train",), "saver": ("train",),
    "adam": ("keras.optimizers",), "moving_averages": ("train",), "distribution_strategy_context": ("distribute",),
    "distribute_lib": ("distribute",), "values": ("distribute",), "mirrored_strategy": ("distribute",),
    "load": ("saved_model",), "save": ("saved_model",), "loader": ("saved_model",), "api": ("autograph",),
    "control_flow_assert": ("debugging", ""), "control_flow_util": (), "control_flow_case": (), "cond": (),
    "backprop": (), "context": (), "def_function": (), "function": (), "forwardprop": ("autodiff",), "tape": (),
    "constant_op": (), "custom_gradient": (), "composite_tensor": (), "indexed_slices": (), "ops": (), "map_fn": (),
    "smart_cond": (), "sparse_tensor": (), "tensor": (), "tensor_conversion": (), "tensor_shape": (), "tensor_spec": (),
    "tensor_util": (), "type_spec": (), "variables": (), "variable_scope": (), "while_loop": (), "ragged_tensor": (),
    "autotrackable": (), "base": (), "data_structures": (), "autograph": ("autograph",), "monitoring": (), "tf2": (),
    "device_lib": (), "deprecation": (), "tf_decorator": (), "tf_export": (), "tf_inspect": (), "tf_logging": (),
    "tag_constants": (), "signature_constants": (), "compat": (), "np_config": (), "module": (), "versions": (),
    "core": (), "polymorphic_function": (), "gradients_impl": (), "gradients": (), "device": (), "tf_contextlib": (),
    "custom_object_scope": (), "tpu_function": (), "random_seed_lib": ("random",),
}  # fmt: skip

# Module paths of Keras before it had `keras.src`, below `keras.`.
OLD_KERAS = frozenset(
    "engine engine.base_layer engine.topology engine.training engine.network engine.input_layer engine.input_spec "
    "engine.keras_tensor engine.sequential engine.functional engine.data_adapter engine.saving "
    "layers.core layers.convolutional layers.pooling layers.merge layers.merging layers.normalization "
    "layers.normalization.batch_normalization layers.normalization.layer_normalization layers.recurrent layers.rnn "
    "layers.embeddings layers.advanced_activations layers.wrappers layers.noise layers.local layers.attention "
    "layers.convolutional_recurrent layers.experimental layers.experimental.preprocessing layers.preprocessing "
    "layers.cudnn_recurrent utils.np_utils utils.generic_utils utils.vis_utils utils.data_utils utils.layer_utils "
    "utils.tf_utils utils.conv_utils utils.io_utils utils.losses_utils utils.metrics_utils utils.training_utils "
    "utils.control_flow_util utils.multi_gpu_utils saving.hdf5_format saving.legacy saving.saved_model "
    "saving.serialization_lib saving.object_registration optimizers.optimizer_v2 optimizers.optimizer_experimental "
    "optimizers.legacy optimizers.adam optimizers.optimizer "
    "optimizers.schedules.learning_rate_schedule mixed_precision.policy mixed_precision.loss_scale_optimizer "
    "mixed_precision.experimental backend_config backend.common backend.tensorflow_backend "
    "initializers.initializers_v2 testing_utils".split()
)


def tensorflow_private(path: str) -> ModuleType | None:
    """Returns the view for `tensorflow.python.<path>`, or None when no such module is known."""
    name = f"tensorflow.python.{path}".rstrip(".")
    leaf = path.rpartition(".")[2]
    folder = path.rpartition(".")[0]
    if not path or path in FOLDERS:
        return View(name, EVERYWHERE, own=_own(path), versions=True)
    known = leaf in MODULES or leaf.endswith("_ops")
    if not known or (folder and folder not in FOLDERS):
        return None
    return View(name, (*MODULES.get(leaf, ()), *EVERYWHERE), own=_own(path), versions=True)


def keras_private(path: str, name: str) -> ModuleType | None:
    """Returns the view for `keras.<path>` where that is a module of Keras' source tree, or None."""
    if path in OLD_KERAS:
        return keras_search(path, name)
    return None


def keras_search(path: str, name: str) -> View:
    """Returns a view that looks first in the namespace the path begins with, then in all of Keras."""
    first = f"keras.{path.partition('.')[0]}"
    return View(name, (first, *KERAS_EVERYWHERE), versions=True)


def _own(path: str) -> dict[str, Any]:
    return OWN[path]() if path in OWN else {}


def _identity_decorator(*args: Any, **kwargs: Any) -> Callable:
    """Takes any arguments and returns a decorator that changes nothing."""
    return lambda target: target


def _list_local_devices(session_config: Any = None) -> list[Any]:
    config = namespace("config")
    if config is None:
        raise NotImplementedError("device_lib.list_local_devices needs tf.config, which is not there.")
    return config.list_physical_devices()


def _make_decorator(target: Callable, decorator_func: Callable, *args: Any, **kwargs: Any) -> Callable:
    return decorator_func


def _smart_cond(pred: Any, true_fn: Callable, false_fn: Callable, name: str | None = None) -> Any:
    if isinstance(pred, bool):
        return true_fn() if pred else false_fn()
    return namespace("").cond(pred, true_fn, false_fn)  # type: ignore[union-attr]


def _nest() -> dict[str, Any]:
    nest = namespace("nest")
    found = {"is_sequence": nest.is_nested, "is_nested_or_composite": nest.is_nested} if nest is not None else {}
    return found


def _inspect() -> dict[str, Any]:
    names = ("getfullargspec", "getcallargs", "getmro", "isclass", "isfunction", "ismethod", "signature", "getsource")
    return {name: getattr(inspect, name) for name in names}


def _logging() -> dict[str, Any]:
    logger = logging.getLogger("tensorflow")
    names = ("debug", "info", "warning", "error", "fatal", "log")
    levels = {level: getattr(logging, level) for level in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")}
    return {
        **{name: getattr(logger, name) for name in names},
        **levels,
        "warn": logger.warning,
        "set_verbosity": logger.setLevel,
        "get_verbosity": logger.getEffectiveLevel,
        "get_logger": lambda: logger,
    }


def _compat() -> dict[str, Any]:
    strings = importlib.import_module("dovetail.compat.strings")
    return {name: getattr(strings, name) for name in strings.__all__}


def _tensor_type() -> dict[str, Any]:
    return {"EagerTensor": namespace("").Tensor}  # type: ignore[union-attr]


# What private modules offer that has no public name: path below tensorflow.python -> a function that gives the names.
OWN: dict[str, Callable[[], dict[str, Any]]] = {
    "client.device_lib": lambda: {"list_local_devices": _list_local_devices},
    "framework.ops": _tensor_type,
    "framework.smart_cond": lambda: {"smart_cond": _smart_cond},
    "platform.tf_logging": _logging,
    "saved_model.signature_constants": lambda: {"DEFAULT_SERVING_SIGNATURE_DEF_KEY": "serving_default"},
    "saved_model.tag_constants": lambda: {"SERVING": "serve", "TRAINING": "train", "GPU": "gpu", "TPU": "tpu"},
    "tf2": lambda: {"enabled": lambda: True, "enable": lambda: None},
    "util.compat": _compat,
    "util.deprecation": lambda: {"deprecated": _identity_decorator, "deprecated_args": _identity_decorator},
    "util.nest": _nest,
    "util.tf_decorator": lambda: {"make_decorator": _make_decorator},
    "util.tf_export": lambda: {"tf_export": _identity_decorator, "keras_export": _identity_decorator},
    "util.tf_inspect": _inspect,
}
