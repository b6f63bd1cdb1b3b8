"""Hostile configs of models and layers: rows `name -> (config, what the refusal says)`; OUTSIDE stands for a folder."""

import base64
import marshal
import pickle

OPT_IN = r"safe_mode=False.*enable_unsafe_deserialization"
UNKNOWN = r"unknown .*(register_keras_serializable|custom_objects)"
_CODE = base64.encodebytes(marshal.dumps(compile("__import__('os').system('true')", "evil", "exec"))).decode()
_TENSOR = {
    "class_name": "__keras_tensor__",
    "config": {"shape": [None, 3], "dtype": "float32", "keras_history": ["x", 0, 0]},
}


def of(class_name, module="keras.layers", registered_name=None, name="evil", **config):
    given = {"name": name, **config} if name else config
    return {"module": module, "class_name": class_name, "config": given, "registered_name": registered_name}


def function(name, module="builtins"):
    return {"module": module, "class_name": "function", "config": name, "registered_name": "function"}


def sequential(*layers):
    first = of("InputLayer", batch_shape=[None, 3], dtype="float32", name="x")
    return of("Sequential", "keras", name="m", trainable=True, layers=[first, *layers])


def functional(*nodes):
    """A model of x -> Identity, beside which further nodes stand."""
    first = of("InputLayer", batch_shape=[None, 3], dtype="float32", name="x") | {
        "name": "x",
        "inbound_nodes": [],
    }
    out = of("Identity", name="out") | {"name": "out", "inbound_nodes": [{"args": [_TENSOR], "kwargs": {}}]}
    return of(
        "Functional",
        "keras.src.models.functional",
        name="m",
        trainable=True,
        layers=[first, out, *nodes],
        input_layers=[["x", 0, 0]],
        output_layers=[["out", 0, 0]],
    )


def node(entry, *args, **kwargs):
    return entry | {"name": "evil", "inbound_nodes": [{"args": list(args), "kwargs": kwargs}]}


def op(name):
    return of("TFOpLambda", op=name, promote=False)


def public_op(name):
    return of("TFOpLambda", module=None, function=name)


def keras_op(module, class_name, **config):
    return of(class_name, f"keras.src.ops.{module}", **config)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


_LAMBDA = {"class_name": "__lambda__", "config": {"code": _CODE, "defaults": None, "closure": None}}
_PICKLE = base64.b64encode(pickle.dumps(print)).decode()
_COLUMN = {
    "class_name": "IndicatorColumn",
    "config": {
        "categorical_column": {
            "class_name": "VocabularyFileCategoricalColumn",
            "config": {
                "key": "a",
                "vocabulary_file": "OUTSIDE/secret.txt",
                "vocabulary_size": None,
                "num_oov_buckets": 0,
                "dtype": "string",
                "default_value": -1,
                "file_format": None,
            },
        }
    },
}


def _torch(module):
    entry = of("TorchModuleWrapper")
    entry["config"]["module"] = module
    return entry


# Layers: each in a Sequential model in a .keras and an .h5 file, as JSON, and by layers.deserialize.
LAYERS = {
    "lambda": (of("Lambda", function=_LAMBDA), OPT_IN),
    "lambda_keras_2": (of("Lambda", function=[_CODE, None, None], function_type="lambda"), OPT_IN),
    "lambda_output_shape": (of("Lambda", function=function("relu"), output_shape=_LAMBDA), OPT_IN),
    "lambda_mask": (of("Lambda", function=function("relu"), mask=_LAMBDA), OPT_IN),
    "lambda_says_safe_mode": (of("Lambda", function=_LAMBDA, safe_mode=False), OPT_IN),
    "lambda_of_os_system": (of("Lambda", function=function("system", "os")), UNKNOWN),
    "lambda_activation": (of("Dense", units=2, activation=_LAMBDA), OPT_IN),
    "lambda_initializer": (of("Dense", units=2, kernel_initializer=_LAMBDA), OPT_IN),
    "lambda_regularizer": (of("Dense", units=2, kernel_regularizer=_LAMBDA), OPT_IN),
    "lambda_constraint": (of("Dense", units=2, kernel_constraint=_LAMBDA), OPT_IN),
    "lambda_standardize": (of("TextVectorization", standardize=_LAMBDA), OPT_IN),
    "activation_of_os_system": (of("Dense", units=2, activation=function("system", "os")), UNKNOWN),
    "activation_enable_unsafe": (
        of("Dense", units=2, activation=function("enable_unsafe_deserialization", "keras.config")),
        UNKNOWN,
    ),
    "os_system": (of("system", "os"), UNKNOWN),
    "module_of_another_kind": (of("Dense", {"a": 1}, units=2), "should name a module"),
    "name_of_another_kind": (
        of(["Dense"], units=2),
        "should name a|unhashable|where a number or a name is expected",
    ),
    "os_system_registered_name": (of("Dense", "os", "os.system"), UNKNOWN),
    "subprocess": (of("Popen", "subprocess", args=["true"]), UNKNOWN),
    "builtins_eval": (of("eval", "builtins"), UNKNOWN),
    "builtins_exec_function": (of("Activation", activation=function("exec")), UNKNOWN),
    "functools_partial": (of("partial", "functools"), UNKNOWN),
    "pickle_loads": (of("loads", "pickle"), UNKNOWN),
    "evil_module": (of("Payload", "evil_module"), UNKNOWN),
    "evil_module_path": (of("Payload", "evil_module.inner"), UNKNOWN),
    "keras_get_file": (of("get_file", "keras.utils", origin="http://127.0.0.1:9/x"), UNKNOWN),
    "keras_get_file_inner": (
        of("get_file", "keras.src.utils.file_utils", origin="http://127.0.0.1:9/x"),
        UNKNOWN,
    ),
    "keras_load_model": (
        of("load_model", "keras.saving", filepath="OUTSIDE/secret.h5", safe_mode=False),
        UNKNOWN,
    ),
    "keras_enable_unsafe": (of("enable_unsafe_deserialization", "keras.config"), UNKNOWN),
    "keras_set_floatx": (of("set_floatx", "keras.config"), UNKNOWN),
    "keras_model_from_json": (of("model_from_json", "keras.models"), UNKNOWN),
    "keras_dataset": (of("load_data", "keras.datasets.mnist"), UNKNOWN),
    "keras_application": (of("MobileNet", "keras.applications", weights="imagenet"), UNKNOWN),
    "keras_csv_logger": (of("CSVLogger", "keras.callbacks", filename="OUTSIDE/owned.csv"), UNKNOWN),
    "dovetail_inner": (of("call", "dovetail.cli"), UNKNOWN),
    "numpy_load": (of("load", "numpy", file="OUTSIDE/secret.txt"), UNKNOWN),
    "tfsm": (of("TFSMLayer", filepath="OUTSIDE/model"), OPT_IN),
    "torch": (_torch(_PICKLE), "pickle.*never loaded.*load_weights"),
    "torch_keras_3": (
        _torch({"class_name": "__bytes__", "config": {"value": _PICKLE}}),
        "pickle.*never loaded",
    ),
    "string_vocabulary": (of("StringLookup", vocabulary="OUTSIDE/secret.txt"), OPT_IN),
    "string_vocabulary_url": (of("StringLookup", vocabulary="http://127.0.0.1:9/x"), OPT_IN),
    "integer_vocabulary": (of("IntegerLookup", vocabulary="OUTSIDE/secret.txt"), OPT_IN),
    "text_vocabulary": (of("TextVectorization", vocabulary="OUTSIDE/secret.txt"), OPT_IN),
    "feature_column_file": (of("DenseFeatures", feature_columns=[_COLUMN]), OPT_IN),
    "wrapped_lambda": (of("TimeDistributed", layer=of("Lambda", function=_LAMBDA)), OPT_IN),
    "lambda_in_a_cell": (of("RNN", cell=of("Lambda", function=_LAMBDA)), OPT_IN),
    "a_function_for_a_layer": (function("relu"), r"."),
}

