"""One instance's settings: what they are, and what the schema cannot say about them."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.driver import Complaint, Settings
from bridge.model import AddressForm, ConversationId

from .services import is_installed, service_of

CONVERSATION = ConversationId("default")
"""All the services of an instance are one conversation: what is posted there goes to each of them."""

ADDRESSES = (AddressForm(name="default", required=(), conversation=lambda _keys: CONVERSATION),)


def check(settings: Settings) -> Iterator[Complaint]:
    """
    Lets the library read the URLs. Loading it takes a quarter of a second or more, once; nothing is sent.

    No complaint shows a URL, for nearly all hold a token.
    """
    if not is_installed():
        yield Complaint(
            path=(),
            code="library-missing",
            message="the library of this platform is not installed",
            hint="pip install 'msgbridge[apprise]'",
        )
        return
    seen: set[str] = set()
    for number, url in enumerate(settings["urls"]):
        if url in seen:
            yield Complaint(
                path=("urls", number),
                code="double-url",
                message="this URL stands in the list twice: everything would arrive there twice",
                hint="remove one of the two",
            )
        elif service_of(url) is None:
            yield Complaint(
                path=("urls", number),
                code="bad-url",
                message="this is no URL that Apprise understands",
                hint='like "ntfy://my-topic", as https://appriseit.com/services/ says for each service; '
                "some need a library of their own, which that page names",
            )
        seen.add(url)
