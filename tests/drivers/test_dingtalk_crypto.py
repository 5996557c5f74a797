"""The envelope of encrypted events, held against what DingTalk's own libraries do."""

import base64

import pytest

from bridge.errors import Unverified
from drivers.dingtalk.crypto import Envelope
from tests.drivers.dingtalk.wire_files import wire

VECTORS = wire("event_crypto.json")
OPENS = {case["name"]: case for case in VECTORS["opens"]}
BASE = OPENS["gen-0"]
SALT = b"0123456789abcdef"


def envelope(case: dict[str, str] = BASE) -> Envelope:
    return Envelope(case["token"], case["aes_key"])


def signature_parts(case: dict[str, str]) -> tuple[str, str, str, str]:
    return case["signature"], case["timestamp"], case["nonce"], case["encrypt"]


@pytest.mark.parametrize("case", OPENS.values(), ids=OPENS)
def test_what_the_official_libraries_read_is_read_alike(case: dict[str, str]) -> None:
    """
    Message and owner, with every padding from 1 to 32, empty messages and emoji; published samples
    among them.
    """
    envelope(case).check(*signature_parts(case))
    opened = envelope(case).open(case["encrypt"])

    assert case["plaintext"] == opened.message.decode()
    assert case["owner"] == opened.owner


@pytest.mark.parametrize("case", VECTORS["sealed_by_official_libraries"], ids=lambda case: case["by"])
def test_what_the_official_libraries_write_is_read(case: dict[str, str]) -> None:
    """
    Go fills up to 16 bytes and Python breaks the lines; both are DingTalk's.
    """
    reader = envelope()
    reader.check(case["msg_signature"], case["timeStamp"], case["nonce"], case["encrypt"])

    assert case["plaintext"] == reader.open(case["encrypt"]).message.decode()


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda case: case["name"])
def test_what_is_not_right_is_refused(case: dict[str, dict[str, str]]) -> None:
    """
    The cases that the official libraries refuse; whose it is, the caller compares.
    """
    changed = {**OPENS[str(case["base"])], **case["change"]}
    if "aes_key" in case["change"]:
        with pytest.raises(ValueError, match="43"):
            envelope(changed)
    elif "owner" in case["change"]:
        assert changed["owner"] != envelope(changed).open(changed["encrypt"]).owner
    else:
        with pytest.raises(Unverified):
            envelope(changed).check(*signature_parts(changed))


@pytest.mark.parametrize(
    "signature", ["", "0" * 39, BASE["signature"].upper(), BASE["signature"] + "é", "\udcff" * 40]
)
def test_a_signature_of_another_shape_is_refused(signature: str) -> None:
    """
    Before it is compared: a comparison raises on what is not ASCII.
    """
    with pytest.raises(Unverified):
        envelope().check(signature, *signature_parts(BASE)[1:])


def test_one_changed_character_is_refused() -> None:
    """
    The signature covers time, nonce and content, unlike that of the robot's messages.
    """
    for place in range(1, 4):
        parts = list(signature_parts(BASE))
        parts[place] = parts[place][:-3] + "xy" + parts[place][-1]
        with pytest.raises(Unverified, match="does not match"):
            envelope().check(*parts)


@pytest.mark.parametrize("length", range(70))
def test_what_we_seal_is_opened_again(length: int) -> None:
    """
    Every padding, and filled up to 32 bytes as DingTalk does.
    """
    message = b"x" * length
    sealed = envelope().seal(message, "ding1", SALT)

    assert 0 == len(base64.b64decode(sealed)) % 32
    opened = envelope().open(sealed)
    assert (message, "ding1") == (opened.message, opened.owner)


def test_a_sealed_success_is_the_official_one() -> None:
    """
    Byte for byte, where the salt is known: DingTalk's Go library uses its nonce.
    """
    case = OPENS["published-go-success"]

    assert case["encrypt"] == envelope(case).seal(b"success", case["owner"], case["nonce"].encode())


@pytest.mark.parametrize(
    "sealed",
    ["", "=", "AAAA", "A" * 24, "!" * 64, "é" * 64, "A" * 63, base64.b64encode(bytes(32)).decode()],
)
def test_what_cannot_be_decrypted_is_refused(sealed: str) -> None:
    """
    No base64, no whole block, or no padding: never a crash.
    """
    with pytest.raises(Unverified, match="callback_aes_key"):
        envelope().open(sealed)


def test_a_length_that_lies_is_refused() -> None:
    """
    The message may not claim to be longer than all there is, nor be shorter than its head.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key = base64.b64decode(BASE["aes_key"] + "=")

    def sealed(content: bytes) -> str:
        padding = 32 - len(content) % 32
        encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
        whole = encryptor.update(content + bytes([padding]) * padding) + encryptor.finalize()
        return base64.b64encode(whole).decode()

    for content in (SALT + b"\xff\xff\xff\xffabc", SALT + b"\x00\x00\x00\x04abc", SALT, b"", SALT[:3]):
        with pytest.raises(Unverified, match="decrypted"):
            envelope().open(sealed(content))


def test_another_key_is_refused() -> None:
    """
    With the right token and the wrong key, the reader is told which to look at.
    """
    other = Envelope(BASE["token"], "b" * 43)

    with pytest.raises(Unverified, match="callback_aes_key"):
        other.open(BASE["encrypt"])
