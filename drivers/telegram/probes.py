"""What Telegram says of a bot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import Broken, DeliveryError, Malformed
from bridge.model import Finding

from .failures import Conflict
from .updates import ALLOWED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.wild import Wild

    from .api import Api
    from .memory import Moves
    from .settings import Bot


async def probe(api: Api, bot: Bot, moves: Moves, trouble: DeliveryError | None) -> Sequence[Finding]:
    """Never raises; posts nothing, and asks for no updates: that would take them from the bridge."""
    try:
        me = await api.ask("getMe", {})
        webhook = await api.ask("getWebhookInfo", {})
        return (*_me(me, bot), *_way_in(webhook, bot), *_trouble(trouble), *_moved(moves))
    except Malformed as e:
        finding = Finding(
            ok=False,
            what=f"Telegram's answer has no sense: {e}",
            hint="look at base_url: is it the Bot API?",
        )
    except Broken as e:
        finding = Finding(
            ok=False,
            what=f"Telegram does not let us in: {e}",
            hint="look at token and base_url; @BotFather shows the token (/mybots)",
        )
    except DeliveryError as e:
        finding = Finding(
            ok=False,
            what=f"Telegram cannot be asked: {e}",
            hint="is there a firewall, a proxy or a block in between? Set proxy, or base_url",
        )
    return (finding,)


def _me(me: Wild, bot: Bot) -> Iterator[Finding]:
    yield Finding(ok=True, what=f"Telegram knows the bot: @{me['username'].name('')}")
    if bot.receive != "none" and not me["can_read_all_group_messages"].flag():
        yield Finding(
            ok=False,
            what="privacy mode is on, so in groups the bot hears commands and answers to it only",
            hint="tell @BotFather /setprivacy, Disable; then take the bot out of its groups and put it "
            "in again. Where it is an administrator it hears everything anyway",
        )


def _way_in(webhook: Wild, bot: Bot) -> Iterator[Finding]:
    url = webhook["url"].text("")
    match bot.receive, bool(url):
        case "poll", True:
            yield Finding(
                ok=False,
                what="a webhook is set, so nothing can be polled",
                hint='call deleteWebhook (the README has the line), or set "receive" to "webhook"',
            )
        case "poll", False:
            yield Finding(ok=True, what="no webhook is set, and the bridge polls")
        case "webhook", False:
            yield Finding(
                ok=False,
                what="no webhook is set, so Telegram calls nobody",
                hint="call setWebhook (the README has the line)",
            )
        case "webhook", True:
            yield from _webhook(webhook, url, bot)


def _webhook(webhook: Wild, url: str, bot: Bot) -> Iterator[Finding]:
    allowed = {one.text("") for one in webhook["allowed_updates"]}
    missing = sorted(set(ALLOWED) - allowed) if allowed else ["message_reaction"]
    if not url.endswith(bot.listen_path):
        yield Finding(
            ok=False,
            what=f"the webhook does not lead here, for its path is not listen_path: {bot.listen_path}",
            hint="call setWebhook with the address of this bridge, or change listen_path",
        )
    elif missing:
        yield Finding(
            ok=False,
            what=f"the webhook does not bring everything: {', '.join(missing)}",
            hint="call setWebhook again, with all of allowed_updates (the README has the line)",
        )
    else:
        yield Finding(ok=True, what="the webhook is set")
    if error := webhook["last_error_message"].name(""):
        waiting = webhook["pending_update_count"].number(0)
        yield Finding(
            ok=not waiting,
            what=f"Telegram had trouble with the webhook: {error}; {waiting} updates wait",
            hint="does the address answer from outside, with a certificate that is good?",
        )


def _trouble(trouble: DeliveryError | None) -> Iterator[Finding]:
    if isinstance(trouble, Conflict):
        yield Finding(
            ok=False,
            what=f"somebody else takes this bot's updates: {trouble}",
            hint="a token is for one program: stop the other one, or make a bot of your own for it",
        )
    elif trouble is not None:
        yield Finding(ok=False, what=f"nothing is heard: {trouble}", hint="it is tried again")


def _moved(moves: Moves) -> Iterator[Finding]:
    for old, new in moves.unsettled:
        yield Finding(
            ok=False,
            what=f"a group became a supergroup, and has another id: {old} is {new} now",
            hint=f'in rules.json change the group\'s id, then restart the bridge: "chat_id": "{new}"',
        )
