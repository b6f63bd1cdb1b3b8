"""Every layer of the case table in a SavedModel: written here, it gives TensorFlow and us what the layer gave."""

import warnings

import numpy as np
import pytest

import dovetail as tf
from tests.keras.layer_rows import CASES
from tests.keras.test_layers import made, masked, tensors

SAMPLE = CASES[::23]
REST = [case for case in CASES if case not in SAMPLE]


def signature_of(case):
    """Returns the spec of a layer's inputs: for any batch size, unless a mask of one size goes with them."""
    batch = None if case.mask is None else case.mask[0]
    return tf.nest.map_structure(
        lambda one: tf.TensorSpec([batch, *one.shape[1:]] if one.shape.rank else [], one.dtype), tensors(case)
    )


def flat(outputs):
    return [np.asarray(one) for one in tf.nest.flatten(outputs, expand_composites=True)]


def inference_of(case):
    """Returns a row's layer, its call as a function with a signature, and what it gives for the row's inputs."""
    layer, more = made(case), masked(case)
    if "training" in type(layer).call.__code__.co_varnames:
        more["training"] = False
    function = tf.function(
        lambda inputs: case.call(layer, inputs, **more), input_signature=[signature_of(case)]
    )
    return layer, function, flat(case.call(layer, tensors(case), **more))


def check(case, folder):
    reference = pytest.importorskip("tensorflow")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layer, function, want = inference_of(case)
        module = tf.Module()
        module.variables_of_layer, module.call = list(layer.variables), function
        tf.saved_model.save(module, str(folder))
        for framework in (reference, tf):
            loaded = framework.saved_model.load(str(folder))
            given = tf.nest.map_structure(framework.constant, case.inputs())
            found = framework.nest.flatten(loaded.call(given), expand_composites=True)
            assert len(found) == len(want)
            for one, other in zip(found, want, strict=True):
                assert one.dtype.name == tf.as_dtype(other.dtype).name
                np.testing.assert_allclose(one.numpy(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.label)
def test_layers_are_written(case, tmp_path):
    check(case, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("case", REST, ids=lambda case: case.label)
def test_all_other_layers_are_written(case, tmp_path):
    check(case, tmp_path)
