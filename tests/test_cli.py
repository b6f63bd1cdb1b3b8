"""The `dovetail` command: programs run as plain Python would run them, and what `doctor` says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dovetail
from dovetail import cli
from dovetail.cli import doctor, machine
from dovetail.cli.split import split_at_program

SOURCE = Path(dovetail.__file__).resolve().parent.parent


def dovetail_command(*args, cwd, env=None, timeout=300):
    """Run `python -m dovetail` with the arguments and return the finished process."""
    path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "", **(env or {})}
    command = [sys.executable, "-m", "dovetail", *map(str, args)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


def write(folder, source, name="program.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return path


# ---- run ---------------------------------------------------------------------------------------------------

SEES = """
import sys
print(sys.argv)
print(__name__, sys.modules["__main__"].__dict__ is globals())
print(__file__)
print(sys.path[0])
print("jax" in sys.modules, "tensorflow" in sys.modules)
"""


def test_a_script_sees_what_it_sees_under_plain_python(tmp_path):
    script = write(tmp_path, SEES, "folder/program.py")
    ours = dovetail_command("run", "folder/program.py", "-m", "x", "--help", cwd=tmp_path)
    command = [sys.executable, "folder/program.py", "-m", "x", "--help"]
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ours.returncode, ours.stderr) == (0, "")
    assert ours.stdout == plain.stdout
    assert str(script) in ours.stdout
    assert not (tmp_path / "folder" / "__pycache__").exists()


def test_a_module_sees_what_it_sees_under_plain_python(tmp_path):
    write(tmp_path, "", "package/__init__.py")
    write(tmp_path, "from . import helper\n" + SEES + "print(__package__)\n", "package/train.py")
    write(tmp_path, "", "package/helper.py")
    ours = dovetail_command("run", "-m", "package.train", "-m", "--epochs=3", cwd=tmp_path)
    command = [sys.executable, "-m", "package.train", "-m", "--epochs=3"]
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (ours.returncode, ours.stderr) == (0, "")
    assert ours.stdout == plain.stdout


def test_a_folder_with_a_main_runs(tmp_path):
    write(tmp_path, "import helper, sys; print(helper.x, sys.argv)", "app/__main__.py")
    write(tmp_path, "x = 7", "app/helper.py")
    done = dovetail_command("run", "app", "a", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "7 ['app', 'a']\n")


@pytest.mark.parametrize(
    ("source", "status", "stderr"),
    [
        ("", 0, ""),
        ("import sys; sys.exit(5)", 5, ""),
        ("import sys; sys.exit('stopped')", 1, "stopped\n"),
        ("raise SystemExit", 0, ""),
        ("import sys\nsys.excepthook = lambda *a: print('mine', file=sys.stderr)\n1 / 0", 1, "mine\n"),
    ],
)
def test_exit_status(tmp_path, source, status, stderr):
    write(tmp_path, source)
    done = dovetail_command("run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (status, stderr)


def test_a_traceback_shows_the_program_and_nothing_else(tmp_path):
    write(tmp_path, "def fail():\n    raise ValueError('boom')\nfail()\n", "helper.py")
    source = "import tensorflow as tf\ntry:\n    import helper\nexcept ValueError as e:\n    raise KeyError(1) from e\n"
    write(tmp_path, source)
    ours = dovetail_command("run", "program.py", cwd=tmp_path)
    assert ours.returncode == 1
    files = [line.strip() for line in ours.stderr.splitlines() if line.strip().startswith("File ")]
    assert [line.rpartition("/")[2] for line in files] == [
        'program.py", line 3, in <module>',
        'helper.py", line 3, in <module>',
        'helper.py", line 2, in fail',
        'program.py", line 5, in <module>',
    ]
    assert "raise ValueError('boom')" in ours.stderr


def test_a_syntax_error_is_shown_as_python_shows_it(tmp_path):
    write(tmp_path, "x = (\n")
    done = dovetail_command("run", "program.py", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith('  File "')
    assert "SyntaxError: '(' was never closed" in done.stderr


def test_the_error_of_a_missing_name_shows_the_line_of_its_use(tmp_path):
    source = "from tensorflow.keras.layers import Dense, NoSuchLayer\n\nprint('runs')\nNoSuchLayer(3)\n"
    write(tmp_path, source)
    done = dovetail_command("run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "runs\n")
    assert "NoSuchLayer(3)" in done.stderr
    assert "keras.layers.NoSuchLayer is not available in Dovetail yet." in done.stderr


CHILDREN = """
import multiprocessing, subprocess, sys
import tensorflow as tf

