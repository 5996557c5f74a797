"""Who sent a DingTalk callback: the headers, their window, and how much one pair vouches for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Unverified
from drivers.dingtalk import signature
from drivers.dingtalk.signature import Verifier, Vouchers, sign
from tests.drivers.dingtalk.wire_files import wire

HOUR = 3600.0
SIGNATURES = wire("signatures.json")
CASES = [case for case in SIGNATURES["verify"] if isinstance(case["accept"], bool)]
SECRET = "sim-app-secret"
STAMP = "1760000000000"
SIGNED_AT = datetime.fromtimestamp(1760000000, UTC)


@pytest.mark.parametrize("case", SIGNATURES["sign"], ids=lambda case: case["timestamp"])
def test_signatures_are_those_of_the_vendor(case: dict[str, str]) -> None:
    """
    Agreed by three independent implementations, Chinese secrets included.
    """
    assert case["sign_base64"] == sign(case["timestamp"], case["secret"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_published_cases_are_decided_as_published(case: dict[str, Any]) -> None:
    """
    With a window of one hour, which is the vendor's own.
    """
    verifier = Verifier(case["secret"], HOUR)
    now = datetime.fromtimestamp(case["now_ms"] / 1000, UTC)

    if case["accept"]:
        verifier.check(case["headers"], now)
    else:
        with pytest.raises(Unverified):
            verifier.check(case["headers"], now)


@pytest.mark.parametrize(
    ("late", "accepted"), [(299.999, True), (300.0, False), (-299.999, True), (-300.0, False)]
)
def test_a_stale_signature_is_refused_on_both_sides(late: float, accepted: bool) -> None:
    """
    A right signature is worth nothing outside of the window, be it past or future.
    """
    verifier = Verifier(SECRET, 300.0)
    headers = {"timestamp": STAMP, "sign": sign(STAMP, SECRET)}
    now = SIGNED_AT + timedelta(seconds=late)

    if accepted:
        verifier.check(headers, now)
    else:
        with pytest.raises(Unverified, match="signature_window"):
            verifier.check(headers, now)


@pytest.mark.parametrize(
    ("timestamp", "given_sign"),
    [
        ("176_000_000_00", sign("176_000_000_00", SECRET)),
        ("１７６００００００００００", sign("１７６００００００００００", SECRET)),
        (STAMP + "\n", sign(STAMP, SECRET)),
        (STAMP, sign(STAMP, SECRET) + "\n"),
        (STAMP, "签" * 44),
        (STAMP, "\udcff" * 44),
        (STAMP, sign(STAMP, SECRET).replace("=", "!=")),
        (STAMP, "A" * 100_000),
    ],
)
def test_headers_that_only_look_right_are_refused(timestamp: str, given_sign: str) -> None:
    """
    Formats are matched in full and in ASCII, before int() or compare_digest() see them.
    """
    with pytest.raises(Unverified):
        Verifier(SECRET, 300.0).check({"timestamp": timestamp, "sign": given_sign}, SIGNED_AT)


@given(st.text(max_size=50), st.text(max_size=50))
def test_no_pair_of_headers_crashes(timestamp: str, given_sign: str) -> None:
    """
    A stranger's headers are refused, whatever they are.
    """
    with pytest.raises(Unverified):
        Verifier(SECRET, 300.0).check({"timestamp": timestamp, "sign": given_sign}, SIGNED_AT)


def test_a_refusal_tells_no_secret() -> None:
    """
    Neither the secret nor the signature that would have been right is in the message.
    """
    with pytest.raises(Unverified) as caught:
        Verifier(SECRET, 300.0).check({"timestamp": STAMP, "sign": "A" * 43 + "="}, SIGNED_AT)

    assert SECRET not in str(caught.value)
    assert sign(STAMP, SECRET) not in str(caught.value)


def test_one_signature_vouches_for_64_messages() -> None:
    """
    Who caught one pair of headers can send 64 messages with it, not thousands.
    """
    vouchers = Vouchers(300.0)
    for number in range(64):
        vouchers.admit(STAMP, f"m{number}", SIGNED_AT)

    with pytest.raises(Unverified, match="64"):
        vouchers.admit(STAMP, "m64", SIGNED_AT)


def test_a_repeated_message_is_not_counted_again() -> None:
    """
    DingTalk may repeat a callback as often as it likes, also when the signature is worn out.
    """
    vouchers = Vouchers(300.0)
    for number in range(64):
        vouchers.admit(STAMP, f"m{number}", SIGNED_AT)

    for _ in range(3):
        vouchers.admit(STAMP, "m0", SIGNED_AT)
    vouchers.admit("1760000000001", "m64", SIGNED_AT)


def test_signatures_are_forgotten_after_the_window() -> None:
    """
    They would be refused by their age, so nothing needs to be remembered.
    """
    vouchers = Vouchers(300.0)
    for number in range(100):
        vouchers.admit(str(1760000000000 + number), "m", SIGNED_AT)
    assert len(vouchers) == 100

    vouchers.admit("1760000400000", "m", SIGNED_AT + timedelta(seconds=400))

    assert len(vouchers) == 1


def test_memory_is_bounded_within_the_window() -> None:
    """
    However many signatures arrive at once, only so many are remembered.
    """
    vouchers = Vouchers(300.0)
    for number in range(signature.REMEMBERED_SIGNATURES + 100):
        vouchers.admit(str(1760000000000 + number), "m", SIGNED_AT)

    assert len(vouchers) == signature.REMEMBERED_SIGNATURES
