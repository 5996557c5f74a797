"""Taking back, changing, and interactive cards, over real sockets."""

import asyncio
import json
from typing import Any

import pytest

from bridge.driver import Editor, Recaller
from bridge.errors import Broken, DeliveryError, Indeterminate, Refused, Throttled, Transient
from bridge.model import Attachment, AttachmentKind, Button, ConversationId, MessageId, TextFormat
from drivers.dingtalk.faults import Fault, refusal
from drivers.dingtalk.picture import small_picture
from tests.drivers.dingtalk.pair import GROUP, PERSON, an_outgoing, connected

PICTURE = "https://files.example.com/a.png"
TEMPLATE = "simTemplate.schema"
BUTTON = Button("Open", "https://example.com/1")
RECALLS = {
    GROUP: "/v1.0/robot/groupMessages/recall",
    PERSON: "/v1.0/robot/otoMessages/batchRecall",
}


def ids(*names: str) -> list[MessageId]:
    return [MessageId(name) for name in names]


@pytest.mark.parametrize("where", [GROUP, PERSON])
def test_what_was_posted_is_taken_back(where: str) -> None:
    """
    In groups and in direct chats, with every file that went with it.
    """

    async def scenario() -> None:
        async with connected(web={PICTURE: small_picture()}) as pair:
            assert isinstance(pair.driver, Recaller)
            assert isinstance(pair.driver, Editor)
            picture = Attachment(kind=AttachmentKind.IMAGE, url=PICTURE, filename="a.png")
            posted = await pair.driver.send(an_outgoing("oops", to=where, attachments=(picture,)))
            other = await pair.driver.send(an_outgoing("fine", to=where))
            assert posted.message_id is not None

            receipt = await pair.driver.recall(ConversationId(where), [posted.message_id])

            assert receipt.notes == ()
            left = {one.process_query_key for one in pair.dingtalk.received} - pair.dingtalk.recalled
            assert left == {other.message_id}
            assert pair.dingtalk.calls[-1].path == RECALLS[where]

    asyncio.run(scenario())


def test_many_posts_are_taken_back_twenty_at_a_time() -> None:
    """
    DingTalk takes no more in one request.
    """

    async def scenario() -> None:
        async with connected() as pair:
            keys = []
            for number in range(45):
                receipt = await pair.driver.send(an_outgoing(str(number)))
                assert receipt.message_id is not None
                keys.append(receipt.message_id)

            await pair.driver.recall(ConversationId(GROUP), keys)

            assert pair.dingtalk.recalled == set(keys)
            asked = [call for call in pair.dingtalk.calls if call.path == RECALLS[GROUP]]
            assert [len(json.loads(call.body)["processQueryKeys"]) for call in asked] == [20, 20, 5]

    asyncio.run(scenario())


def test_what_stays_is_said() -> None:
    """
    Some: a note. All: refused, in words that help. What is gone already is no failure.
    """

    async def scenario() -> None:
        async with connected() as pair:
            posted = await pair.driver.send(an_outgoing("oops"))
            assert posted.message_id is not None

            receipt = await pair.driver.recall(
                ConversationId(GROUP), [posted.message_id, *ids("too old")]
            )
            assert receipt.notes == ("1 of 2 posts could not be taken back",)
            with pytest.raises(Refused, match="24 hours") as caught:
                await pair.driver.recall(ConversationId(GROUP), ids("too old"))
            assert caught.value.reason == "not_recalled"
            again = await pair.driver.recall(ConversationId(GROUP), [posted.message_id])
            assert again.notes == ()
            with pytest.raises(Refused):
                await pair.driver.recall(ConversationId("dm:cidX"), ids("k"))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refusal(400, "robot.processQueryKey.expired"), Refused),
        (refusal(400, "not.allowed.robotCode"), Broken),
        (refusal(403, "Forbidden.AccessDenied.QpsLimitForApi"), Throttled),
        (Fault(504), Transient),
        (Fault(reset=True), Transient),
        (Fault(200, b"{"), Transient),
    ],
)
def test_a_recall_that_fails_can_be_tried_again(fault: Fault, error: type[DeliveryError]) -> None:
    """
    Asking twice does no harm, so a lost answer is no doubt.
    """

    async def scenario() -> None:
        async with connected() as pair:
            pair.dingtalk.fail_next(fault)
            with pytest.raises(DeliveryError) as caught:
                await pair.driver.recall(ConversationId(GROUP), ids("k"))
            assert type(caught.value) is error

    asyncio.run(scenario())


