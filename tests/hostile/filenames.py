"""Hostile input: names of files with paths in them."""

import re

from tests.hostile.listeners import (
    LINKS,
    ROBOT,
    STATUS,
    STREAM,
    WEBHOOK,
    Visit,
    a_letter,
)
from tests.hostile.reasons import NO_NAMES, tries
from tests.hostile.table import Hostile
from tests.hostile.wire import Request
from tests.strangers import answer

PATHS = (
    "../../etc/passwd",
    "/etc/passwd",
    "..\\..\\boot.ini",
    "a/b/../../c",
    "\x00passwd",
    ".bashrc",
    "con\u202efdp.exe",
    "x" * 5_000,
)


def file_names():
    def kept(make):
        def said(house):
            house.seen = len(house.mail.got)
            return make(house)

        async def safe(house):
            texts = await house.until(
                lambda: [t for t in house.mail.texts[house.seen :] if "/media/" in t]
            )
            _, token, name = re.findall(r"/(media)/([0-9a-f]{40})/(\S*)", texts[0])[0]
            assert not re.search(r"[/\\\x00\u202e]|\.\.|%2f|%5c|%00", name, re.IGNORECASE), name
            assert (house.daemon.folder / "data/media" / token).is_file()

        return tries(said, want="200", then=safe)

    disposition = [
        f'attachment; filename="{name}"' for name in PATHS if name.isprintable() and len(name) < 1_000
    ]
    yield Hostile(
        "names of files with paths", "带路径的文件名",
        {
            "robot": sum((kept(lambda h, n=name: ROBOT.request(h, h.body("file", "simPicture+/=", n)).wire()) for name in PATHS), ()),
            "stream": sum((kept(lambda h, n=name: STREAM.request(h, h.body("file", "simPicture+/=", n))) for name in PATHS), ()),
            "webhook": tries(*(lambda h, n=name: WEBHOOK.request(h, {"attachments": [
                {"url": "https://example.com/a", "filename": n}]}).wire() for name in PATHS), want="200"),
            "status": tries(*(lambda h, n=name: STATUS.request(h, a_letter("x", attachments=[
                {"kind": "file", "url": "https://example.com/a", "filename": n[:200]}])).wire() for name in PATHS), want="202"),
            "fetched": tries(
                *(lambda _, d=one: Visit((answer(Content_Disposition=d),)) for one in disposition), want="file"
            ) + tries(
                lambda _: Visit((answer(Content_Disposition='a; filename="../../etc/passwd"'),), file="passwd"),
                lambda _: Visit((answer(Content_Disposition="a; filename*=UTF-8''..%2f..%2fetc%2fpasswd"),), file="passwd"),
                want="file",
            ),
            "links": tries(*(lambda h, n=name: Request(
                LINKS.path(h).rpartition("/")[0].encode() + b"/" + n.encode().hex().encode(), method=b"GET"
            ).wire() for name in PATHS[:6]), want="200"),
            "event": NO_NAMES, "control": NO_NAMES,
        },
    )  # fmt: skip
