"""`keras.wrappers`: models as estimators of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from dovetail.base.errors import at_user_location
from dovetail.base.optional import optional
from dovetail.keras.models import clone_model

__all__ = ["SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer"]

_INSTALL = "'dovetail[examples]'"
_base = optional("sklearn.base", "keras.wrappers", _INSTALL)
multiclass = optional("sklearn.utils.multiclass", "keras.wrappers", _INSTALL)
validation = optional("sklearn.utils.validation", "keras.wrappers", _INSTALL)
BaseEstimator: Any = _base.BaseEstimator
ClassifierMixin: Any = _base.ClassifierMixin
RegressorMixin: Any = _base.RegressorMixin
TransformerMixin: Any = _base.TransformerMixin


class _Wrapper(BaseEstimator):
    """A model that is trained by `fit(X, y)`.

    Args:
        model: a compiled model, of which a copy is trained; or a function that returns one, called as
            `model(X, y, **model_kwargs)`.
        warm_start: go on with the model of the last `fit`.
        model_kwargs: further arguments of that function.
        fit_kwargs: arguments of `Model.fit`.
    """

    def __init__(
        self, model: Any, warm_start: bool = False, model_kwargs: Any = None, fit_kwargs: Any = None
    ) -> None:
        self.model, self.warm_start = model, warm_start
        self.model_kwargs, self.fit_kwargs = model_kwargs, fit_kwargs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    def __sklearn_clone__(self) -> Any:
        shared = not hasattr(self.model, "layers")
        model = self.model if shared else self._copy()
        return type(self)(model, self.warm_start, self.model_kwargs, self.fit_kwargs)

    def _copy(self) -> Any:
        """Returns a model like the given one, with weights of its own."""
        copy = clone_model(self.model)
        copy.compile_from_config(self.model.get_compile_config())
        return copy

    @property
    def epoch_(self) -> int:
        """The number of epochs trained."""
        return len(getattr(self, "history_", {}).get("loss", ()))

    def fit(self, X: Any, y: Any, **kwargs: Any) -> Any:
        """Trains; `kwargs` go to `Model.fit`, ahead of `fit_kwargs`."""
        X, y = validation.validate_data(self, X, y, multi_output=True)
        targets = self._targets(np.asarray(y))
        if not (self.warm_start and hasattr(self, "model_")):
            made = self.model
            self.model_ = (
                self._copy() if hasattr(made, "layers") else made(X, targets, **(self.model_kwargs or {}))
            )
        options = {"verbose": 0, **(self.fit_kwargs or {}), **kwargs}
        self.history_ = self.model_.fit(x=X, y=targets, **options).history
        return self

    def _raw(self, X: Any) -> np.ndarray:
        validation.check_is_fitted(self, "model_")
        X = validation.validate_data(self, X, reset=False)
        return np.asarray(self.model_.predict(X, verbose=0))

    def _targets(self, y: np.ndarray) -> np.ndarray:
        multiclass.type_of_target(y, raise_unknown=True)
        self._is_flat = y.ndim == 1
        return y[:, None] if self._is_flat else y


class SKLearnClassifier(ClassifierMixin, _Wrapper):
    """A classifier: the model gives a score for each class; see the arguments of `SKLearnRegressor`."""

    def _targets(self, y: np.ndarray) -> np.ndarray:
        kind = multiclass.type_of_target(y, raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError(
                f"Only binary and multiclass targets are supported. Unknown label type: {kind}{at_user_location()}"
            )
        if y.ndim == 2:
            y = validation.column_or_1d(y, warn=True)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier can't train when only one class is present.{at_user_location()}")
        return np.eye(len(self.classes_), dtype="float32")[numbers]

    def predict(self, X: Any) -> np.ndarray:
        """Returns the class of each row."""
        scores = self._raw(X)
        return self.classes_[np.argmax(scores, axis=-1)]

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the scores of the classes; of two, the second one's less the first one's."""
        scores = self._raw(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores


class SKLearnRegressor(RegressorMixin, _Wrapper):
    __doc__ = "A regressor.\n" + (_Wrapper.__doc__ or "").partition("\n")[2]

    def _targets(self, y: np.ndarray) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] == 1:
            y = validation.column_or_1d(y, warn=True)  # warns, as scikit-learn's own regressors do
        return super()._targets(y)

    def predict(self, X: Any) -> np.ndarray:
        """Returns what the model predicts, of the shape of `y`."""
        raw = self._raw(X)
        return raw.reshape(len(raw)) if self._is_flat else raw


class SKLearnTransformer(TransformerMixin, _Wrapper):
    """A transformer: `transform` returns what the model gives; see the arguments of `SKLearnRegressor`."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # the outputs have the model's dtype
        return tags

    def transform(self, X: Any) -> np.ndarray:
        """Returns the model's outputs."""
        return self._raw(X)
