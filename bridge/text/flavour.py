"""What a platform's Markdown has, and what stands for the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.text.tree import (
    Block,
    Blocks,
    Code,
    CodeBlock,
    Heading,
    Image,
    Inline,
    Inlines,
    ItemList,
    LineBreak,
    Paragraph,
    Quote,
    Strike,
    Text,
    lines_of,
)

_ACTIVE = frozenset({"javascript", "vbscript", "file", "data"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """
    What a platform's Markdown knows. What it lacks is written in plain words.

    ``blank`` is a blank that is not taken for indentation. Without ``references`` (``&#32;``) a blank
    parts what would not be told apart; without ``underscores`` only ``*`` stresses.
    """

    strike: bool = True
    code: bool = True
    code_blocks: bool = True
    images: bool = True
    autolinks: bool = True
    underscores: bool = True
    references: bool = True
    schemes: frozenset[str] = frozenset()
    """What links may open; empty for all that do nothing by themselves."""
    blank: str = ""

    def opens(self, url: str) -> bool:
        scheme, colon, _ = url.partition(":")
        scheme = scheme.lower()
        return bool(colon) and (scheme in self.schemes if self.schemes else scheme not in _ACTIVE)


NEUTRAL = Flavour()


def lessened(blocks: Blocks, flavour: Flavour) -> Blocks:
    """Plain words in place of what ``flavour`` does not have."""
    found: list[Block] = []
    for block in blocks:
        match block:
            case Paragraph(children) | Heading(_, children):
                found.append(replace(block, children=_less(children, flavour)))
            case CodeBlock(text):
                found.append(block if flavour.code_blocks else Paragraph(lines_of(text)))
            case Quote(inner):
                found.append(Quote(lessened(inner, flavour)))
            case ItemList(items):
                found.append(replace(block, items=tuple(lessened(item, flavour) for item in items)))
    return tuple(found)


def _less(inlines: Inlines, flavour: Flavour) -> Inlines:
    found: list[Inline] = []
    for inline in inlines:
        match inline:
            case Code(text) if not flavour.code:
                found.append(Text(text))
            case Image(url, alt) if not flavour.images or not flavour.opens(url):
                found.append(Text(f"{alt} ({url})" if alt else url))
            case Strike(children) if not flavour.strike:
                found += _less(children, flavour)
            case Text() | LineBreak() | Code() | Image():
                found.append(inline)
            case _:
                found.append(replace(inline, children=_less(inline.children, flavour)))
    return tuple(found)
