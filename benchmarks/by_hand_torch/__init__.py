"""The models of the benchmarks in plain PyTorch, with the loops one writes by hand."""

from benchmarks.by_hand_torch.generative import VAE, gan_fitter
from benchmarks.by_hand_torch.images import MobileNetV2, ResNet50, ResNetBlocks, UNet
from benchmarks.by_hand_torch.models import GPT, Transformer, cnn, gpt2, mlp
from benchmarks.by_hand_torch.recurrent import (
    Bidirectional,
    ConvLSTMs,
    MaskedBidirectional,
    gru,
    lstm,
    lstm_gpu,
)
from benchmarks.by_hand_torch.tables import Columns, TwoTowers, TwoTowersDense, tabular
from benchmarks.by_hand_torch.training import composite, fitter, stepper

__all__ = [
    "GPT",
    "VAE",
    "Bidirectional",
    "Columns",
    "ConvLSTMs",
    "MaskedBidirectional",
    "MobileNetV2",
    "ResNet50",
    "ResNetBlocks",
    "Transformer",
    "TwoTowers",
    "TwoTowersDense",
    "UNet",
    "cnn",
    "composite",
    "fitter",
    "gan_fitter",
    "gpt2",
    "gru",
    "lstm",
    "lstm_gpu",
    "mlp",
    "stepper",
    "tabular",
]