def work(number):
    return tf.__version__, tf.keras.__name__

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(work, [1]))
    code = "from keras import layers; print(layers.__name__)"
    print(subprocess.check_output([sys.executable, "-c", code], text=True))
"""


def test_child_processes_run_on_dovetail_too(tmp_path):
    write(tmp_path, CHILDREN)
    done = dovetail_command("run", "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["[('2.21.0', 'dovetail.keras')]", "dovetail.keras.layers"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["run"], "expected a script or -m module"),
        (["run", "absent.py"], "cannot open 'absent.py': there is no such file"),
        (["run", "-m", "absent"], "no module named 'absent'"),
        (["run", "-m", "absent.part"], "no module named 'absent'"),
        (["fly"], "invalid choice"),
        (["doctor", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_a_command_that_cannot_start_says_why(tmp_path, args, message):
    done = dovetail_command(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_split_leaves_the_arguments_of_the_program_alone():
    split = split_at_program
    assert split(["run", "a.py", "-m", "b"]) == (["run", "a.py"], ["-m", "b"])
    assert split(["run", "-m", "b", "a.py", "-h"]) == (["run", "-m", "b"], ["a.py", "-h"])
    assert split(["run", "-h"]) == (["run", "-h"], [])
    assert split(["run"]) == (["run"], [])


def test_help_and_version(capsys):
    assert cli.main([]) == 2
    assert "doctor" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"dovetail {dovetail.__version__}\n"


# ---- unmodified programs -------------------------------------------------------------------------------------

# Programs in the forms that tutorials use: (name, source, what the output ends with).
PROGRAMS = {
    "ops in a custom layer and a loss": """
import numpy as np
import tensorflow as tf
from tensorflow import keras

class Halve(keras.layers.Layer):
    def call(self, inputs):
        return tf.nn.max_pool2d(inputs, ksize=2, strides=2, padding="SAME")

def loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(tf.cast(y_true, tf.float32) - y_pred))

model = keras.Sequential([
    keras.layers.InputLayer(input_shape=(8, 8, 1)), Halve(), keras.layers.Flatten(), keras.layers.Dense(1),
])
model.compile(optimizer="adam", loss=loss)
x = np.random.default_rng(0).random((32, 8, 8, 1)).astype("float32")
history = model.fit(x, x.mean(axis=(1, 2)), epochs=3, verbose=0)
print(history.history["loss"][-1] < history.history["loss"][0])
""",
    "functional model with raw ops between layers": """
import tensorflow as tf
from tensorflow.keras import Input, Model
from tensorflow.keras.layers import Concatenate, Dense

inputs = Input(shape=(6,))
hidden = Dense(4, activation="relu")(inputs)
scaled = tf.nn.softmax(hidden * 2.0) + tf.reduce_mean(hidden, axis=-1, keepdims=True)
outputs = Dense(2)(Concatenate()([scaled, hidden[:, :2]]))
model = Model(inputs, outputs)
print(tuple(model(tf.ones((3, 6))).shape) == (3, 2))
""",
    "custom training loop": """
import tensorflow as tf
from tensorflow import keras

weight = tf.Variable([[1.0], [2.0]])
optimizer = keras.optimizers.SGD(learning_rate=0.1)

@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(tf.matmul(x, weight) - y))
    gradients = tape.gradient(loss, [weight])
    optimizer.apply_gradients(zip(gradients, [weight]))
    return loss

x = tf.constant([[1.0, 0.0], [0.0, 1.0]])
losses = [float(step(x, tf.zeros((2, 1)))) for _ in range(5)]
print(losses == sorted(losses, reverse=True))
""",
    "keras backend": """
import tensorflow as tf
import tensorflow.keras.backend as K
from tensorflow.keras.layers import Layer
from tensorflow.keras.mixed_precision import set_global_policy
from tensorflow.keras.models import Sequential

class Scale(Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1],), initializer="ones")
        super().build(input_shape)

    def call(self, x):
        return x * self.kernel

set_global_policy("float32")
model = Sequential([Scale()])
total = K.sum(K.square(model(K.constant([[1.0, 2.0, 3.0]]))))
print(float(K.eval(total)) == 14.0)
""",
    "private paths and version checks": """
import tensorflow as tf
from tensorflow.python.ops import array_ops, math_ops
import tf_keras, keras

