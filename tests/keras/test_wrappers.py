"""keras.wrappers: models as estimators of scikit-learn, which its own checks accept."""

import numpy as np
import pytest

from dovetail import keras

pytest.importorskip("sklearn")
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

W = keras.wrappers
X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")


def model(x, y, loss, activation=None):
    made = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(y.shape[1], activation=activation)])
    made.compile(keras.optimizers.Adam(0.1), loss)
    return made


def test_a_classifier_learns_names_of_classes():
    y = np.where(X[:, 0] > 0, "yes", "no")
    options = {"loss": "categorical_crossentropy", "activation": "softmax"}
    found = W.SKLearnClassifier(model, model_kwargs=options, fit_kwargs={"epochs": 40})
    pipeline = make_pipeline(StandardScaler(), found).fit(X, y)
    assert pipeline.score(X, y) > 0.9 and set(pipeline.predict(X)) == {"yes", "no"}
    assert pipeline.decision_function(X).shape == (60,) and found.epoch_ == 40
    with pytest.raises(NotFittedError):
        clone(found).predict(X)
    with pytest.raises(ValueError, match="one class"):
        clone(found).fit(X, np.ones(60))


def test_a_regressor_and_a_transformer_keep_the_shape_of_targets():
    y = X @ np.array([1.0, 2.0, 3.0])
    found = W.SKLearnRegressor(model, model_kwargs={"loss": "mse"}, fit_kwargs={"epochs": 60})
    assert found.fit(X, y).predict(X).shape == (60,) and found.score(X, y) > 0.9
    assert clone(found).fit(X, np.stack([y, y], 1)).predict(X).shape == (60, 2)
    compiled = model(X, y[:, None], "mse")
    before = compiled.get_weights()
    passed = W.SKLearnTransformer(compiled).fit(X, y, epochs=1)
    assert passed.transform(X).shape == (60, 1)
    np.testing.assert_array_equal(compiled.get_weights()[0], before[0])  # a copy was trained


def seeded(x, y, loss="mse", activation=None):
    """A model whose weights are drawn alike each time: scikit-learn's checks compare two fits."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(10, activation="relu"),
        keras.layers.Dense(y.shape[1], activation=activation),
    ]
    made = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    made.compile(keras.optimizers.Adam(0.05), loss)
    return made


TRAINED = {"fit_kwargs": {"epochs": 40}}
CLASSES = {"model_kwargs": {"loss": "categorical_crossentropy", "activation": "softmax"}}


@pytest.mark.parametrize(
    "estimator",
    [
        W.SKLearnClassifier(seeded, **TRAINED, **CLASSES),
        W.SKLearnRegressor(seeded, **TRAINED),
        W.SKLearnTransformer(seeded),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore")  # scikit-learn's checks cause and catch many
def test_scikit_learns_own_checks(estimator):
    check_estimator(estimator)