# Models: in a .keras file, and as JSON.
MODELS = {
    "dead_write": (functional(node(op("write_file"), "OUTSIDE/owned.txt", "x")), OPT_IN),
    "dead_read": (functional(node(op("read_file"), "OUTSIDE/secret.txt")), OPT_IN),
    "dead_list": (functional(node(op("matching_files"), "OUTSIDE/*")), OPT_IN),
    "public_write": (functional(node(public_op("io.write_file"), "OUTSIDE/owned.txt", _TENSOR)), OPT_IN),
    "public_seed": (functional(node(public_op("random.set_seed"), _TENSOR)), OPT_IN),
    "public_dunder": (functional(node(public_op("io.__class__"), _TENSOR)), "not known"),
    "public_config": (functional(node(public_op("config.run_functions_eagerly"), _TENSOR)), "not known"),
    "public_py_function": (functional(node(public_op("py_function"), _TENSOR)), "not known"),
    "dead_set_policy": (functional(node(keras_op("core", "SetDtypePolicy"), _TENSOR)), "not known"),
    "dead_getattr": (functional(node(keras_op("core", "__Builtins__"), _TENSOR)), "not known"),
    "constant_bomb": (functional(node(op("zeros"), shape=[1 << 40])), "no tensor of the model"),
    "written_bomb": (functional(node(keras_op("numpy", "Zeros"), [1 << 40])), "no tensor of the model"),
    "weight_bomb": (sequential(of("Dense", units=10**11)), "holds .* bytes of weights"),
    "embedding_bomb": (
        sequential(of("Embedding", input_dim=10**10, output_dim=64)),
        "holds .* bytes of weights",
    ),
    "many_weights": (
        sequential(*[of("Dense", units=5000, kernel_initializer="zeros", name=f"d{i}") for i in range(9)]),
        "bytes of weights",
    ),
    "deep": (sequential(*nested(400)), "nested too deeply|expected a layer"),
    "deep_models": (None, "nested too deeply"),
    "waits_for_itself": (
        functional(
            of("Identity", name="evil")
            | {
                "name": "evil",
                "inbound_nodes": [
                    {
                        "args": [
                            {
                                "class_name": "__keras_tensor__",
                                "config": {
                                    "shape": [None, 3],
                                    "dtype": "float32",
                                    "keras_history": ["evil", 0, 0],
                                },
                            }
                        ],
                        "kwargs": {},
                    }
                ],
            }
        ),
        "depend on tensors that none makes",
    ),
    "compiled_with_os_system": (
        sequential(of("Dense", units=2))
        | {"compile_config": {"optimizer": "sgd", "loss": function("system", "os")}},
        UNKNOWN,
    ),
    "compiled_with_lambda": (
        sequential(of("Dense", units=2)) | {"compile_config": {"optimizer": "sgd", "loss": _LAMBDA}},
        OPT_IN,
    ),
    "optimizer_of_os_system": (
        sequential(of("Dense", units=2))
        | {"compile_config": {"optimizer": of("system", "os"), "loss": "mse"}},
        UNKNOWN,
    ),
    "no_model": (of("Huber", "keras.losses", name="h"), "no model"),
}
MODELS["deep_models"] = (sequential(of("Dense", units=2)), "nested too deeply")
for _ in range(150):
    MODELS["deep_models"] = (sequential(MODELS["deep_models"][0]), "nested too deeply")
