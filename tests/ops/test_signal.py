"""What rows do not say of `tf.signal`: windows of every length and dtype, round trips, names, models, errors."""

from __future__ import annotations

import numpy as np
import pytest

import dovetail as dv

WINDOWS = ("hann", "hamming", "vorbis", "kaiser", "kaiser_bessel_derived")
ZERO_LENGTH_FAILS = ("kaiser", "kaiser_bessel_derived")  # in TensorFlow; ours are empty


def _window(module, name, *args, **kwargs):
    if "dtype" in kwargs:
        kwargs["dtype"] = getattr(module, kwargs["dtype"])
    return getattr(module.signal, f"{name}_window")(*args, **kwargs)


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name):
    tf = pytest.importorskip("tensorflow")
    calls = [((n,), {}) for n in range(name in ZERO_LENGTH_FAILS, 9)]
    calls += [((6,), {"dtype": "float64"}), ((5,), {"dtype": "float16"})]
    calls += [((n, second), {}) for n in (5, 6) for second in ((True, False) if name[0] == "h" else ())]
    calls += [((n, 3.5), {}) for n in ((5, 6) if "kaiser" in name else ())]
    for args, kwargs in calls:
        ours, theirs = (np.asarray(_window(module, name, *args, **kwargs)) for module in (dv, tf))
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, atol=2e-3 if kwargs.get("dtype") == "float16" else 5e-6)
    assert _window(dv, name, 0).shape == (0,)
    for bad in ((-1,), (4.5,), ([4],), ("four",)):
        with pytest.raises((TypeError, ValueError)):
            _window(dv, name, *bad)
    with pytest.raises(ValueError, match="floating"):
        _window(dv, name, 4, dtype="int32")


def test_mel_weights():
    tf = pytest.importorskip("tensorflow")
    for args in ((3, 9, 16000, 0.0, 8000.0), (3, 1), (40, 257, 22050.0, 20.0, 9000.0)):
        for kind in ("float32", "float64"):
            ours, theirs = (
                np.asarray(module.signal.linear_to_mel_weight_matrix(*args, dtype=getattr(module, kind)))
                for module in (dv, tf)
            )
            assert ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_inverses():
    """What is taken apart is put together again: away from the ends where windows overlap."""
    signal = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)
    for window in (dv.signal.hann_window, dv.signal.hamming_window):
        spectra = dv.signal.stft(signal, 16, 4, window_fn=window)
        back = dv.signal.inverse_stft(
            spectra, 16, 4, window_fn=dv.signal.inverse_stft_window_fn(4, forward_window_fn=window)
        )
        np.testing.assert_allclose(np.asarray(back)[:, 12:-12], signal[:, 12:-12], atol=1e-5)
    for window in (dv.signal.vorbis_window, dv.signal.kaiser_bessel_derived_window, None):
        for norm in (None, "ortho"):
            parts = dv.signal.mdct(signal, 16, window, norm=norm)
            back = dv.signal.inverse_mdct(parts, window, norm)
            np.testing.assert_allclose(np.asarray(back)[:, 8:-8], signal[:, 8:-8], atol=1e-5)


