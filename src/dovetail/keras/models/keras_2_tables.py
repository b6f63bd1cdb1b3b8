"""What Keras 2 does not have, or calls otherwise: what `keras_2.py` goes by.  A test holds the tables to tf_keras."""

from __future__ import annotations

from typing import Any

# Arguments that Keras 3 has added, by class, with the values that say nothing.
_INITIALIZER = {"input_axes": None, "output_axes": None}
_CHANNELS_LAST = {"data_format": "channels_last"}
_RECURRENT = {"zero_output_for_mask": False}
_SCALED = ("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "LecunNormal", "LecunUniform")
ADDED: dict[str, dict[str, Any]] = {
    **dict.fromkeys((*_SCALED, "VarianceScaling"), _INITIALIZER),
    **dict.fromkeys(("Dense", "EinsumDense", "Embedding"), {"quantization_config": None}),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _RECURRENT),
    **dict.fromkeys(("SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"), _RECURRENT | {"seed": None}),
    "ZeroPadding1D": _CHANNELS_LAST,
    "CenterCrop": _CHANNELS_LAST | {"bounding_box_format": None},
    "Resizing": _CHANNELS_LAST
    | {"pad_to_aspect_ratio": False, "fill_mode": "constant", "fill_value": 0.0, "antialias": False}
    | {"bounding_box_format": None},
    "MultiHeadAttention": {"flash_attention": None, "use_gate": False, "seed": None, "sliding_window": None},
    "IntegerLookup": {"oov_method": "floormod", "salt": None},
    "SparseCategoricalCrossentropy": {"axis": -1},
    "SparseTopKCategoricalAccuracy": {"from_sorted_ids": False},
}
# Arguments of every optimizer.
ADDED_TO_OPTIMIZERS: dict[str, Any] = {"loss_scale_factor": None, "gradient_accumulation_steps": None}

# Arguments that follow from others.
DERIVED = dict.fromkeys(("IntegerLookup", "StringLookup", "TextVectorization"), ("vocabulary_size",))

# Arguments by their names in Keras 2.
RENAMED = {
    "InputLayer": {"batch_shape": "batch_input_shape"},
    "LeakyReLU": {"negative_slope": "alpha"},
}

# Arguments that Keras 2 has and Keras 3 has not, and the values that need not be written.
HIDDEN = {"robust_masking": False, "optional": False}

# Classes and functions that Keras 2 has not.
_MISSING = {
    "keras.layers": "AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D "
    "AdaptiveMaxPooling2D AdaptiveMaxPooling3D AugMix AutoContrast ContrastLimitedAdaptiveHistogramEqualization CutMix "
    "Equalization FlaxLayer GroupQueryAttention GroupedQueryAttention JaxLayer MaxNumBoundingBoxes MelSpectrogram "
    "MixUp Pipeline RMSNormalization RandAugment RandomColorDegeneration RandomColorJitter RandomElasticTransform "
    "RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization "
    "RandomSaturation RandomSharpness RandomShear ReversibleEmbedding STFTSpectrogram Solarization TFSMLayer "
    "TorchModuleWrapper",
    "keras.initializers": "STFT STFTInitializer",
    "keras.optimizers": "Lamb LossScaleOptimizer MultiOptimizer Muon OptimizerMap ScheduleFreeAdamW",
    "keras.losses": "CTC CategoricalGeneralizedCrossEntropy Circle Dice Tversky categorical_generalized_cross_entropy "
    "circle ctc dice tversky",
    "keras.metrics": "ConcordanceCorrelation PearsonCorrelation concordance_correlation pearson_correlation",
    "keras.activations": "celu glu hard_shrink hard_silu hard_swish hard_tanh leaky_relu log_sigmoid log_softmax relu6 "
    "soft_shrink sparse_plus sparse_sigmoid sparsemax squareplus tanh_shrink threshold",
}
MISSING: dict[str, frozenset[str]] = {place: frozenset(names.split()) for place, names in _MISSING.items()}

# Arguments whose strings are activations.
ACTIVATIONS = frozenset(("activation", "recurrent_activation"))

# Functions by their names in Keras 2.
FUNCTIONS = {"silu": "swish"}
