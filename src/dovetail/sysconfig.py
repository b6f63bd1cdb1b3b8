"""`tf.sysconfig`: what this build can do, as far as that has a meaning here."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

from dovetail.engine import devices

__all__ = ["get_build_info", "get_compile_flags", "get_include", "get_lib", "get_link_flags"]


def get_build_info() -> OrderedDict[str, Any]:
    """Returns which kinds of accelerators the installed XLA was built for."""
    kinds = {kind for kind, _ in devices.physical()}
    return OrderedDict(
        cpu_compiler="xla", is_cuda_build="GPU" in kinds, is_rocm_build=False, is_tensorrt_build=False
    )


def _no_headers(name: str) -> NoReturn:
    raise NotImplementedError(
        f"tf.sysconfig.{name}: there is no C++ library to compile custom ops against. Write the op in Python with tf.*"
    )


def get_include() -> NoReturn:
    """Raises NotImplementedError: there are no C++ headers."""
    _no_headers("get_include")


def get_lib() -> NoReturn:
    """Raises NotImplementedError: there is no C++ library."""
    _no_headers("get_lib")


def get_compile_flags() -> NoReturn:
    """Raises NotImplementedError: there are no C++ headers."""
    _no_headers("get_compile_flags")


def get_link_flags() -> NoReturn:
    """Raises NotImplementedError: there is no C++ library."""
    _no_headers("get_link_flags")
