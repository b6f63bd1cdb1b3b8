"""Joints: what higher layers provide for lower ones is declared, set where it says, and missed by name."""

import importlib
import inspect
import pathlib
import re

import pytest

import dovetail as tf
from dovetail.base import joints

SOURCE = pathlib.Path(tf.__file__).parent


@pytest.mark.parametrize("name", joints.JOINTS)
def test_every_joint_is_set_by_the_module_that_it_names(name):
    joint = joints.JOINTS[name]
    text = inspect.getsource(importlib.import_module(joint.set_by))
    assert joint.is_set
    assert re.search(r"^(\w+\.)?use_\w+\(", text, re.MULTILINE)


def test_a_missing_joint_says_what_provides_it(monkeypatch):
    monkeypatch.setattr(joints, "JOINTS", {})
    joint = joints.Joint("wings", set_by="dovetail.birds", called_by="flying")
    for use in (lambda: joint.target(1, by=2), joint.get):
        with pytest.raises(
            joints.JointNotSetError, match=r"flying: nothing provides 'wings' yet.*dovetail\.birds"
        ):
            use()
    joint.set(len)
    assert joint.target([1]) == 1
    assert joint.get() is len
    with pytest.raises(ValueError, match="wings"):
        joints.Joint("wings", set_by="", called_by="")


def test_nothing_else_is_set_from_above():
    hidden = re.compile(r"^def use_\w+\([^)]*\)[^\n]*:\n(?:[^\n]*\n){1,4}?    _\w+\[:\] = \[", re.MULTILINE)
    found = [
        str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if hidden.search(path.read_text())
    ]
    assert not found