def test_an_edit_takes_the_message_back_and_posts_it_anew() -> None:
    """
    DingTalk cannot change a message; it has a new id from then on, and a mark, for it stands below
    what was said since.
    """

    async def scenario() -> None:
        async with connected() as pair:
            first = await pair.driver.send(an_outgoing("helo"))
            assert first.message_id is not None

            receipt = await pair.driver.edit([first.message_id], an_outgoing("hello"))

            assert pair.dingtalk.recalled == {first.message_id}
            assert receipt.message_id == pair.dingtalk.received[-1].process_query_key
            assert pair.dingtalk.received[-1].text == "[edited] hello"

            again = await pair.driver.edit(ids("too old"), an_outgoing("hello!"))
            assert "the earlier message stays" in again.notes[0]
            assert pair.dingtalk.received[-1].text == "[edited] hello!"

            await pair.driver.edit(ids("old"), an_outgoing("# hello", format=TextFormat.MARKDOWN))
            assert pair.dingtalk.received[-1].text == "\\[edited\\]\n\n# hello"

    asyncio.run(scenario())


def test_an_edit_is_not_posted_while_taking_back_may_still_succeed() -> None:
    """
    Or both versions would stand there.
    """

    async def scenario() -> None:
        async with connected() as pair:
            first = await pair.driver.send(an_outgoing("helo"))
            assert first.message_id is not None
            pair.dingtalk.fail_next(refusal(500, "system.error"))
            with pytest.raises(Transient):
                await pair.driver.edit([first.message_id], an_outgoing("hello"))
            assert [one.text for one in pair.dingtalk.received] == ["helo"]

    asyncio.run(scenario())


# --- interactive cards ---


@pytest.mark.parametrize(("where", "space"), [(GROUP, GROUP), (PERSON, "manager1001")])
def test_buttons_go_out_as_an_interactive_card(where: str, space: str) -> None:
    """
    With the configured template; what has no buttons is a message as ever.
    """

    async def scenario() -> None:
        async with connected(card_template_id=TEMPLATE) as pair:
            receipt = await pair.driver.send(
                an_outgoing("ready\nto go", to=where, title="Build", buttons=(BUTTON, Button("dead")))
            )
            await pair.driver.send(an_outgoing("plain", to=where))

            (card,) = pair.dingtalk.cards.cards.values()
            assert card.space == space
            assert card.values["title"] == "Build"
            assert card.values["text"] == "ready  \nto go"
            assert json.loads(card.values["buttons"]) == [{"text": "Open", "url": BUTTON.url}]
            assert "1 buttons left out" in receipt.notes[0]
            assert [one.text for one in pair.dingtalk.received] == ["plain"]

    asyncio.run(scenario())


def test_a_card_is_changed_in_place_and_emptied_when_it_is_taken_back() -> None:
    """
    Its id stays.
    """

    async def scenario() -> None:
        async with connected(card_template_id=TEMPLATE) as pair:
            posted = await pair.driver.send(an_outgoing("one", buttons=(BUTTON,)))
            assert posted.message_id is not None
            (card,) = pair.dingtalk.cards.cards.values()

            edited = await pair.driver.edit([posted.message_id], an_outgoing("two", buttons=(BUTTON,)))
            assert edited.message_id == posted.message_id
            assert (card.values["text"], card.updates) == ("two", 1)

            receipt = await pair.driver.recall(ConversationId(GROUP), [posted.message_id])
            assert card.values == {"title": "(withdrawn)", "text": "(withdrawn)", "buttons": "[]"}
            assert "cannot be taken back" in receipt.notes[0]

    asyncio.run(scenario())


