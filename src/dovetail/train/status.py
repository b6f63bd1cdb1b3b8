"""What `Checkpoint.restore` returns: whether all was found, now or later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dovetail.base.errors import at_user_location
from dovetail.train.restoration import Restoration, must_have_value

_MOST_SHOWN = 8


class LoadStatus:
    """What a checkpoint was read into.

    Args:
        restoration: what was read; None when there was no checkpoint to read.
    """

    def __init__(self, restoration: Restoration | None) -> None:
        self._restoration = restoration

    def _told(self) -> Restoration:
        if self._restoration is None:
            raise AssertionError(
                f"no checkpoint was read: restore() was called with None{at_user_location()}"
            )
        self._restoration.is_expected = True
        return self._restoration

    def assert_consumed(self) -> LoadStatus:
        """Raises AssertionError when the file has values that no object took, or an object's value is not in it."""
        restoration = self._told()
        _require(
            restoration.unused(),
            f"{restoration.bundle.prefix!r} has values that no object of the program took",
        )
        return self.assert_existing_objects_matched()

    def assert_existing_objects_matched(self) -> LoadStatus:
        """Raises AssertionError when the file has no value for an object of the program."""
        restoration = self._told()
        _require(
            restoration.without_value(), f"{restoration.bundle.prefix!r} has no values for these objects"
        )
        return self

    def assert_nontrivial_match(self) -> LoadStatus:
        """Raises AssertionError when nothing but the root was found."""
        restoration = self._told()
        if not restoration.given:
            raise AssertionError(
                f"nothing in {restoration.bundle.prefix!r} belongs to an object of the program{at_user_location()}"
            )
        return self

    def expect_partial(self) -> LoadStatus:
        """Says that it is fine when the file has more than the program: nothing is logged of that."""
        if self._restoration is not None:
            self._restoration.is_expected = True
        return self

    def without_value(self, variables: Iterable[Any]) -> list[str]:
        """Returns the names of those variables that the file had no values for; all when none was read."""
        given = set() if self._restoration is None else self._restoration.ids_given()
        return [
            variable.name for variable in variables if id(variable) not in given and must_have_value(variable)
        ]

    def initialize_or_restore(self, session: Any = None) -> None:
        """Does nothing: values are there as soon as the objects are."""

    run_restore_ops = initialize_or_restore


def _require(missing: list[str], what: str) -> None:
    if missing:
        more = f" and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else ""
        raise AssertionError(f"{what}: {', '.join(missing[:_MOST_SHOWN])}{more}{at_user_location()}")
