"""`tf.config`, `tf.device` and their neighbours: what there is, what may be changed, and when it is too late."""

import subprocess
import sys

import pytest

import dovetail as tf
from dovetail.engine import devices
from tests.support import parity


def in_a_new_process(program):
    """Run a program, because devices are set up once a process; return what it printed."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


LIKE_TENSORFLOW = {
    "physical devices": lambda tf: [repr(device) for device in tf.config.list_physical_devices()],
    "no GPU": lambda tf: tf.config.list_physical_devices("GPU"),
    "logical devices": lambda tf: [repr(device) for device in tf.config.list_logical_devices("CPU")],
    "visible devices": lambda tf: [repr(device) for device in tf.config.get_visible_devices()],
    "experimental list": lambda tf: tf.config.experimental.list_physical_devices("TPU"),
    "hide GPUs": lambda tf: tf.config.set_visible_devices([], "GPU"),
    "memory growth of a CPU": lambda tf: tf.config.experimental.set_memory_growth(
        tf.config.list_physical_devices()[0], True
    ),
    "device details": lambda tf: tf.config.experimental.get_device_details(
        tf.config.list_physical_devices()[0]
    ),
    "configuration": lambda tf: tf.config.get_logical_device_configuration(
        tf.config.list_physical_devices()[0]
    ),
    "configuration object": lambda tf: repr(tf.config.LogicalDeviceConfiguration(memory_limit=5)),
    "soft placement": lambda tf: tf.config.get_soft_device_placement(),
    "threads": lambda tf: tf.config.threading.get_intra_op_parallelism_threads(),
    "jit": lambda tf: (
        tf.config.optimizer.set_jit(True),
        tf.config.optimizer.get_jit(),
        tf.config.optimizer.set_jit(False),
    ),
    "graph options": lambda tf: (
        tf.config.optimizer.set_experimental_options({"layout_optimizer": True}),
        tf.config.optimizer.get_experimental_options(),
    ),
    "functions run eagerly": lambda tf: (
        tf.config.run_functions_eagerly(True),
        tf.config.functions_run_eagerly(),
        tf.config.run_functions_eagerly(False),
        tf.config.functions_run_eagerly(),
    ),
    "TF32": lambda tf: tf.config.experimental.tensor_float_32_execution_enabled(),
    "executing eagerly": lambda tf: [tf.executing_eagerly(), tf.inside_function()],
    "no op": lambda tf: tf.no_op(),
    "version": lambda tf: tf.version.VERSION,
    "logger": lambda tf: tf.get_logger().name,
    "no GPU in tf.test": lambda tf: [tf.test.is_gpu_available(), tf.test.gpu_device_name()],
}


@pytest.mark.parametrize("name", LIKE_TENSORFLOW)
def test_like_tensorflow(name):
    parity.check(LIKE_TENSORFLOW[name])


DEVICES = ("/CPU:0", "/GPU:0", "/device:GPU:0", "cpu:0", "gpu:1", "TPU", "/CPU:5", "/device:XPU:0", "", None)
BAD_DEVICES = ("foo", "/foo:0", "/CPU:x", 3, "/job:worker/task:1")


@pytest.mark.parametrize("name", [*DEVICES, *BAD_DEVICES, "/job:localhost/replica:0/task:0/device:CPU:0"])
def test_device_names_like_tensorflow(name):
    def case(tf):
        with tf.device(name):
            return (tf.constant(1.0) + 1.0).device

    parity.check(case)


def test_an_unknown_device_is_an_error_without_soft_placement():
    tf.config.set_soft_device_placement(False)
    try:
        with pytest.raises(tf.errors.InvalidArgumentError, match="/device:CPU:0"), tf.device("/GPU:0"):
            pass
        with tf.device("/CPU:0"):
            pass
    finally:
        tf.config.set_soft_device_placement(True)


def test_a_device_scope_ends():
    from dovetail.base.settings import state

    with tf.device("/CPU:0"):
        assert state.device == ("CPU", 0)
        with tf.device(None):
            assert state.device is None
        with tf.device(""):
            assert state.device == ("CPU", 0)
    assert state.device is None


def test_accelerators_are_not_looked_for_where_none_can_be(monkeypatch):
    monkeypatch.setattr(devices, "xla", lambda reason: pytest.fail("asked JAX"))
    assert [device.device_type for device in tf.config.list_physical_devices()] == ["CPU"]


def test_logical_cpus():
    program = """
import dovetail as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
print(len(tf.config.list_logical_devices("CPU")), len(tf.config.get_logical_device_configuration(cpu)))
with tf.device("/CPU:2"):
    x = tf.matmul(tf.ones((300, 300)), tf.ones((300, 300)))
print(x.device.rpartition("device:")[2])
"""
    assert in_a_new_process(program) == ["3", "3", "CPU:2"]


def test_what_comes_too_late_says_so():
    program = """
