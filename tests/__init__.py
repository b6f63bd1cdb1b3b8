"""The test suite; helpers are imported as `from tests.support import ...`."""
