"""Rows of preprocessing and augmentation layers."""

from tests.keras.layer_case import LayerCase

C = LayerCase
INT = {"gradients": False, "dtype": "int64"}

# Layers that draw when they are called, or whose inputs are of several kinds: test_preprocessing_*.py test them.
APART = frozenset(
    {
        *(
            f"Random{name}"
            for name in ("Flip", "Rotation", "Translation", "Zoom", "Shear", "Perspective", "Crop")
        ),
        *(
            f"Random{name}"
            for name in ("Height", "Width", "ElasticTransform", "GaussianBlur", "Erasing", "Sharpness")
        ),
        *(f"Random{name}" for name in ("Contrast", "Brightness", "Hue", "Saturation", "Grayscale", "Invert")),
        *(f"Random{name}" for name in ("Posterization", "ColorDegeneration", "ColorJitter")),
        *("AugMix", "CutMix", "MixUp", "RandAugment", "Solarization", "MaxNumBoundingBoxes", "Pipeline"),
        *("HashedCrossing", "Equalization", "StringLookup", "TextVectorization", "DenseFeatures"),
    }
)

CASES: list[LayerCase] = [
    C("Rescaling", {"scale": 0.5, "offset": 1.0}, (2, 3)),
    C("Rescaling", {"scale": [0.5, 1.0, 2.0], "offset": [1.0, 0.0, 3.0]}, (2, 4, 3)),
    C("Rescaling", {"scale": 1 / 255}, (2, 3), "int32", high=255, gradients=False),
    C("Normalization", {"mean": [1.0, 2.0, 3.0], "variance": [4.0, 5.0, 6.0]}, (2, 4, 3), bad=(2, 3, 4)),
    C("Normalization", {"axis": (1, 2), "mean": 2.0, "variance": 4.0, "invert": True}, (2, 4, 3)),
    C("Discretization", {"bin_boundaries": [-0.5, 0.0, 1.0]}, (2, 3), gradients=False),
    C("Discretization", {"bin_boundaries": [0.0], "output_mode": "one_hot"}, (4, 1), gradients=False),
    C("Discretization", {"bin_boundaries": [0.0, 0.3], "output_mode": "multi_hot"}, (2, 5), gradients=False),
    C("Discretization", {"bin_boundaries": [0.0, 0.3], "output_mode": "count"}, (2, 5), gradients=False),
    C("CategoryEncoding", {"num_tokens": 5}, (2, 3), **INT),
    C("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, (2, 3), **INT),
    C("CategoryEncoding", {"num_tokens": 5, "output_mode": "one_hot"}, (4, 1), **INT),
    C("CategoryEncoding", {"num_tokens": 5, "output_mode": "one_hot"}, (2, 3), **INT),
    C("Hashing", {"num_bins": 7}, (3, 2), high=10**9, **INT),
    C("Hashing", {"num_bins": 7, "salt": [3, 4], "mask_value": 2}, (4, 2), **INT),
    C("IntegerLookup", {"vocabulary": [3, 1, 4]}, (4, 3), **INT),
    C("IntegerLookup", {"vocabulary": [3, 1, 4], "num_oov_indices": 2, "mask_token": 0}, (4, 3), **INT),
    C("IntegerLookup", {"vocabulary": [3, 1, 4], "invert": True}, (4, 3), **INT),
    C("Resizing", {"height": 5, "width": 4}, (2, 7, 6, 3), unknown=(None, None, 6, 3)),
    C("Resizing", {"height": 5, "width": 4, "interpolation": "nearest"}, (2, 7, 6, 3), gradients=False),
    C("Resizing", {"height": 3, "width": 5, "crop_to_aspect_ratio": True}, (2, 7, 6, 3)),
    C("Resizing", {"height": 3, "width": 5, "pad_to_aspect_ratio": True, "fill_value": 0.5}, (2, 7, 6, 3)),
    C("CenterCrop", {"height": 5, "width": 4}, (2, 7, 6, 3), unknown=(None, None, 6, 3)),
    C("CenterCrop", {"height": 8, "width": 4}, (2, 7, 6, 3)),
    C("AutoContrast", {"value_range": (0, 1)}, (2, 4, 5, 3)),
    C(
        "ContrastLimitedAdaptiveHistogramEqualization",
        {"tile_grid_size": (2, 2)},
        (2, 5, 6, 3),
        gradients=False,
        scale=99.0,
    ),
    *(
        C(
            "STFTSpectrogram",
            {"mode": mode, "frame_length": 16, "frame_step": 6, "fft_length": 32},
            (2, 50, 2),
            weights=tuple(
                f"{side}_kernel" for side in ("real", "imag") if mode not in {"real", "imag"} - {side}
            ),
            gradients=mode != "angle",
        )
        for mode in ("log", "psd", "real", "imag", "angle", "stft")
    ),
    C(
        "STFTSpectrogram",
        {"mode": "magnitude", "frame_length": 9, "padding": "same", "expand_dims": True, "window": "hamming"},
        (2, 40, 2),
        weights=("real_kernel", "imag_kernel"),
        bad=(2, 40),
    ),
    C(
        "MelSpectrogram",
        {"fft_length": 64, "sequence_stride": 16, "num_mel_bins": 8, "sampling_rate": 4000},
        (2, 200),
        gradients=False,
    ),
    C(
        "MelSpectrogram",
        {"fft_length": 64, "sequence_stride": 16, "num_mel_bins": 8, "power_to_db": False, "mag_exp": 1.0},
        (2, 200),
    ),
]
