"""How XLA makes the machine code of what tests compile in their own process: quickly, or as it does for users.

Nearly all of the time of most tests goes into making code that runs once.  XLA makes it several times faster when it
leaves out LLVM's optimizations and emits fused loops directly; shapes, dtypes, layouts, donation, the passes over the
graph and all of ours stay as they are.  Modules whose point is the last bit of results say

    pytestmark = pytest.mark.code_of_users

and programs in processes of their own always get what users get, as does everything with DOVETAIL_TEST_CODE=users.
"""

import importlib
import os
import sys

QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_cpu_use_fusion_emitters": False,
    "xla_cpu_parallel_codegen_split_count": 1,
}
ALWAYS_OF_USERS = os.environ.get("DOVETAIL_TEST_CODE") == "users"
_state = {"quick": False, "installed": False}


def choose(quick):
    """Lets what is compiled from now on be made quickly or not; once JAX is there, and not before."""
    quick = quick and not ALWAYS_OF_USERS
    if "jax" not in sys.modules or quick == _state["quick"]:
        return
    if not _state["installed"]:
        _install()
    _state["quick"] = quick
    sys.modules["jax"].clear_caches()  # what the other way has made is not used any more


def _install():
    _state["installed"] = True
    compiler = importlib.import_module("jax._src.compiler")
    original = getattr(compiler, "get_compile_options", None)
    if original is None:  # another version of JAX: tests take longer
        return

    def options(*args, env_options_overrides=None, **kwargs):
        if _state["quick"]:
            env_options_overrides = QUICK | (env_options_overrides or {})
        return original(*args, env_options_overrides=env_options_overrides, **kwargs)

    compiler.get_compile_options = options
