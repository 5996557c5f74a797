"""Every sentence in the reader's language, and a page in the manual for every code."""

import gettext
import re
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from bridge.i18n import language, speaker
from bridge.phrases import phrase
from tests.catalogue import MO, PO, ROOT, codes, templates

_HOW = "add it to {} and run: pybabel compile -d bridge/locale -D msgbridge"


def _catalogue() -> dict[str, str]:
    with PO.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_sentence_has_its_chinese() -> None:
    """A phrase without a translation would be English among Chinese; one without a phrase is dead."""
    translated = {template for template, chinese in _catalogue().items() if chinese}

    missing = {template: place for template, place in templates().items() if template not in translated}

    assert {} == missing, _HOW.format(PO.relative_to(ROOT))
    assert set() == translated - templates().keys(), "no phrase says these any more: remove them"


def test_translations_have_the_same_values() -> None:
    """A name that the English does not fill would crash in Chinese only."""
    wrong = {
        english: chinese
        for english, chinese in _catalogue().items()
        if _names(english) != _names(chinese)
    }

    assert {} == wrong


def test_the_compiled_catalogue_is_the_written_one() -> None:
    """The .mo is made from the .po and committed with it."""
    with MO.open("rb") as file:
        compiled = gettext.GNUTranslations(file)

    assert all(compiled.gettext(english) == chinese for english, chinese in _catalogue().items()), (
        _HOW.format(PO)
    )


@pytest.mark.parametrize("lang", ["zh", "zh_CN", "zh-Hans", "ZH", "zh_CN.UTF-8", "zh-CN"])
def test_chinese_has_many_names(lang: str) -> None:
    """--lang takes what people and systems write."""
    assert "zh" == language(lang, {})


def test_the_environment_decides_when_nobody_chose() -> None:
    """LC_ALL before LC_MESSAGES before LANG; whatever is unknown is English."""
    assert "zh" == language("", {"LANG": "zh_CN.UTF-8"})
    assert "en" == language("", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"})
    assert "zh" == language("", {"LANG": "en_US", "LC_MESSAGES": "zh_TW"})
    assert "en" == language("", {"LANG": "fr_FR"})
    assert "en" == language("", {})
    assert "en" == language("en", {"LANG": "zh_CN"})


def test_an_unknown_choice_is_an_error() -> None:
    """Silently English would be a puzzle."""
    with pytest.raises(ValueError, match="en, zh"):
        language("klingon", {})


def test_values_may_be_phrases() -> None:
    """A sentence in a sentence is translated, too."""
    inner = phrase("a text")

    assert "x 必须是 文本，而不是 列表 […]" == speaker("zh")(
        phrase("{what} must be {wanted}, not {found}", what="x", wanted=inner, found=phrase("a list […]"))
    )


def test_what_users_wrote_is_never_a_template() -> None:
    """Braces in a value are only text."""
    assert "规则 {user.__class__}" == speaker("zh")(phrase("rule {id}", id="{user.__class__}"))


@pytest.mark.parametrize("page", ["docs/errors.md", "docs/errors.zh.md"])
def test_the_manual_has_every_code(page: str) -> None:
    """One entry for each code that the source can say, and none for a code that it cannot."""
    written = re.findall(r"^### `([\w-]+)`", Path(ROOT, page).read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(codes()) == sorted(written)
