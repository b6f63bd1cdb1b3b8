"""The arguments that all optimizers share: their ranges, their spellings in Keras 2, their config."""

from __future__ import annotations

from typing import Any, ClassVar

from dovetail.base.errors import at_user_location, suggest
from dovetail.keras import checks, serialization

_COMMON = (
    *(
        "name",
        "learning_rate",
        "weight_decay",
        "clipnorm",
        "global_clipnorm",
        "clipvalue",
        "use_ema",
        "ema_momentum",
    ),
    *("ema_overwrite_frequency", "loss_scale_factor", "gradient_accumulation_steps"),
)
_LEGACY = ("lr", "decay", "jit_compile", "is_legacy_optimizer")


class Arguments:
    """Mixin of Optimizer: checks, keeps and serializes the common arguments.

    Attributes:
        hyperparameters: names of the arguments that a class adds, all kept as attributes.
    """

    hyperparameters: ClassVar[tuple[str, ...]] = ()
    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    _initial_decay: float = 0.0

    def _take_legacy_arguments(self, kwargs: dict[str, Any], learning_rate: Any) -> Any:
        """Reads the spellings of Keras 2, and returns the learning rate.

        Raises:
            TypeError: an argument that is not known.
        """
        for name in kwargs:
            if name not in _LEGACY:
                raise TypeError(
                    f"{type(self).__name__}: unknown argument {name!r}.{suggest(name, [*_COMMON, *_LEGACY])}"
                    f"{at_user_location()}"
                )
        decay = kwargs.get("decay")
        self._initial_decay = float(checks.number(decay, "decay")) if decay is not None else 0.0
        if self._initial_decay < 0:
            raise ValueError(
                f"{type(self).__name__}: decay must be >= 0, received {decay!r}{at_user_location()}"
            )
        return kwargs["lr"] if kwargs.get("lr") is not None else learning_rate

    def _set_common(self, **given: Any) -> None:
        """Checks the common arguments and sets the attributes of the same names."""
        for name, value in given.items():
            setattr(self, name, value)
        self._check(
            "loss_scale_factor", given["loss_scale_factor"], lambda value: value > 0, "a number > 0 or None"
        )
        for name in ("clipnorm", "clipvalue", "global_clipnorm", "weight_decay"):
            self._check(name, given[name], lambda value: value >= 0, "a number >= 0 or None")
        clips = {name: given[name] for name in ("clipnorm", "clipvalue", "global_clipnorm") if given[name]}
        if len(clips) > 1:
            raise ValueError(
                f"{type(self).__name__}: only one of clipnorm, clipvalue and global_clipnorm may be set, "
                f"received {clips}{at_user_location()}"
            )
        if given["use_ema"]:
            self._check("ema_momentum", given["ema_momentum"], lambda value: 0 <= value <= 1, "in [0, 1]")
            self._check(
                "ema_overwrite_frequency",
                given["ema_overwrite_frequency"] or None,
                lambda value: isinstance(value, int) and value >= 1,
                "an integer >= 1 or None",
            )
        self._check(
            "gradient_accumulation_steps",
            given["gradient_accumulation_steps"] or None,
            lambda value: isinstance(value, int) and value >= 2,
            "an integer >= 2 or None",
        )

    def _check(self, name: str, value: Any, valid: Any, expected: str) -> None:
        if value is not None and not (checks.is_number(value) and valid(value)):
            raise ValueError(
                f"{type(self).__name__}: {name} must be {expected}, received {value!r}{at_user_location()}"
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, for `from_config`; the state is in `variables`."""
        config = {name: getattr(self, name) for name in _COMMON if name != "learning_rate"}
        config["learning_rate"] = self._learning_rate_config()  # type: ignore[attr-defined]
        if self._initial_decay:
            config["decay"] = self._initial_decay
        return config | {name: getattr(self, name) for name in self.hyperparameters}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """Returns an optimizer with the arguments of a config."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = serialization.deserialize_keras_object(
                config["learning_rate"], custom_objects=custom_objects
            )
        return cls(**config)