def test_inverse_window():
    tf = pytest.importorskip("tensorflow")
    for step, length in ((4, 8), (3, 8), (9, 8), (3, 7)):
        ours, theirs = (
            np.asarray(
                m.signal.inverse_stft_window_fn(step, m.signal.hamming_window)(length, dtype=m.float32)
            )
            for m in (dv, tf)
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("length", [4, 6, 20])
def test_inverse_window_stays_finite_where_all_windows_are_zero(length):
    tf = pytest.importorskip("tensorflow")
    ours, theirs = (
        m.signal.inverse_stft_window_fn(length)(length, dtype=m.float32).numpy() for m in (dv, tf)
    )
    assert ours[0] == 0
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_in_models_and_functions():
    """Spectra of sounds of any length, as a part of a model and of a compiled function."""
    inputs = dv.keras.Input((None,))
    spectra = dv.abs(dv.signal.stft(inputs, 8, 4))
    mels = dv.matmul(spectra, dv.signal.linear_to_mel_weight_matrix(4, 5, 1000, 10.0, 500.0))
    coefficients = dv.signal.mfccs_from_log_mel_spectrograms(dv.math.log(mels + 1e-3))
    assert coefficients.shape == (None, None, 4)
    model = dv.keras.Model(inputs, coefficients)
    for length in (16, 23):
        x = np.random.default_rng(length).normal(size=(2, length)).astype(np.float32)
        assert model(x).shape == (2, 1 + (length - 8) // 4, 4)
    frames = dv.signal.frame(inputs, 4, 3, pad_end=True)
    assert frames.shape == (None, None, 4)
    compiled = dv.function(lambda x: dv.signal.inverse_stft(dv.signal.stft(x, 8, 4), 8, 4))
    np.testing.assert_allclose(compiled(x), dv.signal.inverse_stft(dv.signal.stft(x, 8, 4), 8, 4), atol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.fft(dv.zeros((3,))), "complex64"),
        (lambda s: s.rfft(dv.zeros((3,), "float16")), "float32 or float64"),
        (lambda s: s.rfft(dv.zeros((3,)), [4, 4]), "fft_length"),
        (lambda s: s.fft3d(dv.zeros((3, 3), "complex64")), "axis|axes"),
        (lambda s: s.fftnd(dv.zeros((3, 3), "complex64"), axes=[0, -2]), "repeat"),
        (lambda s: s.fftnd(dv.zeros((3, 3), "complex64"), norm="unit"), "norm"),
        (lambda s: s.dct([1, 2, 3]), "int32"),
        (lambda s: s.dct([1.0, 2.0], type=5), "type"),
        (lambda s: s.idct([1.0, 2.0], type=5), "type"),
        (lambda s: s.dct([1.0], type=1), "two"),
        (lambda s: s.dct([1.0, 2.0], type=1, norm="ortho"), "norm"),
        (lambda s: s.dct([1.0, 2.0], norm="unit"), "norm"),
        (lambda s: s.dct([1.0, 2.0], n=0), "n must"),
        (lambda s: s.dct([[1.0, 2.0]], axis=0), "axis"),
        (lambda s: s.mdct(dv.zeros((9,)), 6), "multiple of 4"),
        (lambda s: s.inverse_mdct(dv.zeros((9,))), "windows"),
        (lambda s: s.frame(dv.zeros((9,)), 2, 0), "0 apart"),
        (lambda s: s.frame(dv.zeros((9,)), 2, 1, axis=1), "axis"),
        (lambda s: s.frame(dv.zeros((9,)), 2, 1, True, [1.0, 2.0]), "scalar"),
        (lambda s: s.overlap_and_add(dv.zeros((9,)), 2), "frames"),
        (lambda s: s.overlap_and_add(dv.zeros((9, 2)), 2.5), "integer"),
        (lambda s: s.linear_to_mel_weight_matrix(0), "num_mel_bins"),
        (lambda s: s.linear_to_mel_weight_matrix(sample_rate=0), "sample_rate"),
        (lambda s: s.linear_to_mel_weight_matrix(upper_edge_hertz=9000.0), "half"),
        (lambda s: s.linear_to_mel_weight_matrix(dtype=dv.int32), "floating"),
        (lambda s: s.mfccs_from_log_mel_spectrograms(dv.zeros((2, 0))), "pitches"),
    ],
)
def test_errors(call, words):
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=words):
        call(dv.signal)


def test_every_name_is_there():
    tf = pytest.importorskip("tensorflow")
    assert set(dir(tf.signal)) - {n for n in dir(tf.signal) if n[0] == "_"} <= set(dv.signal.__all__)
    assert dv.fftnd is dv.signal.fftnd
