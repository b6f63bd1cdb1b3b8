"""`keras.config`: limits of runs, logging, and what is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from dovetail import keras
from dovetail.base.settings import settings


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch):
    for name in ("max_epochs", "max_steps_per_epoch", "flash_attention"):
        monkeypatch.setattr(settings, name, None)
    yield
    keras.config.enable_interactive_logging()


def _model():
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile(loss="mse")
    return model, np.ones((12, 2), np.float32), np.ones((12, 1), np.float32)


def test_limits_of_runs() -> None:
    model, x, y = _model()
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(3)
    assert (keras.config.max_epochs(), keras.config.max_steps_per_epoch()) == (2, 3)
    history = model.fit(x, y, batch_size=2, epochs=5, verbose=0)
    assert history.epoch == [0, 1] and history.params["steps"] == 3
    assert len(model.predict(x, batch_size=2, verbose=0)) == 6
    keras.config.set_max_epochs(None)
    assert keras.config.max_epochs() is None
    for wrong in (0, -1, "3", True):
        with pytest.raises(ValueError, match="positive integer or None"):
            keras.config.set_max_epochs(wrong)


def test_progress_goes_to_the_log(capsys) -> None:
    model, x, y = _model()
    keras.config.disable_interactive_logging()
    assert not keras.config.is_interactive_logging_enabled()
    model.fit(x, y)
    assert capsys.readouterr().out == ""
    keras.config.enable_interactive_logging()
    model.fit(x, y)
    assert "loss" in capsys.readouterr().out


def test_flash_attention() -> None:
    assert keras.config.is_flash_attention_enabled() is None
    keras.config.enable_flash_attention()
    assert keras.config.is_flash_attention_enabled() is True
    keras.config.disable_flash_attention()
    assert keras.config.is_flash_attention_enabled() is False


def test_what_is_refused() -> None:
    keras.config.set_backend("tensorflow")
    with pytest.raises(ValueError, match="expected 'tensorflow'"):
        keras.config.set_backend("torch")
    assert keras.config.is_nnx_enabled() is False


def test_symbolic_tensors_have_methods() -> None:
    x = keras.Input([4, 1])
    assert tuple(x.reshape((-1, 2, 2)).shape) == (None, 2, 2)
    assert tuple(x.squeeze(2).shape) == (None, 4) and tuple(round(x, 1).shape) == (None, 4, 1)
    assert (x.sparse, x.ragged, x.ragged_rank, x.row_splits_dtype) == (False, False, None, None)


def test_random_generator_of_keras_2() -> None:
    experimental = keras.backend.experimental
    assert experimental.is_tf_random_generator_enabled()
    experimental.disable_tf_random_generator()
    assert not experimental.is_tf_random_generator_enabled()
    experimental.enable_tf_random_generator()
    assert experimental.is_tf_random_generator_enabled()
