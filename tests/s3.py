"""An S3 on loopback, which can be away for a while, and the environment that leads to it."""

import urllib.request
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

BUCKET = "studies"


class S3:
    """moto's server with one bucket. `env` is what a process needs to use it."""

    def __init__(self) -> None:
        self.port = 0  # any, the first time
        self.start()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.env = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "the-key-of-the-test",
            "AWS_SECRET_ACCESS_KEY": "the-secret-of-the-test",
            "AWS_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }
        self._request("POST", "/moto-api/reset")
        self._request("PUT", f"/{BUCKET}")

    def start(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        _, self.port = self._server.get_host_and_port()

    def stop(self) -> None:
        """Answer no more; the objects stay."""
        self._server.stop()

    def use(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Lead this process and its children here. cache: where local copies are; another one is another machine."""
        for name, value in {**self.env, "XDG_CACHE_HOME": str(cache)}.items():
            monkeypatch.setenv(name, value)

    def _request(self, method: str, path: str) -> None:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            urllib.request.Request(self.endpoint + path, method=method)
        ).close()
