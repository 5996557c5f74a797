"""
The reader's language: phrases into English or Chinese.

English is what stands in the code; other languages are gettext catalogues beside this file, one per
folder of ``locale``. After a change: ``pybabel compile -d bridge/locale -D msgbridge``.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from bridge.phrases import Phrase

LANGUAGES = ("en", "zh")
"""What ``--lang`` takes; ``zh_CN``, ``zh-Hans`` and the like mean ``zh``."""

Speak = Callable[[Phrase], str]
"""Says a phrase in one language."""

_FOLDERS = {"zh": "zh_CN"}
_LOCALE = Path(__file__).parent / "locale"


def language(chosen: str, environ: Mapping[str, str]) -> str:
    """
    ``en`` or ``zh``: what was chosen, else the first of LC_ALL, LC_MESSAGES, LANG that is set.

    Raises ValueError for a choice that is neither.
    """
    if chosen:
        if found := _known(chosen):
            return found
        raise ValueError(
            f"{chosen!r} is not a language of msgbridge: choose one of {', '.join(LANGUAGES)}"
        )
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environ.get(name):
            return _known(environ[name]) or "en"
    return "en"


def speaker(lang: str) -> Speak:
    """For ``en`` or ``zh``; a phrase without a translation is said in English."""
    translate = _catalogue(lang).gettext

    def speak(phrase: Phrase) -> str:
        values = {
            name: speak(value) if isinstance(value, Phrase) else value
            for name, value in phrase.values.items()
        }
        return translate(phrase.template).format_map(values)

    return speak


def _known(name: str) -> str:
    small = name.strip().lower().replace("_", "-").partition(".")[0].partition("@")[0]
    if small in ("c", "posix"):
        return "en"
    root = small.partition("-")[0]
    return root if root in LANGUAGES else ""


@cache
def _catalogue(lang: str) -> gettext.NullTranslations:
    return gettext.translation("msgbridge", _LOCALE, [_FOLDERS.get(lang, lang)], fallback=True)
