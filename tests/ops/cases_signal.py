"""Rows for `tf.signal`, transforms along any axes against NumPy (TensorFlow has no CPU kernels of these)."""

from __future__ import annotations

import numpy as np

from tests.ops.case import Case, complexes, f32, integers, normal

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
ANY_AXES = {"fftnd": np.fft.fftn, "ifftnd": np.fft.ifftn, "rfftnd": np.fft.rfftn, "irfftnd": np.fft.irfftn}


def _nd(name: str, args, kwargs: dict, id: str = "") -> Case:
    numpy = ANY_AXES[name]

    def oracle(x, fft_length=None, axes=None, norm=None):
        if axes is None:
            axes = range(-(x.ndim if fft_length is None else len(fft_length)), 0)
        narrow = np.float32 if name == "irfftnd" else np.complex64
        return numpy(x, fft_length, tuple(axes), norm).astype(narrow)

    return Case(f"signal.{name}", args, kwargs, grad=(0,), oracle=oracle, id=id, **CLOSE)


FOURIER = [
    *(Case(f"signal.{name}", complexes((3, 5)), grad=(0,), **CLOSE) for name in ("fft", "ifft")),
    *(
        Case(f"signal.{name}{rank}d", complexes((2, 3, 4, 5)), grad=(0,), id=id, **CLOSE)
        for name in ("fft", "ifft")
        for rank, id in ((2, ""), (3, ""))
    ),
    Case("signal.fft", complexes((3, 0)), id="empty"),
    Case("signal.fft", complexes((0, 3)), id="no rows"),
    Case("signal.fft", lambda rng: (complexes((3, 4))(rng)[0].astype(np.complex128),), id="double"),
    *(Case("signal.rfft", normal((3, n)), grad=(0,), id=str(n), **CLOSE) for n in (1, 5, 8)),
    *(
        Case("signal.rfft", normal((3, 7)), {"fft_length": [n]}, grad=(0,), id=f"length {n}", **CLOSE)
        for n in (4, 9)
    ),
    Case("signal.rfft", normal((0, 4)), id="no rows"),
    Case("signal.rfft", normal((4, 0)), id="empty"),
    Case("signal.rfft", lambda rng: (rng.normal(size=(3, 4)),), id="double"),
    *(Case("signal.irfft", complexes((3, n)), grad=(0,), id=str(n), **CLOSE) for n in (2, 5)),
    *(
        Case("signal.irfft", complexes((3, 5)), {"fft_length": [n]}, grad=(0,), id=f"length {n}", **CLOSE)
        for n in (4, 7, 8, 12)
    ),
    Case("signal.rfft2d", normal((2, 4, 5)), grad=(0,), **CLOSE),
    Case("signal.rfft2d", normal((2, 4, 5)), {"fft_length": [6, 3]}, grad=(0,), id="lengths", **CLOSE),
    Case("signal.irfft2d", complexes((2, 4, 5)), grad=(0,), **CLOSE),
    Case(  # TensorFlow's gradient has another shape than its input
        "signal.irfft2d",
        complexes((2, 4, 5)),
        {"fft_length": [3, 9]},
        grad=(0,),
        oracle=lambda x, fft_length: np.fft.irfft2(x, fft_length).astype(np.float32),
        id="lengths",
        **CLOSE,
    ),
    Case("signal.rfft3d", normal((2, 3, 4, 5)), grad=(0,), **CLOSE),
    Case("signal.rfft3d", normal((2, 4, 5)), {"fft_length": [2, 6, 6]}, grad=(0,), id="lengths", **CLOSE),
    Case("signal.irfft3d", complexes((2, 3, 4, 3)), grad=(0,), **CLOSE),
    Case("signal.irfft3d", complexes((2, 4, 5)), {"fft_length": [3, 3, 7]}, grad=(0,), id="lengths", **CLOSE),
    *(
        _nd(name, draw((2, 3, 4)), kwargs, id)
        for name, draw in (
            ("fftnd", complexes),
            ("ifftnd", complexes),
            ("rfftnd", normal),
            ("irfftnd", complexes),
        )
        for id, kwargs in {
            "": {},
            "axes": {"fft_length": [5, 2], "axes": [2, 0]},
            "last": {"fft_length": [4, 6]},
            "ortho": {"axes": [-2, -1], "norm": "ortho"},
            "forward": {"axes": [1], "norm": "forward"},
        }.items()
    ),
    _nd("fftnd", complexes((2, 3, 2, 3, 2)), {}, "five axes"),
    _nd("irfftnd", complexes((2, 3, 2, 3, 2)), {}, "five axes"),
    Case("signal.fftshift", normal((3, 4, 5)), grad=(0,)),
    Case("signal.fftshift", normal((3, 4, 5)), {"axes": (0, -1)}, grad=(0,), id="axes"),
    Case("signal.ifftshift", normal((3, 4, 5)), grad=(0,)),
    Case("signal.ifftshift", normal((3, 4, 5)), {"axes": 2}, grad=(0,), id="axis"),
    Case("signal.fftshift", lambda rng: (np.array([b"a", b"b", b"c"], object),), xla=False, id="strings"),
]

