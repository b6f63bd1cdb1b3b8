"""`keras.utils.FeatureSpace`: named columns of a table as one vector a row."""

from __future__ import annotations

import builtins
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location, suggest
from dovetail.keras.layers.core.identity import Identity
from dovetail.keras.layers.core.input_layer import Input
from dovetail.keras.layers.machinery.layer import Layer
from dovetail.keras.layers.preprocessing.discretization import Discretization
from dovetail.keras.layers.preprocessing.encoding import CategoryEncoding, as_inputs
from dovetail.keras.layers.preprocessing.hashing import HashedCrossing, Hashing
from dovetail.keras.layers.preprocessing.lookup import IntegerLookup
from dovetail.keras.layers.preprocessing.normalization import Normalization
from dovetail.keras.layers.preprocessing.rescaling import Rescaling
from dovetail.keras.layers.preprocessing.string_lookup import StringLookup
from dovetail.keras.naming import unique_name
from dovetail.keras.registration import own
from dovetail.keras.serialization import deserialize_keras_object, serialize_keras_object
from dovetail.ops import array, shapes

__all__ = ["Cross", "Feature", "FeatureSpace"]

_ROWS_AT_ONCE = 32
_KINDS = (
    *("float", "float_normalized", "float_rescaled", "float_discretized"),
    *("integer_categorical", "string_categorical", "integer_hashed", "string_hashed"),
)


def _mode(owner: str, value: Any, allowed: tuple) -> str:
    if value not in allowed:
        raise ValueError(
            f"{owner}: output_mode must be one of {', '.join(map(repr, allowed))}, received {value!r}"
            f"{at_user_location()}"
        )
    return value


