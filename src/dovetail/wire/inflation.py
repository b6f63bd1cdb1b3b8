"""How much what is stored may become when it is unpacked: more would be an attack on our memory, or on the disk."""

from __future__ import annotations

UNQUESTIONED_BYTES = 256 << 20  # so much anything may become
MOST_TIMES = 200  # what is stored, beyond that; numbers and texts seldom become 20 times as long


def is_absurd(
    size: int, stored: int, unquestioned: int = UNQUESTIONED_BYTES, most_times: int = MOST_TIMES
) -> bool:
    """Returns whether stored bytes become, or claim to become, more than anything is believed to.

    Args:
        size: how many bytes there are once they are unpacked.
        stored: how many there are before.
        unquestioned: so many are believed whatever is stored.
        most_times: so many times what is stored is believed.
    """
    return size > max(unquestioned, most_times * stored)
