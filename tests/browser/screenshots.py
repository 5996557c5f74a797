"""
The pictures of the status page in ``docs/screenshots``: ``python -m tests.browser.screenshots``.

They need Chromium, fonts for Chinese (``fonts-noto-cjk``) and ``pngquant``.
"""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from bridge.status.page_picture import routes_picture
from tests import scenes
from tests.browser.devtools import browsing, chromium
from tests.memory_desk import MemoryDesk
from tests.status_server import serving

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"

SHOTS = {
    "healthy": ("healthy", "en", {}, 1250),
    "suspended": ("suspended", "en", {}, None),
    "reload-refused": ("refused", "en", {}, 1000),
    "chinese": ("suspended", "zh", {}, 1300),
    "dark": ("suspended", "en", {"dark": True}, 1300),
    "phone": ("suspended", "en", {"width": 390}, 1100),
    "empty": ("empty", "en", {}, None),
}
"""Name of the file → scene, language, how to open it, and how much of its height is shown."""


async def shoot(folder):
    folder.mkdir(parents=True, exist_ok=True)
    async with browsing() as page:
        for name, (scene, lang, how, height) in SHOTS.items():
            snapshot = scenes.ALL[scene]()
            picture = routes_picture(scenes.rules_of_the_house) if snapshot.rules else None
            async with serving(MemoryDesk(snapshot), picture=picture, tokens={}) as server:
                await page.open(f"{server.url}/?lang={lang}", **how)
                path = folder / f"status-{name}.png"
                path.write_bytes(small(await page.picture(height=height)))
                print(f"{path}: {path.stat().st_size} bytes")


def small(png):
    """The same picture with 64 colours, where the tool is there: a quarter of the bytes."""
    tool = shutil.which("pngquant")
    if not tool:
        return png
    return subprocess.run(
        [tool, "--speed", "1", "64", "-"], input=png, capture_output=True, check=True
    ).stdout


if __name__ == "__main__":
    if not chromium():
        sys.exit("Chromium is not installed; on Debian: apt-get install chromium")
    asyncio.run(shoot(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER))
