"""What files are, and what of it a browser is told."""

import pytest

from bridge.media_types import BINARY, media_type, safe_type, shown_as

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("claim", "safe"),
    [
        ("image/png", "image/png"),
        (" Text/HTML; charset=utf-8", "text/html"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/png\r\nSet-Cookie: a=b", ""),
        ("image", ""),
        ("*/*", ""),
        ("a/" + "b" * 100, ""),
        ("", ""),
    ],
)
def test_a_claim_is_a_token_or_nothing(claim, safe):
    assert safe == safe_type(claim)


@pytest.mark.parametrize(
    ("claims", "filename", "start", "expected"),
    [
        (("image/gif",), "a.png", PNG, "image/gif"),
        (("application/octet-stream", "audio/amr"), "a.png", PNG, "audio/amr"),
        (("", ""), "", PNG, "image/png"),
        (("",), "a.TXT", b"hello", "text/plain"),
        (("",), "a.html", b"<html>", BINARY),
        (("",), "", b"", BINARY),
        (("",), "", b"\0\0\0\x20ftypisom", "video/mp4"),
    ],
)
def test_a_file_is_what_it_claims_else_what_it_begins_with_else_what_it_is_called(
    claims, filename, start, expected
):
    assert expected == media_type(*claims, filename=filename, start=start)


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        ("image/png", ("image/png", True)),
        ("audio/amr", ("audio/amr", True)),
        ("video/mp4", ("video/mp4", True)),
        ("text/plain", ("text/plain; charset=utf-8", True)),
        ("application/pdf", ("application/pdf", False)),
        ("image/svg+xml", (BINARY, False)),
        ("image/svg", (BINARY, False)),
        ("video/vnd.some+xml", (BINARY, False)),
        ("text/html", (BINARY, False)),
        ("text/javascript", (BINARY, False)),
        ("application/xhtml+xml", (BINARY, False)),
        ("", (BINARY, False)),
    ],
)
def test_what_could_hold_a_script_is_only_ever_a_download(claimed, shown):
    assert shown == shown_as(claimed)
