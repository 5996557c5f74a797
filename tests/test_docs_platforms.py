"""The page that says what crosses between which platforms says what the drivers do."""

import runpy
from pathlib import Path

import pytest

from bridge.model import Capabilities, Support
from tests.contract import crossing
from tests.contract.cases import KINDS
from tests.contract.crossing import Account, Heard, crosses, page, unit

DOCS = Path(__file__).parents[1] / "docs"


def an_account(*hears: str, gives_ids: bool = True, **able: Support) -> Account:
    heard = Heard("webhook", frozenset(hears)) if hears else None
    return Account("irc", Capabilities(max_text=4096, **able), gives_ids, heard)


def test_the_pages_are_what_the_drivers_claim() -> None:
    """After a change of a driver's capabilities, or with a new driver: `make docs`."""
    written = runpy.run_path(str(DOCS / "generate.py"))["platform_pages"]()

    for file, text in written.items():
        assert text == file.read_text("utf-8"), f"{file.name} is old: make docs"


def test_every_kind_of_account_is_on_the_page() -> None:
    """Also one that only sends; and each as often as there are tables that it belongs to."""
    known = crossing.accounts()

    assert (
        {one.kind for one in known} == {path.stem for path in crossing.CASES.glob("*.py")} <= set(KINDS)
    )
    for one in known:
        assert page("en", known).count(f"| {one.name} |") >= (2 if one.heard is None else 4), one.kind


@pytest.mark.parametrize(
    ("source", "target", "crossing_"),
    [
        (
            an_account("edit", "reply"),
            an_account(edit=Support.NATIVE, reply=Support.NATIVE),
            {"edit", "reply"},
        ),
        (an_account("edit"), an_account(reply=Support.NATIVE), set()),
        (an_account("message"), an_account(edit=Support.NATIVE), set()),
        (an_account(), an_account(edit=Support.NATIVE), set()),
        (an_account("edit"), an_account(edit=Support.NATIVE, gives_ids=False), set()),
        (an_account("files"), an_account(attachments=Support.NATIVE, gives_ids=False), {"files"}),
    ],
)
def test_only_what_both_sides_have_crosses(source: Account, target: Account, crossing_: set[str]) -> None:
    """
    It is heard here, it can be done there; and what is about another message needs that one's id.
    """
    assert crossing_ == crosses(source, target)


@pytest.mark.parametrize(
    ("measure", "counted"),
    [
        (len, "characters"),
        (lambda text: len(text.encode("utf-16-le")) // 2, "utf-16"),
        (lambda text: len(text.encode()), "utf-8"),
        (lambda text: len(text.encode()) + text.count('"'), "json"),
        (lambda text: 7 * len(text), "own"),
    ],
)
def test_the_unit_of_a_measure_is_recognised(measure, counted: str) -> None:
    """
    Nobody writes it down, so it is found out; what is none of them is called so.
    """
    assert counted == unit(measure)


def test_a_support_that_is_dropped_is_not_shown_as_what_it_would_become() -> None:
    """
    A fallback is named, an absence is a dash.
    """
    text = page("en", [an_account(edit=Support.DROPPED, reply=Support.FALLBACK)])

    (row,) = [line for line in text.splitlines() if "4,096 characters" in line]
    assert ["a quoted line", "–", "–"] == row.strip("| ").split(" | ")[3:6]
