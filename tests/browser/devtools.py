"""
A real Chromium, driven over its DevTools protocol by a few dozen lines of our own.

https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import base64
import json
import shutil
import tempfile
from contextlib import asynccontextmanager

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WITHIN = 30.0
"""Seconds that any one step may take."""

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-color-profile=srgb", "--remote-debugging-port=0",
)  # fmt: skip
_LARGEST = 64 << 20


def chromium():
    """Where the browser is; empty where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), "")


class Page:
    """One tab. ``requests`` and ``complaints`` are what the browser itself logged, oldest first."""

    def __init__(self, socket):
        self.requests = []
        self.complaints = []
        self._socket = socket
        self._sent = 0
        self._answers = {}
        self._events = asyncio.Queue()

    async def call(self, method, **parameters):
        """One command, and its result."""
        self._sent += 1
        answer = self._answers[self._sent] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._sent, "method": method, "params": parameters})
        async with asyncio.timeout(WITHIN):
            return await answer

    async def open(self, url, *, width=1200, height=800, dark=False, headers=None, media=""):
        """Go there in a window of that size, and wait until everything is there."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        await self.call("Network.setExtraHTTPHeaders", headers=headers or {})
        self._forget()
        await self.call("Page.navigate", url=url)
        await self._loaded()

    async def submit(self, form):
        """Send the form that the selector finds, and wait for the page that answers it."""
        self._forget()
        await self.run(f"document.querySelector({json.dumps(form)}).requestSubmit(); undefined")
        await self._loaded()

    def _forget(self):
        while not self._events.empty():
            self._events.get_nowait()

    async def _loaded(self):
        async with asyncio.timeout(WITHIN):
            while await self._events.get() != "Page.loadEventFired":
                pass

    async def run(self, script):
        """The value of a script (awaited if it is a promise)."""
        said = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def picture(self, *, height=None):
        """A PNG of the page: all of it, or its top ``height`` pixels."""
        size = (await self.call("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        shot = await self.call(
            "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True
        )
        return base64.b64decode(shot["data"])

    async def printed(self):
        """The page as a PDF."""
        return base64.b64decode((await self.call("Page.printToPDF", printBackground=True))["data"])

    async def listen(self):
        """Sort what comes in, until the socket closes."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                answer = self._answers.pop(said["id"])
                if "error" in said:
                    answer.set_exception(RuntimeError(said["error"]["message"]))
                else:
                    answer.set_result(said["result"])
                continue
            match said["method"]:
                case "Network.requestWillBeSent":
                    self.requests.append(said["params"]["request"]["url"])
                case "Log.entryAdded":
                    self.complaints.append(said["params"]["entry"]["text"])
                case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled":
                    self.complaints.append(json.dumps(said["params"])[:300])
            self._events.put_nowait(said["method"])


@asynccontextmanager
async def browsing():
    """A fresh browser with one tab; nothing of it is left behind."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            chromium(), *_FLAGS, f"--user-data-dir={profile}", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            port = await _port(process.stderr)
            # Not a task group: it would wrap what a test asserts into a group of errors.
            draining = asyncio.create_task(_drain(process.stderr))
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    tab = next(one for one in await response.json() if one["type"] == "page")
                address = tab["webSocketDebuggerUrl"]
                async with session.ws_connect(address, max_msg_size=_LARGEST) as socket:
                    page = Page(socket)
                    listening = asyncio.create_task(page.listen())
                    for domain in ("Page", "Network", "Runtime", "Log"):
                        await page.call(f"{domain}.enable")
                    yield page
            process.terminate()
            await listening
            await draining
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _port(stderr):
    async with asyncio.timeout(WITHIN):
        while line := (await stderr.readline()).decode():
            if "DevTools listening on ws://" in line:
                return int(line.split("ws://")[1].split("/")[0].rpartition(":")[2])
    raise AssertionError("the browser ended before it listened")


async def _drain(stderr):
    while await stderr.readline():
        pass
