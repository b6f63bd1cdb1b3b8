"""The public API is what tests/golden/api.txt says; changing it is a decision, not an accident."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

from tools import api_golden, public_api

ROOT = Path(__file__).resolve().parent.parent


def test_the_public_api_is_as_recorded():
    # A process of its own: other tests register layers and ops of theirs.
    command = [sys.executable, "-m", "tools.api_golden", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_change_shows_as_a_difference():
    def squeeze(x, axis=None):
        return x, axis

    def renamed(x, axes=None):
        return x, axes

    before = api_golden.dump([public_api.Entry("squeeze", "function", squeeze)])
    after = api_golden.dump([public_api.Entry("squeeze", "function", renamed)])
    assert before == "def tf.squeeze(x, axis=None)\n"
    assert "-def tf.squeeze(x, axis=None)" in api_golden.difference(before, after)
    assert "+def tf.squeeze(x, axes=None)" in api_golden.difference(before, after)
    assert api_golden.difference(before, before) == ""


def test_aliases_refer_to_the_shortest_name():
    entries = [
        public_api.Entry("math.add", "function", api_golden.dump),
        public_api.Entry("add", "function", api_golden.dump),
        public_api.Entry("nn", "module", ModuleType("dovetail.nn")),
    ]
    assert "tf.math.add = tf.add\n" in api_golden.dump(entries)


def test_members_of_bases_without_a_public_name_are_told():
    class Holder:
        def weights(self):
            return []

    class Layer(Holder):
        def call(self, inputs):
            return inputs

    class Dense(Layer):
        def call(self, inputs):
            return inputs

    for kind in (Holder, Layer, Dense):
        kind.__module__ = "dovetail.keras.layers"
    entries = [public_api.Entry("Layer", "class", Layer), public_api.Entry("Dense", "class", Dense)]
    assert api_golden.dump(entries).splitlines() == [
        "class tf.Layer() < Holder",
        "    tf.Layer.call method (self, inputs)",
        "    tf.Layer.weights method (self)",
        "class tf.Dense() < Layer",
        "    tf.Dense.call method (self, inputs)",
    ]


def test_classes_show_their_bases_and_members():
    class Layer:
        pass

    class Dense(Layer):
        def __init__(self, units, use_bias=True):
            self.units, self.use_bias = units, use_bias

        @property
        def kernel(self):
            return self.units

        def call(self, inputs: "int") -> "int":
            return inputs

    text = api_golden.dump([public_api.Entry("keras.Dense", "class", Dense)])
    assert text.splitlines() == [
        "class tf.keras.Dense(units, use_bias=True) < Layer",
        "    tf.keras.Dense.call method (self, inputs)",
        "    tf.keras.Dense.kernel attribute",
    ]
