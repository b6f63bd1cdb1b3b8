"""The public names and arguments of Keras 3 and tf_keras: there, or absent for a reason."""

import keras
import pytest

from tools import names
from tools.keras_names import PAGE


@pytest.fixture(scope="module")
def found():
    return PAGE.reports()


def test_every_absence_has_a_reason_and_enough_is_there(found):
    assert names.problems(found, PAGE.read_reasons()) == []


def test_the_page_is_up_to_date(found):
    assert PAGE.page.read_text() == PAGE.render(found, PAGE.read_reasons())


def test_arguments_are_compared_by_name():
    def theirs(x, axis=None, *, keepdims=False, **more): ...

    def ours(x, axes=None, **more): ...

    assert names.missing_arguments(theirs, ours) == ["axis", "keepdims"]


def test_constructors_hand_arguments_to_their_bases():
    class Base:
        def __init__(self, name=None): ...

    class Ours(Base):
        def __init__(self, units, **kwargs): ...

    def theirs(units, name=None, dtype=None): ...

    assert names.missing_arguments(theirs, Ours) == ["dtype"]


def test_the_walk_finds_what_the_package_shows():
    paths = names.public_paths(keras)
    assert {"layers.Dense", "ops.nn.relu", "utils.get_file", "Model"} <= set(paths)
    assert not any(path.startswith("src.") for path in paths)
