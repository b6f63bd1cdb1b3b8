"""`model.export`: a model for serving, as a SavedModel or in another format, without the code of its layers."""

from __future__ import annotations

import itertools
import os
from typing import Any

from dovetail.base import nest
from dovetail.base.errors import at_user_location
from dovetail.base.own import declare
from dovetail.base.trackable import unique
from dovetail.export import save as save_as
from dovetail.function.function import Function
from dovetail.saved_model import DEFAULT_SERVING_SIGNATURE_DEF_KEY, save
from dovetail.tensor.spec import TensorSpec
from dovetail.tensor.variable import Variable

_ENDPOINT = "serve"
_SAVED_MODEL = "tf_saved_model"
# The formats, with their options.
_OPTIONS: dict[str, tuple[str, ...]] = {
    _SAVED_MODEL: (),
    "stablehlo": ("platforms",),
    "onnx": ("opset_version",),
}
# Those that Keras has besides, and how to come by them.
_NOT_WRITTEN = {
    "litert": "its converter is TensorFlow's; write format='tf_saved_model', and give the directory to "
    "tf.lite.TFLiteConverter.from_saved_model",
    "openvino": "its converter is OpenVINO's; write format='tf_saved_model', and give the directory to ovc",
    "torch": "it holds a program of PyTorch, which only PyTorch makes of PyTorch's modules",
}


class _Exported:
    """What a model leaves behind: its variables, and the function that serves."""

    def __init__(self, model: Any, serve: Function) -> None:
        self.serve = serve
        self.variables = list(model.variables)
        self.trainable_variables = list(model.trainable_variables)
        self.non_trainable_variables = list(model.non_trainable_variables)
        kept = [getattr(one, "states", None) for one in model._flatten_layers()]
        self.states = [one for one in nest.flat(kept) if isinstance(one, Variable)]

    def __children__(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, list)]


def export(
    model: Any, filepath: Any, format: str, verbose: Any = None, input_signature: Any = None, **options: Any
) -> None:
    """Writes a model for serving: a function `serve`, which gives its outputs for any batch size.

    Args:
        format: one of `FORMATS`.
        options: of the format.

    Raises:
        NotImplementedError: a format of Keras that is not written, or an option that is none.
        ValueError: the model does not know its inputs, or the format is none.
    """
    require_format(format, "export")
    signature, names = (_specs(input_signature), None) if input_signature is not None else _signature(model)
    signature = signature if len(signature) == 1 else _named(signature, names)
    made = Function(_serving(model, len(signature), names), input_signature=signature)
    made.get_concrete_function()
    known = _OPTIONS[format]
    if set(options) - set(known):
        raise NotImplementedError(
            f"export: format={format!r} has {_listed(known)}, not {sorted(set(options) - set(known))}"
            f"{at_user_location()}"
        )
    if format == _SAVED_MODEL:
        signatures = dict.fromkeys((DEFAULT_SERVING_SIGNATURE_DEF_KEY, _ENDPOINT), made)
        save(_Exported(model, made), os.fspath(filepath), signatures=signatures)
    else:
        save_as({_ENDPOINT: made}, filepath, format, one_batch=True, **options)
    if verbose:
        print(f"Saved artifact at '{os.fspath(filepath)}'.")


def _named(signature: list, names: Any = None) -> list:
    """Returns specs of which each has a name, as that of a signature's input: an argument's, or a number's."""
    if names is not None and not any(map(nest.is_nested, signature)):
        return [TensorSpec(one.shape, one.dtype, name) for one, name in zip(signature, names, strict=True)]
    numbers = itertools.count()

    def named(spec: TensorSpec) -> TensorSpec:
        number = next(numbers)
        return TensorSpec(spec.shape, spec.dtype, spec.name or f"input_{number}")

    return [nest.mapped(named, one) for one in signature]


def _serving(model: Any, num_arguments: int, names: Any = None) -> Any:
    """Returns the function that serves: of the model's inputs as one structure, or as arguments of their own.

    Args:
        names: of the model's arguments; None: they go by position.
    """

    def serve(inputs: Any) -> Any:
        return model(inputs, training=False)

    def serve_several(*inputs: Any) -> Any:
        if names is None:
            return model(*inputs, training=False)
        return model(**dict(zip(names, inputs, strict=True)), training=False)

    return serve if num_arguments == 1 else serve_several


