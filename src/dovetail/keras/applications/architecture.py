"""What all architectures share: the rows that describe them, and how a row and arguments become a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.keras import activations
from dovetail.keras.applications.inputs import check_pretrained_shape, input_shape, symbolic_input
from dovetail.keras.applications.parts import Dense, GlobalAveragePooling2D, GlobalMaxPooling2D
from dovetail.keras.applications.pretrained import Files, check_weights, is_pretrained, weights_file
from dovetail.keras.models import Model

# The arguments that every architecture has, in the usual order.
STANDARD: dict[str, Any] = {
    "include_top": True,
    "weights": "imagenet",
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
}
POOLINGS = {"avg": GlobalAveragePooling2D, "max": GlobalMaxPooling2D}


def dense_head(x: Any, given: SimpleNamespace) -> Any:
    """Returns the probabilities of the classes: the mean over the image, and a dense layer."""
    x = GlobalAveragePooling2D(name="avg_pool")(x)
    return Dense(given.classes, activation=given.classifier_activation, name="predictions")(x)


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        name: of the function that builds it.
        model: the default name of the model; a function of the arguments where it tells them.
        body: `f(images, given)` gives the features; `given` has the arguments as attributes.
        head: `f(features, given)` gives the probabilities of the classes.
        tail: `f(features, given)` where there is no head, after the pooling; None: nothing.
        default_size, min_size: height and width of images.
        parameters: arguments with their defaults, in order, without `name`.
        named_pooling: whether the pooling without a head has a name.
        static: whether sizes must be known without a head too.
        files: the pretrained weights.
        check: `f(given)` raises ValueError for arguments that do not go together, and completes others.
        source: authors, year, title.
        named: the argument that names the model; None: there is none.
        aliases: further names of that argument.
    """

    name: str
    model: str | Callable[[SimpleNamespace], str]
    body: Callable[[Any, SimpleNamespace], Any]
    files: Files
    source: str
    head: Callable[[Any, SimpleNamespace], Any] = dense_head
    tail: Callable[[Any, SimpleNamespace], Any] | None = None
    default_size: int = 224
    min_size: int = 32
    parameters: dict[str, Any] = field(default_factory=lambda: STANDARD)
    named_pooling: bool = False
    static: bool = False
    check: Callable[[SimpleNamespace], None] | None = None
    named: str | None = "name"
    aliases: tuple[str, ...] = ()

    def build(self, given: SimpleNamespace) -> Model:
        """Returns the model for these arguments."""
        _check(self, given)
        pretrained = is_pretrained(given.weights)
        static = self.static or given.include_top
        shape = input_shape(
            self.name, given.input_shape, (self.default_size, self.min_size), static, pretrained
        )
        given.input_shape = shape
        weights = weights_file(self.name, self.files, given)
        images, sources = symbolic_input(self.name, given.input_tensor, shape)
        features = self.body(images, given)
        outputs = self.head(features, given) if given.include_top else self._pooled(features, given)
        name = given.name or (self.model if isinstance(self.model, str) else self.model(given))
        model = Model(sources, outputs, name=name)
        if weights is not None:
            model.load_weights(weights)
        return model

    def _pooled(self, x: Any, given: SimpleNamespace) -> Any:
        if given.pooling is not None:
            x = POOLINGS[given.pooling](name=f"{given.pooling}_pool" if self.named_pooling else None)(x)
        return x if self.tail is None else self.tail(x, given)


def _check(row: Architecture, given: SimpleNamespace) -> None:
    """Raises ValueError for arguments that no architecture takes."""
    if given.pooling not in (None, *POOLINGS):
        raise ValueError(
            f"{row.name}: pooling is None, 'avg' or 'max', received {given.pooling!r}{at_user_location()}"
        )
    if not isinstance(given.classes, int) or given.classes < 1:
        raise ValueError(
            f"{row.name}: classes is a positive integer, received {given.classes!r}{at_user_location()}"
        )
    check_weights(row.name, given.weights)
    if row.check is not None:
        row.check(given)
    if is_pretrained(given.weights) and given.include_top:
        _check_pretrained_head(row, given)


def _check_pretrained_head(row: Architecture, given: SimpleNamespace) -> None:
    if given.classes != 1000:
        raise ValueError(
            f"{row.name}: the pretrained classifier has 1000 classes, received classes={given.classes}. "
            f"Pass include_top=False and put your own head on it{at_user_location()}"
        )
    if activations.get(given.classifier_activation) not in (
        activations.get(None),
        activations.get("softmax"),
    ):
        raise ValueError(
            f"{row.name}: the pretrained classifier ends in 'softmax' or None, received classifier_activation="
            f"{given.classifier_activation!r}{at_user_location()}"
        )
    check_pretrained_shape(row.name, given.input_shape, row.default_size)


def application(row: Architecture, module: str) -> Callable[..., Model]:
    """Returns the public function that builds an architecture.

    Args:
        row: the architecture.
        module: where users find it.
    """
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    name = row.model if isinstance(row.model, str) else None
    defaults = dict(row.parameters)
    if row.named is not None:
        defaults.setdefault(row.named, name)
    parameters = [inspect.Parameter(key, kinds[0], default=value) for key, value in defaults.items()]
    parameters += [inspect.Parameter(key, kinds[1], default=None) for key in row.aliases]
    signature = inspect.Signature(parameters)

    def build(*args: Any, **kwargs: Any) -> Model:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{row.name}: {error}{at_user_location()}") from None
        bound.apply_defaults()
        given = SimpleNamespace(**bound.arguments)
        names = [getattr(given, key) for key in (*row.aliases, row.named) if key is not None]
        given.name = next((found for found in names if found), name)
        return row.build(given)

    build.__name__ = build.__qualname__ = row.name
    build.__module__ = module
    build.__doc__ = _described(row)
    build.__signature__ = signature  # type: ignore[attr-defined]
    return build


def applications(rows: list[Architecture], module: str) -> dict[str, Callable[..., Model]]:
    """Returns the public functions of a module's architectures, by name."""
    return {row.name: application(row, module) for row in rows}


_ARGUMENTS = {
    "include_top": "whether the classifier is there; without it the outputs are features.",
    "weights": 'None for random ones, the path of a weights file, or "imagenet".',
    "input_tensor": "a symbolic tensor that the images are; a new input when None.",
    "input_shape": "of an image, without the batch axis; unknown sizes are None, where there is no classifier.",
    "pooling": 'of the features without a classifier: None, "avg" or "max".',
    "classes": "number of classes.",
    "classifier_activation": 'of the last layer; None gives logits, "softmax" probabilities.',
    "include_preprocessing": "whether the first layers scale pixels from 0 to 255.",
    "alpha": "factor of the numbers of channels.",
    "depth_multiplier": "filters for each channel of the convolutions of single channels.",
    "dropout": "share of the features dropped in training.",
    "dropout_rate": "share of the features dropped in training.",
    "minimalistic": "without squeeze-and-excite, hard swish and 5x5 kernels.",
    "name": "of the model.",
    "model_name": "of the model; those of the layers begin with it.",
}


def _described(row: Architecture) -> str:
    arguments = "\n".join(
        f"    {key}: {_ARGUMENTS[key]}" for key in [*row.parameters, row.named] if key in _ARGUMENTS
    )
    return (
        f"Builds {row.name}, for images of {row.default_size}x{row.default_size} (at least {row.min_size}).\n\n"
        f"Args:\n{arguments}\n\nRaises:\n    ValueError: sizes, weights or numbers that the network does not take.\n\n"
        f"Source: {row.source}."
    )