def test_the_same_message_is_the_same_card() -> None:
    """
    After a lost answer it is made again under the same name.
    """

    async def scenario() -> None:
        async with connected(card_template_id=TEMPLATE) as pair:
            pair.dingtalk.fail_next(Fault(reset=True, took=True), path="/v1.0/card")
            with pytest.raises(Indeterminate):
                await pair.driver.send(an_outgoing("one", buttons=(BUTTON,)))
            await pair.driver.send(an_outgoing("one", buttons=(BUTTON,)))
            assert len(pair.dingtalk.cards.cards) == 1

    asyncio.run(scenario())


def test_a_text_too_long_for_a_card_is_an_action_card() -> None:
    """
    DingTalk advises one KiB for a variable.
    """

    async def scenario() -> None:
        async with connected(card_template_id=TEMPLATE) as pair:
            await pair.driver.send(an_outgoing("字" * 400, buttons=(BUTTON,)))
            assert [one.msg_key for one in pair.dingtalk.received] == ["sampleActionCard"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(200, {"success": True, "result": {"deliverResults": [{"success": False}]}}), Refused),
        (Fault(200, {"success": True, "result": {"deliverResults": []}}), Indeterminate),
        (Fault(200, {"success": True}), Indeterminate),
        (Fault(200, []), Indeterminate),
        (refusal(403, "Forbidden.AccessDenied.AccessTokenPermissionDenied"), Broken),
        (refusal(400, "param.templateNotExist"), Refused),
    ],
)
def test_a_card_that_is_not_delivered_is_no_success(fault: Fault, error: type[DeliveryError]) -> None:
    """
    An answer can be 200 and say that it arrived nowhere.
    """

    async def scenario() -> None:
        async with connected(card_template_id=TEMPLATE) as pair:
            pair.dingtalk.fail_next(fault, path="/v1.0/card")
            with pytest.raises(DeliveryError) as caught:
                await pair.driver.send(an_outgoing("one", buttons=(BUTTON,)))
            assert type(caught.value) is error

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(504), Transient),
        (Fault(reset=True), Transient),
        (Fault(200, {"success": False}), Refused),
        (refusal(400, "param.cardNotExist"), Refused),
    ],
)
def test_an_update_that_fails_is_told_apart(fault: Fault, error: type[DeliveryError]) -> None:
    """
    The same update twice does no harm.
    """

    async def scenario() -> None:
        async with connected(card_template_id=TEMPLATE) as pair:
            posted = await pair.driver.send(an_outgoing("one", buttons=(BUTTON,)))
            assert posted.message_id is not None
            # The HTTP client itself asks a second time, since the update is a PUT.
            pair.dingtalk.fail_next(fault, fault, path="/v1.0/card")
            with pytest.raises(DeliveryError) as caught:
                await pair.driver.edit([posted.message_id], an_outgoing("two"))
            assert type(caught.value) is error

    asyncio.run(scenario())


def test_the_simulator_refuses_what_is_no_card() -> None:
    """
    Where a client could go wrong, it must notice here.
    """
    good: dict[str, Any] = {
        "cardTemplateId": TEMPLATE,
        "outTrackId": "t",
        "cardData": {"cardParamMap": {"title": "T"}},
        "openSpaceId": f"dtv1.card//im_group.{GROUP}",
        "imGroupOpenDeliverModel": {"robotCode": "dingsimappkey0000001"},
    }
    wrong = [
        {"cardTemplateId": "other"},
        {"outTrackId": ""},
        {"cardData": {"cardParamMap": {"title": 5}}},
        {"openSpaceId": "cid"},
        {"imGroupOpenDeliverModel": {"robotCode": "other"}},
    ]

    async def scenario() -> None:
        async with connected() as pair:
            api, path = pair.driver._api, "/v1.0/card/instances/createAndDeliver"
            for change in wrong:
                answer = await api.call(path, json.dumps({**good, **change}).encode())
                assert answer.status == 400, change
            answer = await api.call(path, json.dumps(good).encode())
            assert json.loads(answer.body)["result"]["deliverResults"][0]["success"] is True

    asyncio.run(scenario())