def _listed(names: Any) -> str:
    return f"the options {', '.join(map(repr, names))}" if names else "no options"


def require_format(format: str, caller: str) -> None:
    """Raises NotImplementedError for a format of Keras that is not written, ValueError for one that is none."""
    if format in _OPTIONS:
        return
    if format in _NOT_WRITTEN:
        raise NotImplementedError(
            f"{caller}: format={format!r} is not written: {_NOT_WRITTEN[format]}{at_user_location()}"
        )
    raise ValueError(
        f"{caller}: format is one of {', '.join(map(repr, _OPTIONS))}, received {format!r}{at_user_location()}"
    )


def _signature(model: Any) -> tuple[list, Any]:
    """Returns the specs of a model's arguments, for any batch size, and their names where they go by these."""
    if getattr(model, "inputs", None):
        keeps_states = any(getattr(one, "stateful", False) for one in model._flatten_layers())
        return [nest.mapped(_spec_of_its_batch if keeps_states else _spec, model.input)], None
    called = getattr(model, "_built_for", None)
    if called and all(isinstance(leaf, TensorSpec) for leaf in nest.flat(called)):
        return [nest.map_structure(_of_any_batch, one) for one in called.values()], [*called]
    built = model.get_build_config()
    if not built:
        raise ValueError(
            f"export: {model.name!r} does not know its inputs; call it on data first, or pass "
            f"input_signature=[tf.TensorSpec(...)]{at_user_location()}"
        )
    return _signature_of_build(built, model), None


def _of_any_batch(spec: Any) -> Any:
    if not isinstance(spec, TensorSpec):
        return spec
    return TensorSpec([None, *spec.shape[1:]] if spec.shape.rank else [], spec.dtype)


def _signature_of_build(built: dict, model: Any) -> list:
    """Returns the signature of a model that was built, not called: that of shapes, with one dtype."""

    def spec(shape: Any) -> Any:
        if isinstance(shape, dict):
            return {name: spec(one) for name, one in shape.items()}
        if all(size is None or isinstance(size, int) for size in shape):
            return TensorSpec([None, *shape[1:]], model._build_dtype or model.input_dtype)
        return [spec(one) for one in shape]

    if "input_shape" in built:
        return [spec(built["input_shape"])]
    shapes = built["shapes_dict"]
    if all(name.endswith("_shape") for name in shapes):  # of arguments of their own
        return [spec(one) for one in shapes.values()]
    return [spec(shapes)]


def _spec(tensor: Any) -> TensorSpec:
    return TensorSpec([None, *tensor.shape[1:]], tensor.dtype, tensor.name.partition(":")[0])


def _spec_of_its_batch(tensor: Any) -> TensorSpec:
    """Returns the spec of an input of a model that keeps states: they are of one batch size, where it is stated."""
    return TensorSpec(tensor.shape, tensor.dtype, tensor.name.partition(":")[0])


def _specs(given: Any) -> list:
    """Returns the signature that a program gives: specs of TensorFlow or Keras."""
    return [
        nest.mapped(lambda one: TensorSpec(one.shape, one.dtype, getattr(one, "name", None)), one)
        for one in given
    ]


