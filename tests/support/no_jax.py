"""A pytest plugin for host-only runs: an import of JAX fails where it is made, and the run fails with it.

Loaded with `-p no_jax`, with this folder on PYTHONPATH.
"""

import sys

FORBIDDEN = ("jax", "jaxlib")
attempts: list[str] = []


class _Refuse:
    """An import finder that stands before all others and refuses JAX."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in FORBIDDEN:
            attempts.append(name)
            raise ImportError(f"{name}: this process runs on the host engine and must not import JAX")


def pytest_configure(config):
    loaded = [name for name in FORBIDDEN if name in sys.modules]
    if loaded:
        raise RuntimeError(f"{', '.join(loaded)} was imported before the tests began")
    sys.meta_path.insert(0, _Refuse())


def pytest_sessionfinish(session):
    """Fail the run even where the program caught the error of the import."""
    if attempts:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    if attempts:
        terminalreporter.write_line(f"JAX was asked for: {', '.join(sorted(set(attempts)))}", red=True)
