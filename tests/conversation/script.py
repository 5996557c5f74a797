"""Who does what, in which room, in which order. The same words are on every reader's page."""

from __future__ import annotations

from typing import Any

Step = tuple[Any, ...]
"""The side, the verb, and what it takes."""

PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000"
    "00030101002721d4a60000000049454e44ae426082"
)
"""A PNG of one pixel."""

NOTES = "第一行：你好\nline two & <b>not bold</b>\n".encode()

CODE = 'def greet(name):\n    """Say *hello* & <hi>."""\n    return f"你好 {name}"'

FORMATTED = (
    ("plain", "This is "), ("bold", "bold"), ("plain", ", this "), ("italic", "slanted"),
    ("plain", ", this "), ("struck", "struck"), ("plain", ", and "), ("code", "x = a_b * 2"),
    ("plain", " is code"),
)  # fmt: skip
LINKED = (("plain", "Read "), ("link", "the *guide*"), ("plain", " first."))

TYPED = (
    "a_b_c *stars* <tag> 1 < 2 && 3 > 2 \\n [x](y) # no heading, `tick` https://example.com/a_b_c?x=1&y=2"
)

BEFORE: tuple[Step, ...] = (
    ("dingtalk", "says", "早上好！今天谁来发布新版本？"),
    ("telegram", "says", "Good morning. I can do it after lunch."),
    ("matrix", "says", "Morning 👋🏽 — 👩‍👩‍👧‍👦 and 🇩🇪 greet you, 🎉"),
    ("irc", "says", "morning all, the tests are green"),
    # what people type is what people read
    ("dingtalk", "says", f"钉钉: {TYPED}"),
    ("telegram", "says", f"Telegram: {TYPED}"),
    ("matrix", "says", f"Matrix: {TYPED}"),
    ("irc", "says", f"IRC: {TYPED}"),
    # several lines, and Chinese, and emoji
    ("dingtalk", "says", "三件事：\n一、打包\n\n二、测试 ✅\n三、发布 🚀"),
    ("telegram", "says", "两行\n第二行 👍🏽"),
    ("matrix", "says", "一行\n\n空一行之后 ☕️"),
    ("irc", "says", "中文也可以 😀"),
    # formatting
    ("telegram", "says_formatted", *FORMATTED),
    ("matrix", "says_formatted", *FORMATTED),
    ("irc", "says_formatted", *FORMATTED),
    ("telegram", "says_formatted", *LINKED),
    ("matrix", "says_formatted", *LINKED),
    ("telegram", "shows_code", CODE, "python"),
    ("matrix", "shows_code", CODE, "python"),
    ("telegram", "quotes", "Measure twice,\ncut once.", "So let us measure."),
    ("matrix", "quotes", "Weniger, aber besser.", "Rams said so."),
    ("irc", "acts", "fetches coffee"),
    # pictures and files
    ("dingtalk", "sends_picture", "dingPicture", PICTURE),
    ("telegram", "sends_picture", "holiday.png", PICTURE, "the view from *here*"),
    ("matrix", "sends_picture", "graph.png", PICTURE, ""),
    ("telegram", "sends_file", "notes.txt", NOTES, "my notes"),
    ("matrix", "sends_file", "Ünterlagen 文件.txt", NOTES, ""),
)

AWAY: tuple[Step, ...] = (
    ("telegram", "says", "This was said while the bridge was away, on Telegram."),
    ("matrix", "says", "This was said while the bridge was away, on Matrix."),
)
"""Without a restart it is not away, and nobody sees a difference."""

AFTER: tuple[Step, ...] = (
    # answers to what was said before the bridge was away
    ("matrix", "replies", "今天谁来发布", "Tanja wanted to."),
    ("matrix", "replies", "I can do it after lunch", "Thanks, Tanja!"),
    ("matrix", "replies", "the tests are green", "All of them?"),
    ("telegram", "replies", "今天谁来发布", "Me."),
    ("telegram", "replies", "greet you", "Hello family!"),
    ("telegram", "replies", "the tests are green", "Wonderful."),
    ("dingtalk", "replies", "Wonderful.", "太好了"),
    # edits, reactions, and what is taken back
    ("matrix", "says", "The release is at 3 pm."),
    ("matrix", "edits", "The release is at 3 pm.", "The release is at 4 pm."),
    ("telegram", "edits", "I can do it after lunch.", "Good morning. I can do it at 5."),
    ("matrix", "deletes", "空一行之后"),
    ("telegram", "says", "It will take one hour."),
    ("telegram", "edits", "It will take one hour.", "It will take two hours."),
    ("matrix", "reacts", "今天谁来发布", "👍"),
    ("matrix", "reacts", "two hours", "❤️"),
    ("matrix", "reacts", "the tests are green", "🎉"),
    ("telegram", "reacts", "at 4 pm", "👍"),
    ("telegram", "reacts", "the tests are green", "🔥"),
    ("matrix", "reacts", "It will take two hours.", "👀"),
    ("matrix", "takes_back", "It will take two hours.", "👀"),
    ("matrix", "says", "Forget this, it is wrong (Matrix)."),
    ("matrix", "deletes", "Forget this, it is wrong (Matrix)."),
    ("telegram", "says", "Forget this, it is wrong (Telegram)."),
    ("telegram", "deletes", "Forget this, it is wrong (Telegram)."),
    # long texts
    ("dingtalk", "says_at_length"),
    ("telegram", "says_at_length"),
    ("matrix", "says_at_length"),
    ("irc", "says", "that was a lot to read"),
    ("dingtalk", "says", "大家辛苦了，再见 👋"),
)
