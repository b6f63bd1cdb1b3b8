"""Sizes of models that are written more than once: for Keras, for PyTorch and for JAX."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpt:
    """A GPT-2-like model."""

    layers: int
    width: int
    heads: int
    steps: int
    vocabulary: int


@dataclass(frozen=True)
class Recurrent:
    """One recurrent layer over a sequence."""

    steps: int
    features: int
    units: int


GPT = Gpt(layers=12, width=256, heads=4, steps=128, vocabulary=1000)
GPT2 = Gpt(layers=12, width=768, heads=12, steps=1024, vocabulary=50257)  # of 124 million parameters
RECURRENT = Recurrent(steps=64, features=32, units=128)
RECURRENT_GPU = Recurrent(steps=128, features=256, units=1024)

BLOCK_CHANNELS, NUM_BLOCKS = 64, 2
UNET_CHANNELS = (16, 32, 64)  # from the full picture down
NUM_MASK_CLASSES = 3

VAE_INNER, VAE_LATENT = 256, 16
NOISE, GENERATOR_CHANNELS, DISCRIMINATOR_CHANNELS = 64, (128, 64, 32), (32, 64)
GAN_RATE = 2e-4

NUM_USERS, NUM_ITEMS, FACTORS = 1_000_000, 10_000, 32
ADAGRAD_RATE = 0.1

NUM_COLUMNS = 100
NUM_MEASURES, NUM_CODES, CODES, CODE_WIDTH = 40, 10, 50, 8  # the frame that is fed column by column
TABULAR_WIDTHS = (128, 64)
