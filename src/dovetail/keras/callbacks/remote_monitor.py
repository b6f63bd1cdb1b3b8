"""`RemoteMonitor`: sends the logs of each epoch to a server."""

from __future__ import annotations

import importlib
import json
import urllib.parse
import warnings
from typing import Any

import numpy as np

from dovetail.keras.callbacks.callback import Callback

__all__ = ["RemoteMonitor"]

_SECONDS = 30


class RemoteMonitor(Callback):
    """Sends the logs of each epoch to `root + path` by HTTP POST.

    Args:
        root: address of the server.
        path: where it takes them.
        field: name of the form's field that holds them as JSON.
        headers: further headers, `{name: value}`.
        send_as_json: send the JSON itself, not a form.

    A server that does not answer, or refuses, gives a warning; training goes on.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        values = {name: _plain(value) for name, value in (logs or {}).items()}
        text = json.dumps({"epoch": epoch, **values})
        kind = "application/json" if self.send_as_json else "application/x-www-form-urlencoded"
        body = text if self.send_as_json else urllib.parse.urlencode({self.field: text})
        headers = {"Content-Type": kind, **(self.headers or {})}
        web = importlib.import_module("urllib.request")  # it takes long
        request = web.Request(self.root + self.path, body.encode(), headers, method="POST")
        try:
            web.urlopen(request, timeout=_SECONDS).close()
        except OSError as error:
            warnings.warn(
                f"RemoteMonitor: could not send the logs to {self.root + self.path}: {error}", stacklevel=2
            )


def _plain(value: Any) -> Any:
    """Returns a value of the logs as JSON has it."""
    return np.asarray(value).tolist()