assert int(tf.__version__.split(".")[0]) == 2 and hasattr(tf, "function") and not hasattr(tf, "Session")
assert keras is tf.keras is tf_keras
print(float(math_ops.reduce_sum(array_ops.zeros((2, 2)))) == 0.0)
""",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_unmodified_programs_run(tmp_path, name):
    write(tmp_path, PROGRAMS[name])
    done = dovetail_command("run", "program.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True"


# ---- doctor --------------------------------------------------------------------------------------------------

VERSIONS = dict.fromkeys(doctor.NEEDED, "1.0") | {"jax": "0.10.2", "jaxlib": "0.10.2"}
CPU = [{"kind": "CPU", "platform": "cpu", "id": 0, "name": "cpu"}]
GPU = [{"kind": "GPU", "platform": "gpu", "id": 0, "name": "NVIDIA H200"}]


def facts(**given):
    return machine.Facts(**{"versions": dict(VERSIONS), "devices": CPU, **given})


# One row a finding: what the machine is like, and what the one line must hold.
FINDINGS = [
    ({"nvidia": "/dev/nvidia0"}, 'GPU is present (/dev/nvidia0) and not used. Fix: pip install "dovetail[gpu]"'),
    ({"nvidia": "/dev/nvidia0", "env": {"JAX_PLATFORMS": "cpu"}}, "Fix: unset JAX_PLATFORMS; its value 'cpu' leaves"),
    ({"nvidia": "/dev/nvidia0", "env": {"DOVETAIL_ENGINE": "host"}, "devices": []}, "Fix: unset DOVETAIL_ENGINE"),
    ({"nvidia": "/dev/nvidia0", "env": {"CUDA_VISIBLE_DEVICES": ""}}, "Fix: unset CUDA_VISIBLE_DEVICES"),
    (
        {"nvidia": "/dev/nvidia0", "versions": VERSIONS | {"jax-cuda13-plugin": "0.10.2"}},
        "Fix: update the NVIDIA driver: jax-cuda13-plugin is installed",
    ),
    (
        {"nvidia": "/dev/nvidia0", "versions": VERSIONS | {"jax-cuda12-plugin": "0.9.0"}},
        "jax-cuda12-plugin is 0.9.0, jaxlib is 0.10.2; they must match",
    ),
    ({"nvidia": "nvidia-smi lists it", "system": "Windows"}, "run inside WSL2"),
    ({"tpu": "/dev/accel0"}, 'A TPU is present (/dev/accel0) and not used. Fix: pip install "jax[tpu]"'),
    ({"tpu": "/dev/accel0", "versions": VERSIONS | {"libtpu": "1"}}, "Fix: end the other process that holds the TPU"),
    ({"tpu": "/dev/accel0", "env": {"JAX_PLATFORMS": "cpu"}}, "Fix: unset JAX_PLATFORMS"),
    ({"device_error": "RuntimeError: no cuda", "devices": [], "env": {"JAX_PLATFORMS": "cuda"}}, "or install what"),
    ({"device_error": "needs JAX", "devices": []}, 'Fix: pip install --upgrade "jax[cpu]"'),
    ({"versions": {k: v for k, v in VERSIONS.items() if k != "jax"}}, "jax is not installed. Fix: pip install jax"),
    ({"cache_dir": "/x", "cache_problem": "/x cannot be written."}, "Fix: set DOVETAIL_CACHE_DIR"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "line"), FINDINGS)
def test_doctor_finds_what_is_wrong(given, line):
    found = facts(**given)
    (problem,) = doctor.diagnose(found)
    assert line in problem
    assert f"problem    {problem}" in doctor.report(found, [problem])


@pytest.mark.parametrize(
    "given", [{}, {"nvidia": "/dev/nvidia0", "devices": GPU}, {"env": {"JAX_PLATFORMS": "cpu"}}]
)
def test_doctor_is_content_with_a_machine_that_is_used(given):
    assert doctor.diagnose(facts(**given)) == []
    assert doctor.report(facts(**given), []).endswith("no problems found")


def test_doctor_looks_at_this_machine(tmp_path):
    write(tmp_path, "12345", "cache/entry")
    env = {"DOVETAIL_CACHE_DIR": str(tmp_path / "cache"), "DOVETAIL_ENGINE": "host"}
    done = dovetail_command("doctor", cwd=tmp_path, env=env)
    assert done.returncode in (0, 1)
    assert f"dovetail   {dovetail.__version__}" in done.stdout
    assert "numpy " in done.stdout
    assert "engine     host (DOVETAIL_ENGINE=host)" in done.stdout
    assert f"cache      {tmp_path / 'cache'}, 1 files, 0.0 MiB" in done.stdout
    assert done.stdout.splitlines()[-1].startswith(("no problems found", "problem "))


def test_the_cache_folder_is_checked(tmp_path):
    assert machine.check_cache(str(tmp_path / "not" / "there" / "yet")) == ""
    file = write(tmp_path, "", "file")
    assert "is not a folder" in machine.check_cache(str(file))
    assert machine.measure(str(tmp_path)) == (1, 0)