COSINE = [
    *(
        Case(
            f"signal.{name}",
            normal((2, n)),
            {"type": kind, "norm": norm},
            grad=(0,),
            id=f"{kind} {norm} {n}",
            **CLOSE,
        )
        for name in ("dct", "idct")
        for kind, norm, n in (
            *((kind, norm, n) for kind in (2, 3, 4) for norm, n in ((None, 5), ("ortho", 4))),
            (1, None, 5),
            (1, None, 2),
            (2, "ortho", 1),
        )
    ),
    Case("signal.dct", normal((2, 5)), {"n": 3}, grad=(0,), id="cut", **CLOSE),
    Case("signal.idct", normal((2, 5)), {"n": 9, "type": 3}, grad=(0,), id="long", **CLOSE),
    Case("signal.mdct", normal((2, 22)), {"frame_length": 8}, grad=(0,), **CLOSE),
    Case(
        "signal.mdct",
        normal((22,)),
        {"frame_length": 8, "window_fn": None, "pad_end": True, "norm": "ortho"},
        grad=(0,),
        id="all",
        **CLOSE,
    ),
    Case("signal.inverse_mdct", normal((2, 5, 4)), grad=(0,), **CLOSE),
    Case(
        "signal.inverse_mdct",
        normal((5, 4)),
        {"window_fn": None, "norm": "ortho"},
        grad=(0,),
        id="all",
        **CLOSE,
    ),
]

FRAMES = [
    Case("signal.frame", normal((2, 11)), {"frame_length": 4, "frame_step": 2}, grad=(0,)),
    Case("signal.frame", normal((2, 11)), {"frame_length": 2, "frame_step": 5}, grad=(0,), id="gaps"),
    Case("signal.frame", normal((2, 3)), {"frame_length": 4, "frame_step": 2}, id="too short"),
    Case(
        "signal.frame",
        lambda rng: (*normal((2, 11))(rng), 4, 3, True, f32(rng.normal())),
        grad=(0,),
        id="filled",
    ),
    Case("signal.frame", normal((0, 0)), {"frame_length": 4, "frame_step": 3, "pad_end": True}, id="empty"),
    Case(
        "signal.frame",
        normal((3, 7, 2)),
        {"frame_length": 3, "frame_step": 2, "pad_end": True, "axis": 1},
        grad=(0,),
        id="axis",
    ),
    Case(
        "signal.frame",
        normal((7, 2)),
        {"frame_length": 3, "frame_step": 2, "axis": -2},
        grad=(0,),
        id="first",
    ),
    Case("signal.frame", integers(0, 9, (2, 7)), {"frame_length": 3, "frame_step": 1}, id="integers"),
    Case("signal.frame", lambda rng: (np.array([b"a", b"b", b"c"], object), 2, 1), xla=False, id="strings"),
    Case("signal.overlap_and_add", normal((2, 4, 5)), {"frame_step": 2}, grad=(0,)),
    Case("signal.overlap_and_add", normal((4, 3)), {"frame_step": 5}, grad=(0,), id="gaps"),
    Case("signal.overlap_and_add", normal((0, 4, 3)), {"frame_step": 2}, id="empty"),
    Case("signal.overlap_and_add", integers(0, 9, (4, 3)), {"frame_step": 2}, id="integers"),
    Case("signal.stft", normal((2, 22)), {"frame_length": 6, "frame_step": 4}, grad=(0,), **CLOSE),
    Case(
        "signal.stft",
        normal((22,)),
        {"frame_length": 5, "frame_step": 3, "fft_length": 7, "window_fn": None, "pad_end": True},
        grad=(0,),
        id="all",
        **CLOSE,
    ),
    *(
        Case(
            "signal.inverse_stft",
            complexes((2, 6, bins)),
            {"frame_length": length, "frame_step": 3, "fft_length": fft_length},
            grad=(0,),
            id=f"{length} of {fft_length}",
            **CLOSE,
        )
        for length, fft_length, bins in ((6, None, 5), (6, 8, 5), (9, 6, 4))
    ),
]


WINDOWS = [
    Case(f"signal.{name}_window", lambda rng: (6,))
    for name in ("hann", "hamming", "vorbis", "kaiser", "kaiser_bessel_derived")
]
HEARD = [
    Case("signal.linear_to_mel_weight_matrix", lambda rng: (), **CLOSE),
    Case("signal.mfccs_from_log_mel_spectrograms", normal((2, 4, 5)), grad=(0,), **CLOSE),
]

CASES = [*FOURIER, *COSINE, *FRAMES, *WINDOWS, *HEARD]
