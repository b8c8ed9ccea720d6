"""A page in headless Chromium, driven by its DevTools protocol over two pipes, so that no other package is needed."""

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
_WAIT_S = 300.0


class Page:
    """One tab. `said` collects what the page wrote to the console, and its errors."""

    def __init__(self, send: int, receive: int):
        self._send, self._receive, self._buffer, self._number = send, receive, b"", 0
        self._session = ""
        self.said: list[str] = []
        self.loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol and return its result. Raises RuntimeError if it fails."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            got = os.read(self._receive, 1 << 20)
            if not got:
                raise RuntimeError("Chromium has ended")
            self._buffer += got
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        params = message.get("params", {})
        if message.get("method") == "Runtime.consoleAPICalled":
            self.said.append(f"{params['type']}: " + " ".join(str(arg.get("value", arg.get("description"))) for arg in params["args"]))
        elif message.get("method") == "Runtime.exceptionThrown":
            self.said.append(f"exception: {params['exceptionDetails']}")
        elif message.get("method") == "Log.entryAdded":
            self.said.append(f"{params['entry']['level']}: {params['entry']['text']}")
        elif message.get("method") == "Page.loadEventFired":
            self.loaded = True
        return message

    def open(self, path: Path | str, *, width: int = 1200, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Open a file or an address at a width of the window and wait until it has loaded. media: "print", or "" for the screen.

        Raises RuntimeError if it cannot be opened.
        """
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.emulate(dark=dark, media=media)
        self.loaded = False
        if error := self.call("Page.navigate", url=path if isinstance(path, str) else path.as_uri()).get("errorText"):
            raise RuntimeError(f"{path}: {error}")
        while not self.loaded:
            self._next()

    def emulate(self, *, dark: bool = False, media: str = "") -> None:
        """Set the colour scheme and the medium."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)

    def value(self, script: str) -> Any:
        """Return the value of a JavaScript expression; of a promise, what it resolves to."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait until an expression is true and return it. Raises TimeoutError after five minutes."""
        end = time.monotonic() + _WAIT_S
        while time.monotonic() < end:
            if found := self.value(script):
                return found
            time.sleep(0.02)
        raise TimeoutError(f"still not true after {_WAIT_S:.0f} s: {script}")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press and release a key, such as ("Tab", 9)."""
        for kind in ("keyDown", "keyUp"):
            given = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **given)

    def screenshot(self) -> bytes:
        """Return the whole page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"])


@contextmanager
def browser(program: str) -> Iterator[Page]:
    """Start a Chromium with an empty profile and yield a page."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # Chromium reads from descriptor 3 and writes to 4
        command = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
        process = subprocess.Popen(
            ["/bin/bash", "-c", command, program, *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(to_read, from_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        try:
            yield Page(to_write, from_read)
        finally:
            os.close(to_write)
            os.close(from_read)
            process.terminate()
            process.wait(30)
