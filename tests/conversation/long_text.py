"""A text of 12,000 characters, and whether all of it is there."""

from __future__ import annotations

from collections.abc import Sequence

LENGTH = 12_000


def long_text(language: str) -> str:
    """Numbered sentences of Chinese and English in paragraphs, `LENGTH` characters in all."""
    text = ""
    number = 0
    while len(text) < LENGTH:
        number += 1
        text += f"§{number:04} 这一句很长，在 {language} 里写的，with *stars* & <tags>, a_b_c and 🙂. "
        if number % 12 == 0:
            text = text.rstrip() + "\n\n"
    return text[: LENGTH - 1].rstrip().ljust(LENGTH - 1, "。") + "!"


def bare(text: str) -> str:
    """Without the blanks and line ends at which it may have been cut."""
    return "".join(text.split())


def arrived(texts: Sequence[str], author: str, language: str) -> str:
    """
    What a room shows of the long text by ``author``, who stands before its first part, or before every
    part; `bare`.
    """
    begin = next(n for n, text in enumerate(texts) if "§0001" in text and text.startswith(f"{author}:"))
    said = ""
    for text in texts[begin:]:
        said += bare(text.removeprefix(f"{author}: "))
        if said.endswith("!") or len(said) > LENGTH:
            break
    return said
