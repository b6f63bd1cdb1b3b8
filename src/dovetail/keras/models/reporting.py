"""What a model tells about itself, and itself on disk."""

from __future__ import annotations

import importlib
import json
from typing import Any, ClassVar

from dovetail.base.told import Told
from dovetail.keras.layers.machinery.in_graphs import in_session
from dovetail.keras.serialization import serialize_keras_object


class Reporting(Told):
    """The reporting half of `keras.Model`: `summary`, `save`, `save_weights`, `load_weights`, `to_json`."""

    _told_methods: ClassVar[tuple[str, ...]] = (
        "summary",
        "save",
        "save_weights",
        "load_weights",
        "to_json",
        "export",
    )

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints the layers with their output shapes and numbers of parameters.

        Args:
            line_length: width of the table in characters.
            positions: accepted for Keras' sake; the columns size themselves.
            print_fn: called with the text instead of `print`.
            expand_nested: show the layers of models inside the model.
            show_trainable: add a column that says what is trained.
            layer_range: `[first, last]` layer names to show.
        """
        text = importlib.import_module("dovetail.keras.models.summary").summary_text(
            self, line_length, expand_nested, show_trainable, layer_range
        )
        (print_fn or print)(text)

    def to_json(self, **kwargs: Any) -> str:
        """Returns the architecture, without weights, as text for `keras.models.model_from_json`.

        Args:
            kwargs: passed on to `json.dumps`.
        """
        return json.dumps(serialize_keras_object(self), **kwargs)

    @in_session
    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Writes the model to a file that `keras.models.load_model` reads: see `keras.saving.save_model`.

        Args:
            filepath: ends in ".keras", or in ".h5" for HDF5.
            overwrite: replace an existing file; False raises FileExistsError instead.
            zipped: True or None; `.keras` files are archives.
            kwargs: `include_optimizer` and `save_format` of Keras 2.
        """
        importlib.import_module("dovetail.keras.saving").save_model(
            self, filepath, overwrite, zipped, **kwargs
        )

    def export(
        self,
        filepath: Any,
        format: str = "tf_saved_model",
        verbose: Any = None,
        input_signature: Any = None,
        **kwargs: Any,
    ) -> None:
        """Writes the model for serving, in a format that needs no code of its layers.

        `tf.saved_model.load(filepath).serve(x)`, here and in TensorFlow, gives what the model gives with
        `training=False`; `keras.layers.TFSMLayer(filepath)` is a layer that does.  So does
        `tf.export.load(filepath)(x)` for StableHLO.

        Args:
            filepath: the directory of a SavedModel, the file of the others.
            format: "tf_saved_model", "stablehlo", which JAX reads, or "onnx".
            verbose: say where it was written.
            input_signature: list of `tf.TensorSpec` for models that do not know their inputs.
            kwargs: options of the format: `platforms=("cpu", "cuda", "tpu")` for StableHLO,
                `opset_version=18` for ONNX.

        Raises:
            NotImplementedError: a format that is not written, or a layer has operations that are not.
        """
        importlib.import_module("dovetail.keras.saving.exporting").export(
            self, filepath, format, verbose, input_signature, **kwargs
        )

    @in_session
    def save_weights(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Writes the weights to a file, in Keras' format.

        Args:
            filepath: path that ends in ".weights.h5"; or in ".h5" for the format of Keras 2, ".safetensors" for that,
                ".weights.json" for several files of at most `max_shard_size` GiB.
            overwrite: replace an existing file; False raises FileExistsError instead.
        """
        importlib.import_module("dovetail.keras.saving").save_weights(self, filepath, overwrite, **kwargs)

    @in_session
    def load_weights(
        self, filepath: Any, skip_mismatch: bool = False, by_name: bool = False, **kwargs: Any
    ) -> Any:
        """Reads weights that `save_weights` (or Keras) has written.

        Args:
            filepath: path of the file.
            skip_mismatch: leave out layers whose weights differ in number or shape, with a warning.
            by_name: match layers by name (files of Keras 2).
        """
        return importlib.import_module("dovetail.keras.saving").load_weights(
            self, filepath, skip_mismatch=skip_mismatch, by_name=by_name, **kwargs
        )
