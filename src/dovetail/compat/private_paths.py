"""Tables of private module paths: which ones there are, and where each one finds its names."""

from __future__ import annotations

# Where a private module looks for its names, after the namespaces of its own row.
EVERYWHERE = (
    "", "math", "nn", "linalg", "random", "image", "strings", "io", "sparse", "ragged", "signal", "bitwise", "dtypes",
    "train", "data", "data.experimental", "config", "distribute", "errors", "lookup", "nest", "debugging", "summary",
    "experimental", "autograph", "sets", "audio", "saved_model", "raw_ops",
)  # fmt: skip
_KERAS_PARTS = (
    "layers models losses metrics optimizers optimizers.schedules callbacks initializers regularizers constraints "
    "activations utils backend ops random mixed_precision saving config datasets preprocessing preprocessing.image "
    "preprocessing.sequence preprocessing.text quantizers distribution applications experimental tree"
)
KERAS_EVERYWHERE = ("keras", *[f"keras.{part}" for part in _KERAS_PARTS.split()])

# Folders of tensorflow/python.
_FOLDERS = (
    "autograph checkpoint client data data.experimental data.experimental.ops data.ops data.util debug distribute "
    "eager eager.polymorphic_function feature_column framework grappler layers lib lib.io module ops ops.linalg "
    "ops.losses ops.numpy_ops ops.parallel_for ops.ragged ops.signal ops.structured platform profiler saved_model "
    "summary tools tpu trackable training training.experimental training.tracking types util"
)
FOLDERS = frozenset(_FOLDERS.split())

# Modules of TensorFlow 1's optimizers.
_TRAINING = [
    "adadelta",
    "adagrad",
    "ftrl",
    "gradient_descent",
    "momentum",
    "optimizer",
    "proximal_adagrad",
    "rmsprop",
]

# Paths whose names that stand nowhere else are in `TABLES` of `compat/first/private_names.py`.
LATE = frozenset(
    [
        *("framework.ops", "ops.resource_variable_ops", "ops.state_ops", "ops.variable_scope"),
        *("training.gen_training_ops", "training.training_ops"),
        *(f"training.{name}" for name in ["adam", *_TRAINING]),
    ]
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
    "gfile": ("io.gfile",), "file_io": ("io.gfile",), "tf_record": ("io",),
    "test": ("test",), "saved_model": ("saved_model",),
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
    **dict.fromkeys(_TRAINING, ()),
    "custom_object_scope": (), "tpu_function": (), "random_seed_lib": ("random",),
}  # fmt: skip

# Module paths of Keras before it had `keras.src`, below `keras.`.
_OLD_KERAS = (
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
    "initializers.initializers_v2 testing_utils"
)
OLD_KERAS = frozenset(_OLD_KERAS.split())

# Last parts of OLD_KERAS that name public namespaces as well.
ALSO_PUBLIC = frozenset({"experimental", "legacy", "preprocessing"})
