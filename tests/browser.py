"""A real browser, headless: Chromium, steered over its own debugging protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--mute-audio",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


def program() -> str | None:
    """Where it is, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of it. `errors`: what its scripts complained of."""

    def __init__(self, folder: Path) -> None:
        self.errors: list[str] = []
        self._traced: list[list[dict[str, Any]]] = []
        self._open = ExitStack()
        self._serial = 0
        arguments = [str(program()), *_QUIET, f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._open.callback(self.process.wait, 10)
        self._open.callback(self.process.terminate)
        port = self._port(folder / "DevToolsActivePort")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            pages = [each for each in json.load(answer) if each["type"] == "page"]
        url = pages[0]["webSocketDebuggerUrl"]
        self._socket = self._open.enter_context(connect(url, max_size=None))
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol, and its result."""
        self._serial += 1
        self._socket.send(json.dumps({"id": self._serial, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message.get("id") == self._serial:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def open(self, url: str) -> None:
        """Go there, and wait until it is loaded."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to; promises are waited for."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 10) -> None:
        """Until it holds; what cannot be computed yet does not."""
        test = f"(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()"
        end_s = time.monotonic() + seconds
        while not self.value(test):
            assert time.monotonic() < end_s, f"waited {seconds:g} s in vain for {expression}"
            time.sleep(0.02)

    def frames_ms(self, seconds: float) -> list[float]:
        """What each animation frame took meanwhile, by the browser's own trace; sorted."""
        self._traced.clear()
        self.call("Tracing.start", categories="devtools.timeline", transferMode="ReportEvents")
        time.sleep(seconds)
        self.call("Tracing.end")
        while not self._traced or self._traced[-1]:
            self.value("1")  # reads what has come
            time.sleep(0.02)
        events = [event for part in self._traced if part for event in part]
        return sorted(
            event["dur"] / 1000 for event in events if event["name"] == "FireAnimationFrame"
        )

    def size(self, width: int, height: int, *, scale: float = 1, mobile: bool = False) -> None:
        """The window, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=mobile,
        )

    def scheme(self, name: str) -> None:
        """`light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def key(self, key: str, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text, code=key)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A screenshot, PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End it."""
        self._open.close()

    def _note(self, message: dict[str, Any]) -> None:
        method, words = message.get("method"), message.get("params", {})
        if method == "Tracing.dataCollected":
            self._traced.append(words["value"])
        elif method == "Tracing.tracingComplete":
            self._traced.append([])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(words["exceptionDetails"]))
        elif method == "Log.entryAdded" and words["entry"]["level"] == "error":
            self.errors.append(f"{words['entry']['text']} {words['entry'].get('url', '')}")

    def _port(self, path: Path) -> int:
        end_s = time.monotonic() + 30
        while time.monotonic() < end_s:
            if path.exists() and (lines := path.read_text().split()):
                return int(lines[0])
            assert self.process.poll() is None, "the browser ended at once"
            time.sleep(0.05)
        raise AssertionError("the browser tells no port")