@declare
class ExportArchive:
    """Collects functions and the variables that they use, and writes them as a SavedModel, or as StableHLO programs.

    Args:
        format: "tf_saved_model", "stablehlo", or "onnx" for one endpoint.

    Attributes:
        variables: of what is tracked, each once.

    Example:
        >>> archive = keras.export.ExportArchive()
        >>> archive.track(model)
        >>> archive.add_endpoint("serve", model.call, [tf.TensorSpec([None, 4], tf.float32)])
        >>> archive.write_out("served")
        >>> tf.saved_model.load("served").serve(x)
    """

    def __init__(self, format: str = "tf_saved_model") -> None:
        require_format(format, "ExportArchive")
        self._format = format
        self._endpoints: dict[str, Function] = {}
        self._tracked: list[Any] = []
        self._collections: dict[str, list[Any]] = {}

    @property
    def variables(self) -> list[Any]:
        return unique(variable for item in self._tracked for variable in item.variables)

    @property
    def trainable_variables(self) -> list[Any]:
        return [variable for variable in self.variables if variable.trainable]

    @property
    def non_trainable_variables(self) -> list[Any]:
        return [variable for variable in self.variables if not variable.trainable]

    def track(self, resource: Any) -> None:
        """Adds what holds variables that endpoints use: a model, a layer, a module.

        Raises:
            ValueError: it holds none, or is not built yet.
        """
        if not hasattr(resource, "variables") or getattr(resource, "built", True) is False:
            raise ValueError(
                f"track: expected a built layer, model or module, received {resource!r:.60}{at_user_location()}"
            )
        self._tracked.append(resource)

    def add_endpoint(self, name: str, fn: Any, input_signature: Any = None, **kwargs: Any) -> Function:
        """Adds a function under a name.

        Args:
            name: of the endpoint, an attribute of what `tf.saved_model.load` returns.
            fn: function of tensors, or a `tf.function` that was called or has a signature.
            input_signature: list of `tf.TensorSpec`.

        Returns:
            the function, traced.

        Raises:
            ValueError: the name is taken or is none, or there is no signature.
        """
        if kwargs:
            raise NotImplementedError(f"add_endpoint: {sorted(kwargs)} are not known{at_user_location()}")
        if not name.isidentifier() or name in self._endpoints:
            raise ValueError(f"add_endpoint: {name!r} is taken, or no name{at_user_location()}")
        known = isinstance(fn, Function) and input_signature is None
        if not known and input_signature is None:
            raise ValueError(
                f"add_endpoint: pass input_signature=[tf.TensorSpec(...)] for {name!r}{at_user_location()}"
            )
        made = fn if known else Function(fn, input_signature=_specs(input_signature))
        made.get_concrete_function()
        self._endpoints[name] = made
        return made

    def track_and_add_endpoint(
        self, name: str, resource: Any, input_signature: Any, **kwargs: Any
    ) -> Function:
        """Adds a layer or model, and its call as an endpoint."""
        self.track(resource)

        def serve(*inputs: Any) -> Any:
            return resource(*inputs)

        return self.add_endpoint(name, serve, input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: list[Any]) -> None:
        """Adds a list of variables under a name.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._collections or name in self._endpoints:
            raise ValueError(f"add_variable_collection: {name!r} is taken{at_user_location()}")
        self._collections[name] = list(variables)

    def write_out(self, filepath: Any, options: Any = None, verbose: Any = True) -> None:
        """Writes the endpoints in the archive's format; the first is a SavedModel's default signature, too.

        Args:
            filepath: the directory, or the file.
            options: `tf.saved_model.SaveOptions`; for other formats a dict: `{"platforms": ("cpu",)}`.
            verbose: print where it was written.

        Raises:
            ValueError: there is no endpoint.
            TypeError: options of another format.
        """
        if not self._endpoints:
            raise ValueError(f"write_out: add an endpoint first{at_user_location()}")
        if self._format == _SAVED_MODEL:
            self._write_saved_model(filepath, options)
        elif isinstance(options, dict | None):
            save_as(self._endpoints, filepath, self._format, **(options or {}))
        else:
            raise TypeError(
                f"write_out: options for {self._format} are a dict such as {{'platforms': ('cpu',)}}, received "
                f"{options!r:.80}{at_user_location()}"
            )
        if verbose:
            print(f"Saved artifact at '{os.fspath(filepath)}'.")

    def _write_saved_model(self, filepath: Any, options: Any) -> None:
        first = next(iter(self._endpoints.values()))
        signatures = {DEFAULT_SERVING_SIGNATURE_DEF_KEY: first, **self._endpoints}
        save(
            _Collected(self._endpoints, self._lists()),
            os.fspath(filepath),
            signatures=signatures,
            options=options,
        )

    def _lists(self) -> dict[str, list[Any]]:
        parts = ("variables", "trainable_variables", "non_trainable_variables")
        return {name: getattr(self, name) for name in parts} | self._collections


class _Collected:
    """What `ExportArchive` leaves behind: endpoints as attributes, and lists of variables."""

    def __init__(self, endpoints: dict[str, Function], lists: dict[str, list[Any]]) -> None:
        vars(self).update(endpoints)
        vars(self).update(lists)

    def __children__(self) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in vars(self).items() if isinstance(value, list)]
