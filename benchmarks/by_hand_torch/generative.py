"""Generative models in plain PyTorch: a variational autoencoder and a DCGAN."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import sizes
from benchmarks.by_hand_torch.training import epochs_of


class VAE(nn.Module):
    """A variational autoencoder of dense layers.

    Source: Kingma and Welling 2014, Auto-Encoding Variational Bayes.
    """

    def __init__(self) -> None:
        super().__init__()
        inner, latent = sizes.VAE_INNER, sizes.VAE_LATENT
        self.encoder = nn.Sequential(nn.Linear(784, inner), nn.ReLU())
        self.mean, self.log_variance = nn.Linear(inner, latent), nn.Linear(inner, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, inner), nn.ReLU(), nn.Linear(inner, 784))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map pixels (batch, 784) to logits of them, and the mean divergence a pixel."""
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        terms = mean.square() + log_variance.exp() - log_variance - 1
        return self.decoder(code), 0.5 * terms.sum(1).mean() / 784


def generator() -> nn.Module:
    """Build the generator, noise (batch, 64) to pictures (batch, 1, 28, 28)."""
    first, second, third = sizes.GENERATOR_CHANNELS
    return nn.Sequential(
        nn.Linear(sizes.NOISE, 7 * 7 * first, bias=False),
        nn.BatchNorm1d(7 * 7 * first),
        nn.LeakyReLU(0.2),
        nn.Unflatten(1, (first, 7, 7)),
        nn.ConvTranspose2d(first, second, 5, padding=2, bias=False),
        nn.BatchNorm2d(second),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(second, third, 4, 2, padding=1, bias=False),
        nn.BatchNorm2d(third),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(third, 1, 4, 2, padding=1),
        nn.Tanh(),
    )


def discriminator() -> nn.Module:
    """Build the discriminator, pictures (batch, 1, 28, 28) to logits (batch, 1)."""
    first, second = sizes.DISCRIMINATOR_CHANNELS
    return nn.Sequential(
        nn.Conv2d(1, first, 4, 2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Conv2d(first, second, 4, 2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Flatten(),
        nn.Linear(7 * 7 * second, 1),
    )


def gan_fitter(images: np.ndarray, batch_size: int, compiled: bool) -> Callable[[int], float]:
    """Return a function that trains a DCGAN for some epochs and returns the discriminator's mean loss.

    Args:
        images: (num_samples, 1, 28, 28), float32, in [-1, 1].
        batch_size: real pictures a step, and made ones.
        compiled: whether both networks go through `torch.compile`.
    """
    make, judge = generator(), discriminator()
    if compiled:
        make, judge = torch.compile(make), torch.compile(judge)
    make_rule = torch.optim.Adam(make.parameters(), lr=sizes.GAN_RATE, betas=(0.5, 0.999), fused=True)
    judge_rule = torch.optim.Adam(judge.parameters(), lr=sizes.GAN_RATE, betas=(0.5, 0.999), fused=True)

    def step(real: torch.Tensor) -> torch.Tensor:
        made = make(torch.randn(len(real), sizes.NOISE))
        judge_rule.zero_grad()
        judge_loss = _judged(judge(real), 1.0) + _judged(judge(made.detach()), 0.0)
        judge_loss.backward()
        judge_rule.step()
        make_rule.zero_grad()
        _judged(judge(made), 1.0).backward()
        make_rule.step()
        return judge_loss.detach()

    return epochs_of(step, [torch.from_numpy(images)], batch_size)


def _judged(logits: torch.Tensor, truth: float) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))
