"""Preprocessing of numbers and images, and augmentation."""

from __future__ import annotations

from dovetail.keras.registration import public_names

__all__ = public_names(globals(), __name__)  # noqa: PLE0605 - a list