class Cross:
    """Two or more features as one, whose values are tuples of theirs, hashed.

    Args:
        feature_names: of the features.
        crossing_dim: how many bins.
        output_mode: "int" or "one_hot".
    """

    def __init__(self, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> None:
        self.feature_names, self.crossing_dim = tuple(feature_names), crossing_dim
        self.output_mode = _mode("Cross", output_mode, ("int", "one_hot"))

    @property
    def name(self) -> str:
        return "_X_".join(self.feature_names)

    def get_config(self) -> dict:
        names = ("feature_names", "crossing_dim", "output_mode")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> Cross:
        return cls(**config)


class Feature:
    """How one column is encoded.

    Args:
        dtype: of the column.
        preprocessor: a layer, or its config.
        output_mode: "int", "one_hot" or "float".
    """

    def __init__(self, dtype: str, preprocessor: Any, output_mode: str) -> None:
        self.dtype = dtype
        self.output_mode = _mode("Feature", output_mode, ("int", "one_hot", "float"))
        is_config = isinstance(preprocessor, dict)
        self.preprocessor = deserialize_keras_object(preprocessor) if is_config else preprocessor

    def get_config(self) -> dict:
        return {
            "dtype": self.dtype,
            "preprocessor": serialize_keras_object(self.preprocessor),
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config: dict) -> Feature:
        return cls(**config)


class FeatureSpace(Layer):
    """Turns a dict of columns into one vector a row, or into a dict of encoded columns.

    Args:
        features: name -> what this class's methods of such names return, or such a name: "float", "float_normalized",
            "float_rescaled", "float_discretized", "integer_categorical", "string_categorical", "integer_hashed",
            "string_hashed".
        output_mode: "concat": one vector, the features in the order of their names, then the crosses; "dict".
        crosses: what `cross` returns, or tuples of names.
        crossing_dim, hashing_dim, num_discretization_bins: for crosses and features that are given by name.
        name: of the layer.

    Example:
        >>> space = keras.utils.FeatureSpace({"x": "float", "n": keras.utils.FeatureSpace.integer_hashed(3)})
        >>> space({"x": [0.5, 1.0], "n": [1, 2]}).shape
        TensorShape([2, 4])
    """

    _holds_layers = True

    def __init__(
        self,
        features: dict[str, Any],
        output_mode: str = "concat",
        crosses: Any = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not features:
            raise ValueError(f"FeatureSpace: features must name at least one column{at_user_location()}")
        self.crossing_dim, self.hashing_dim = crossing_dim, hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self.output_mode = _mode("FeatureSpace", output_mode, ("concat", "dict"))
        self.features = {key: self._feature(key, value) for key, value in features.items()}
        self.crosses = [self._cross(one) for one in crosses or ()]
        self.preprocessors = {key: feature.preprocessor for key, feature in self.features.items()}
        self.crossers = {one.name: HashedCrossing(one.crossing_dim, name=one.name) for one in self.crosses}
        self.inputs = {
            key: Input(shape=(1,), dtype=feature.dtype, name=key) for key, feature in self.features.items()
        }
        self.encoders: dict[str, Any] = {}
        self._encoded: Any = None
        self._adapted = False

    # ---- kinds of features

    @classmethod
    def cross(cls, feature_names: Any, crossing_dim: int, output_mode: str = "one_hot") -> Cross:
        """Returns a cross of features."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Any, output_mode: str) -> Feature:
        """Returns a feature that a layer of your own encodes."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Returns numbers as they are."""
        return Feature("float32", Identity(dtype="float32", name=_named(name, "float")), "float")

    @classmethod
    def float_rescaled(
        cls, scale: builtins.float = 1.0, offset: builtins.float = 0.0, name: str | None = None
    ) -> Feature:
        """Returns numbers times `scale`, plus `offset`."""
        return Feature("float32", Rescaling(scale, offset, name=_named(name, "float_rescaled")), "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Returns numbers with mean 0 and variance 1."""
        return Feature("float32", Normalization(-1, name=_named(name, "float_normalized")), "float")

    @classmethod
    def float_discretized(
        cls,
        num_bins: int,
        bin_boundaries: Any = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Returns the bins that numbers fall into."""
        number = num_bins if bin_boundaries is None else None
        layer = Discretization(bin_boundaries, number, name=_named(name, "float_discretized"))
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Returns integers by their place in a vocabulary."""
        layer = IntegerLookup(max_tokens, num_oov_indices, name=_named(name, "integer_categorical"))
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Returns strings by their place in a vocabulary."""
        layer = StringLookup(max_tokens, num_oov_indices, name=_named(name, "string_categorical"))
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Returns strings by their hash."""
        return Feature("string", Hashing(num_bins, name=_named(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None) -> Feature:
        """Returns integers by their hash."""
        return Feature("int32", Hashing(num_bins, name=_named(name, "integer_hashed")), output_mode)

    def _feature(self, name: str, given: Any) -> Feature:
        if isinstance(given, Feature):
            return given
        if isinstance(given, dict):
            return deserialize_keras_object(given)
        more: dict[str, Any] = {
            "float_discretized": {"num_bins": self.num_discretization_bins},
            "integer_hashed": {"num_bins": self.hashing_dim},
            "string_hashed": {"num_bins": self.hashing_dim},
        }.get(given, {})
        if given not in _KINDS:
            raise ValueError(
                f"FeatureSpace: the feature {name!r} must be one of {', '.join(_KINDS)}, received {given!r:.60}."
                f"{suggest(str(given), _KINDS)}{at_user_location()}"
            )
        return getattr(self, given)(name=name, **more)

    def _cross(self, given: Any) -> Cross:
        made = deserialize_keras_object(given) if isinstance(given, dict) else given
        cross = made if isinstance(made, Cross) else Cross(made, self.crossing_dim)
        unknown = [name for name in cross.feature_names if name not in self.features]
        if unknown:
            raise ValueError(
                f"FeatureSpace: crosses name the features {unknown}, which are not among {list(self.features)}"
                f"{at_user_location()}"
            )
        return cross

    # ---- adapting

    def _adaptable(self) -> list[str]:
        """Returns the names of the features that must see data first."""
        return [
            name
            for name, layer in self.preprocessors.items()
            if hasattr(layer, "adapt")
            and getattr(layer, "input_mean", None) is None
            and not getattr(layer, "_given", False)
            and getattr(layer, "num_bins", 0) is not None
        ]

    def adapt(self, dataset: Any) -> None:
        """Shows data to the layers that must see some.

        Args:
            dataset: a dataset of dicts, of rows or of batches; or a dict of arrays.
        """
        for name in self._adaptable():
            if isinstance(dataset, dict):
                columns = iter([_column(as_inputs(dataset[name]))])
            elif hasattr(dataset, "element_spec"):
                columns = _columns(dataset, name)
            else:
                raise ValueError(
                    f"{self.name}: adapt takes a dataset of dicts, or a dict of arrays, received {dataset!r:.60}"
                    f"{at_user_location()}"
                )
            self.preprocessors[name].adapt(columns)
        self._adapted = True
        self.get_encoded_features()

    def _check_adapted(self) -> None:
        if not self._adapted and self._adaptable():
            raise ValueError(
                f"{self.name}: call adapt() on data first: {', '.join(self._adaptable())} must see some"
                f"{at_user_location()}"
            )
        self._adapted = True

    # ---- encoding

    def get_inputs(self) -> dict:
        """Returns the inputs of a model on raw columns: name -> symbolic tensor."""
        self.get_encoded_features()
        return self.inputs

    def get_encoded_features(self) -> Any:
        """Returns what the space makes of `get_inputs()`."""
        self._check_adapted()
        if self._encoded is None:
            self._encoded = self._encode(self.inputs)
            self.built = True
        return self._encoded

    def _encode(self, columns: dict) -> Any:
        columns = {name: layer(columns[name]) for name, layer in self.preprocessors.items()}
        crossed = {
            one.name: self.crossers[one.name]([columns[name] for name in one.feature_names])
            for one in self.crosses
        }
        modes = {name: feature.output_mode for name, feature in self.features.items()}
        modes |= {one.name: one.output_mode for one in self.crosses}
        encoded = {
            name: self._vectors(name, values) if modes[name] == "one_hot" else values
            for part in (columns, crossed)
            for name, values in sorted(part.items())
        }
        if self.output_mode == "dict":
            return encoded
        for name, values in encoded.items():
            if not values.dtype.is_floating:
                raise ValueError(
                    f"{self.name}: the feature {name!r} is {values.dtype.name}, which cannot be joined with others. "
                    f"Give it output_mode='one_hot', or the space output_mode='dict'{at_user_location()}"
                )
        return array.concat(list(encoded.values()), -1)

    def _vectors(self, name: str, values: Any) -> Any:
        if name not in self.encoders:
            layer = self.preprocessors.get(name) or self.crossers[name]
            size = _size_of(layer)
            if size is None or not values.dtype.is_integer:
                raise ValueError(
                    f"{self.name}: the feature {name!r} cannot be one_hot: {type(layer).__name__} does not tell how "
                    f"many values it has. Use output_mode='int'{at_user_location()}"
                )
            self.encoders[name] = CategoryEncoding(size, "multi_hot")
        return self.encoders[name](values)

    def __call__(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError(
                f"{self.name}: expected a dict of columns, received {data!r:.60}{at_user_location()}"
            )
        self.get_encoded_features()
        missing = [name for name in self.features if name not in data]
        if missing:
            raise ValueError(f"{self.name}: the columns {missing} are missing{at_user_location()}")
        given = {name: as_inputs(data[name]) for name in self.features}
        single = all(len(value.shape) == 0 for value in given.values())
        encoded = self._encode({name: _column(value) for name, value in given.items()})
        if not single:
            return encoded
        return (
            {name: value[0] for name, value in encoded.items()} if isinstance(encoded, dict) else encoded[0]
        )

    def call(self, data: Any) -> Any:
        return self._encode(data)

    # ---- configuration

    def get_config(self) -> dict:
        return {
            "features": serialize_keras_object(self.features),
            "output_mode": self.output_mode,
            "crosses": serialize_keras_object(self.crosses),
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config: dict) -> FeatureSpace:
        return cls(**config)


def _named(name: str | None, kind: str) -> str:
    return f"{name or unique_name(kind)}_preprocessor"


def _size_of(layer: Any) -> int | None:
    """Returns how many values a layer's output has, None where it does not tell."""
    if hasattr(layer, "vocabulary_size"):
        return layer.vocabulary_size()
    if getattr(layer, "bin_boundaries", None) is not None:
        return len(layer.bin_boundaries) + 1
    return getattr(layer, "num_tokens", None) or getattr(layer, "num_bins", None)


def _column(values: Any) -> Any:
    """Returns values as a column: (rows, 1), or as they are when they have more axes."""
    rank = len(values.shape)
    if rank == 0:
        return shapes.reshape(values, shape=(1, 1))
    return values[:, None] if rank == 1 else values


def _columns(dataset: Any, name: str) -> Iterator:
    """Yields the batches of a column of a dataset; single rows are put together."""
    values = (np.asarray(row[name]) for row in dataset)
    first = next(values, None)
    if first is None:
        return
    whole = itertools.chain([first], values)
    if first.ndim:
        yield from (one[:, None] if one.ndim == 1 else one for one in whole)
        return
    while group := list(itertools.islice(whole, _ROWS_AT_ONCE)):
        yield np.stack(group)[:, None]


own("keras.utils", [Cross, Feature, FeatureSpace])
