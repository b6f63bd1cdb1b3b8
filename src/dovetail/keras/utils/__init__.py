"""`keras.utils`: helpers around models and data."""

from __future__ import annotations

import importlib
from typing import Any

from dovetail.base.errors import suggest
from dovetail.keras.serialization import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from dovetail.keras.utils import bounding_boxes, legacy
from dovetail.keras.utils.batches import PyDataset, Sequence
from dovetail.keras.utils.messages import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from dovetail.keras.utils.numerical import normalize, set_random_seed, to_categorical, to_ordinal
from dovetail.keras.utils.progbar import Progbar
from dovetail.keras.utils.sequences import pad_sequences

# Names whose modules stand above this one, which callbacks and training use: loaded when they are asked for.
_LATE = {
    "FeatureSpace": "utils.feature_space",
    "pack_x_y_sample_weight": "training.steps",
    "unpack_x_y_sample_weight": "training.steps",
    "clear_session": "backend.session",
    "plot_model": "utils.plotting",
    "split_dataset": "utils.splitting",
    "model_to_dot": "utils.dot",
    "get_file": "utils.downloads",
    "load_img": "utils.image_files",
    "save_img": "utils.image_files",
    "img_to_array": "utils.image_files",
    "array_to_img": "utils.image_files",
    "image_dataset_from_directory": "utils.directory_datasets",
    "text_dataset_from_directory": "utils.directory_datasets",
    "audio_dataset_from_directory": "utils.directory_datasets",
    "timeseries_dataset_from_array": "utils.timeseries",
    "is_keras_tensor": "backend.graphs",
    "standardize_dtype": "backend.dtypes",
    "get_source_inputs": "utils.sources",
    "Config": "utils.settings_object",
    "warmstart_embedding_matrix": "utils.warm_start",
    "SequenceEnqueuer": "utils.enqueuers",
    "OrderedEnqueuer": "utils.enqueuers",
    "GeneratorEnqueuer": "utils.enqueuers",
    "TimedThread": "utils.threads",
    "SidecarEvaluator": "utils.sidecar",
    "StepsPerExecutionTuner": "utils.threads",
}
_LATE_MODULES = ("experimental",)

__all__ = [  # noqa: PLE0604 - the late names are strings
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "bounding_boxes",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "is_interactive_logging_enabled",
    "legacy",
    "normalize",
    "pad_sequences",
    "register_keras_serializable",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
    "to_ordinal",
    *_LATE,
    *_LATE_MODULES,
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(f"dovetail.keras.{_LATE[name]}"), name)
    if name in _LATE_MODULES:
        return importlib.import_module(f"dovetail.keras.utils.{name}")
    raise AttributeError(f"module 'dovetail.keras.utils' has no attribute {name!r}.{suggest(name, __all__)}")