import dovetail as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.function(lambda x: x + 1)(tf.constant(1))
tf.config.threading.set_intra_op_parallelism_threads(1)  # nothing changes
for change in (
    lambda: tf.config.threading.set_intra_op_parallelism_threads(2),
    lambda: tf.config.threading.set_inter_op_parallelism_threads(2),
    lambda: tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices()[0], [tf.config.LogicalDeviceConfiguration()] * 2
    ),
):
    try:
        change()
    except RuntimeError as error:
        print("initialized" in str(error))
"""
    assert in_a_new_process(program) == ["True"] * 3


def test_determinism_and_precision_can_be_asked_for_on_a_cpu():
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    assert tf.config.experimental.tensor_float_32_execution_enabled() is False
    tf.config.experimental.enable_tensor_float_32_execution(True)


def test_a_cpu_counts_no_memory():
    assert tf.config.experimental.get_memory_info("CPU:0") == {"current": 0, "peak": 0}
    assert tf.config.experimental.get_memory_usage("CPU:0") == 0


def test_unknown_devices_and_options_are_refused():
    stranger = tf.config.PhysicalDevice("/physical_device:GPU:9", "GPU")
    with pytest.raises(ValueError, match="unknown device"):
        tf.config.set_visible_devices(stranger)
    with pytest.raises(NotImplementedError, match="XLA_PYTHON_CLIENT_MEM_FRACTION"):
        tf.config.set_logical_device_configuration(
            stranger, [tf.config.LogicalDeviceConfiguration(memory_limit=1)]
        )
    with pytest.raises(ValueError, match="autoclustering"):
        tf.config.optimizer.set_jit("fast")
    with pytest.raises(ValueError, match="0 or more"):
        tf.config.threading.set_intra_op_parallelism_threads(-1)


def test_inside_a_function_nothing_is_eager():
    seen = {}

    @tf.function
    def look(x):
        seen["inside"] = (tf.executing_eagerly(), tf.inside_function())
        with tf.init_scope():
            seen["init_scope"] = tf.executing_eagerly()
            seen["value"] = int(tf.constant(2) + 1)
        with tf.control_dependencies([x]):
            return tf.identity(x)

    look(tf.constant(1.0))
    assert seen == {"inside": (False, True), "init_scope": True, "value": 3}


def test_name_scopes():
    def case(tf):
        found = []
        with tf.name_scope("a") as a:
            found.append(a)
            with tf.name_scope("b") as b:
                found += [b, tf.Variable(1.0, name="v").name, tf.get_current_name_scope()]
            with tf.name_scope("absolute/") as c:
                found.append(c)
        return found

    parity.check(case)
    parity.check(lambda tf: tf.name_scope(3))


def test_autograph_names():
    @tf.autograph.experimental.do_not_convert
    def double(x):
        return 2 * x

    assert double(2) == 4
    assert tf.autograph.experimental.do_not_convert()(double)(3) == 6
    tf.autograph.set_verbosity(0)
    tf.autograph.experimental.set_loop_options(maximum_iterations=3)
    assert "def tf__double" in tf.autograph.to_code(double)
    with pytest.raises(ValueError, match="expected a Python function"):
        tf.autograph.to_graph(3)


def test_initializer_names():
    assert tf.zeros_initializer()((2,)).numpy().tolist() == [0, 0]
    assert tf.ones_initializer()((2,)).numpy().tolist() == [1, 1]
    assert tf.constant_initializer(3.0)((2,)).numpy().tolist() == [3, 3]
    assert tf.random_normal_initializer(stddev=0.1, seed=1)((2, 2)).shape == (2, 2)
    assert tf.random_uniform_initializer(-1, 1, seed=1)((2, 2)).shape == (2, 2)


def test_dtypes_namespace():
    assert tf.dtypes.float32 is tf.float32
    assert int(tf.dtypes.cast(2.7, tf.int32)) == 2
    assert tf.dtypes.as_dtype("int8") == tf.int8


def test_dlpack_shares_memory():
    x = tf.constant([1.0, 2.0])
    back = tf.experimental.dlpack.from_dlpack(tf.experimental.dlpack.to_dlpack(x))
    assert back.numpy().tolist() == [1.0, 2.0]


class TestTheTestCase(tf.test.TestCase):
    def test_close(self):
        self.assertAllClose(tf.constant([1.0]), [1.0 + 1e-8])
        self.assertAllClose({"a": tf.ones(2), "b": [1.0, [2.0, 3.0]]}, {"a": [1, 1], "b": [1.0, [2.0, 3.0]]})
        with self.assertRaises(AssertionError):
            self.assertAllClose([1.0], [1.1])

    def test_equal(self):
        self.assertAllEqual(tf.constant([1, 2]), [1, 2])
        self.assertAllEqual(tf.constant(["a"]), ["a"])
        with self.assertRaises(AssertionError):
            self.assertAllEqual([1, 2], [1, 3])

    def test_compute_gradient(self):
        exact, numeric = tf.test.compute_gradient(lambda x: tf.sin(x), [tf.constant([0.1, 0.2], tf.float64)])
        self.assertAllClose(exact[0], numeric[0], rtol=1e-4)
