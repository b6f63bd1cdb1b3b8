"""Sizes of models that are written more than once: for Keras, for PyTorch and for JAX."""

from __future__ import annotations

GPT_LAYERS, GPT_WIDTH, GPT_HEADS = 12, 256, 4

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
