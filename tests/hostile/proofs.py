"""Hostile input: proofs and times that are not right."""

from tests.hostile.listeners import (
    EVENT,
    HTTP,
    LINKS,
    ROBOT,
    STATUS,
    WEBHOOK,
)
from tests.hostile.reasons import BY_THE_KERNEL, NO_TIME, OURS, WE_ASK, tries, wired
from tests.hostile.table import Hostile


def _other_padding_bits(proof):
    """The last character that counts, with bits changed that belong to no byte."""
    body = proof.rstrip("=")
    end = proof[len(body) :]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return body[:-1] + alphabet[(alphabet.index(body[-1]) + 1) % 64] + end


PROOFS = (
    ("no signature or token", "没有签名或令牌", (lambda _: None, lambda _: "")),
    ("a prefix of the right one", "正确值的前缀", (lambda p: p[: len(p) // 2], lambda p: p[:-1])),
    ("a longer one", "更长的", (lambda p: p + "A", lambda p: p + p, lambda p: p + "=" * 2_000)),
    (
        "not ASCII", "非 ASCII",
        (lambda p: p[:-2] + "é=", lambda p: p + "\udcff", lambda p: p.translate({48: "０", 49: "１", 97: "ａ", 65: "Ａ"}) + "ａ"),
    ),
    ("altered padding bits", "改动填充位", (_other_padding_bits,)),
    (
        "junk in and around the base64", "base64 里外的杂物",
        (lambda p: f"*{p}", lambda p: f"{p[:9]}!{p[9:]}", lambda p: f'"{p}"', lambda p: f"{p}=", lambda p: f"{p}%0a"),
    ),
)  # fmt: skip


def _printable(sealed):
    """A lone surrogate would be cleaned away, and what is left is right."""
    return (sealed or "").replace("\udcff", "ÿ")


def proofs():
    for english, chinese, mutations in PROOFS:
        made = {one.name: [] for one in HTTP}
        for change in mutations:
            for one in (ROBOT, EVENT, WEBHOOK, STATUS, LINKS):
                made[one.name].append(wired(lambda house, o=one, c=change: o.request(house, proof=c)))
            made["event"].append(
                wired(lambda h, c=change: EVENT.request(h, seal=lambda s: _printable(c(s))))
            )
            made["status"].append(wired(lambda h, c=change: STATUS.with_cookie(h, proof=c)))
        cells = {name: tries(*each, want="401") for name, each in made.items()}
        cells["status"] = tries(*made["status"], want="401 429")
        cells["links"] = tries(*made["links"], want="404")
        yield Hostile(
            english, chinese, {**cells, "control": BY_THE_KERNEL, "stream": OURS, "fetched": WE_ASK}
        )


def _wide(stamp):
    return stamp.translate({48 + digit: 0xFF10 + digit for digit in range(10)})


def _shifted(seconds):
    def shift(stamp):
        unit = 1000 if len(stamp) == len("1760000000000") else 1
        return str(int(stamp) + seconds * unit)

    return shift


def _other_unit(stamp):
    return stamp[:-3] if len(stamp) == len("1760000000000") else stamp + "000"


STAMPS = (
    ("times with signs", "带符号的时间", (lambda s: f"+{s}", lambda s: f"-{s}")),
    ("with underscores", "带下划线", (lambda s: f"{s[0]}_{s[1:]}", lambda s: f"{s}_")),
    ("in full-width digits", "全角数字", (_wide, lambda s: s[:-1] + _wide(s[-1]))),
    ("of 5,000 digits", "5000 位数字", (lambda _: "1" * 5_000, lambda s: "0" * (5_000 - len(s)) + s)),
    ("seconds for milliseconds, or the other way", "秒与毫秒互换", (_other_unit,)),
    ("stale", "过期", (_shifted(-301), _shifted(-86_400))),
    ("from the future", "来自未来", (_shifted(302), _shifted(86_400))),
    (
        "times that are none", "不是时间",
        (lambda _: None, lambda _: "", lambda s: f"{s}.0", lambda s: f"0x{s}", lambda _: "NaN", lambda _: "1e12"),
    ),
)  # fmt: skip


def stamps():
    for english, chinese, changes in STAMPS:
        cells = {
            one.name: tries(
                *(wired(lambda house, o=one, c=change: o.request(house, stamp=c)) for change in changes),
                want="401",
            )
            for one in (ROBOT, EVENT, WEBHOOK)
        }
        cookies = [wired(lambda h, c=change: STATUS.with_cookie(h, stamp=c)) for change in changes]
        cells["status"] = tries(*cookies, want="401")
        yield Hostile(
            english,
            chinese,
            {**cells, "control": BY_THE_KERNEL, "stream": OURS, "links": NO_TIME, "fetched": WE_ASK},
        )
