"""The status page as a text: what it says, and what no stranger can make of it."""

import re
import shlex
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from bridge.cli import _parser
from bridge.desk import InstanceState, LaneState, Reloaded
from bridge.i18n import speaker
from bridge.model import Status
from bridge.routing import Router
from bridge.status.page import View, login_page, status_page
from bridge.status.page_picture import routes_picture
from tests import scenes
from tests.clock import NOON

_VOID = {"meta", "link", "input", "br", "hr"}


class Parsed(HTMLParser):
    """Every element, every text, and every place that a browser would fetch from or go to."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.names = set()
        self.ids = []
        self.attributes = set()
        self.links = []
        self.texts = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "data")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def page(snapshot, *, lang="en", **more):
    return status_page(
        snapshot, View(lang=lang, speak=speaker(lang), refresh=more.pop("refresh", 0)), **more
    )


def read(snapshot, **more):
    return Parsed(page(snapshot, **more))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("scene", scenes.ALL)
def test_every_page_is_whole_and_asks_nobody_for_anything(scene, lang):
    """No script, no frame, no address beyond the page itself: it can be saved, mailed and printed."""
    parsed = read(scenes.ALL[scene](), lang=lang)

    assert [] == parsed.open
    assert len(parsed.ids) == len(set(parsed.ids))
    assert not parsed.names & {"script", "iframe", "img", "object", "embed", "form", "base"}
    assert not {name for name in parsed.attributes if name.startswith("on") or name == "style"}
    assert all(link.startswith(("#", "?", "data:image/svg+xml,")) for link in parsed.links)


def test_when_all_is_well_it_says_so_and_lists_no_worries():
    """A person sees in one look that there is nothing to do."""
    parsed = read(scenes.healthy())

    assert "✓ All is well" in parsed.text
    assert "To look at" not in parsed.text
    assert "✗" not in parsed.text


def test_before_anything_is_configured_it_is_calm():
    """An empty bridge is not a broken one."""
    parsed = read(scenes.empty())

    assert "Nothing is configured yet" in parsed.text
    assert "No account is configured." in parsed.text
    assert "✗" not in parsed.text
    assert "!" not in parsed.text


def test_the_header_tells_version_age_and_generation():
    """What runs, since when, and which version of the files."""
    text = read(scenes.healthy()).text

    assert "version 0.1.0" in text
    assert "running for 21 d 23 h" in text
    assert "files of generation 7 · 3 d ago" in text
    assert "2026-11-20 12:00:00 UTC" in text


def test_a_suspended_destination_is_told_by_sign_word_and_reason():
    """Not by colour alone; with what waits, since when, the next try, and what to type when it is mended."""
    text = read(scenes.suspended()).text

    assert "✗ An operator is needed" in text
    assert (
        "dt_alerts / default ✗ suspended token_unknown: errcode 310000: token is not exist "
        "msgbridge instance resume dt_alerts 218 2 h 35 min ago in 2 min 0 210 ms 2 h 36 min ago" in text
    )
    assert "ci / default ↻ trying again server_error: the endpoint answered 502 3 held: 1" in text


def test_a_rule_that_never_matched_is_flagged_but_not_one_that_is_off():
    text = read(scenes.suspended()).text

    assert "night-watch /etc/msgbridge/rules.json:38 0 ○ never matched" in text
    assert "old-room /etc/msgbridge/rules.json:44 0 – switched off" in text


def test_dead_letters_come_with_the_command_to_type():
    """The most first, and quoted for a shell."""
    snapshot = replace(scenes.healthy(), dead={"gave_up": 1, "odd one": 4})
    text = read(snapshot).text

    assert (
        "odd one 4 msgbridge dead replay --reason 'odd one' msgbridge dead drop --reason 'odd one' gave_up 1"
        in text
    )


def test_the_equation_is_written_out():
    """planned = sent + skipped + waiting + held + dead + dropped, for everybody to add up."""
    text = read(scenes.suspended()).text

    assert (
        "18,352 planned = 18,102 sent + 12 skipped + 221 waiting + 1 held + 14 dead + 2 dropped" in text
    )
    assert "✓ the books balance" in text


def test_books_that_do_not_balance_are_loud():
    """A message that is missing is worse than one that waits."""
    text = read(scenes.damaged()).text

    assert "18,400 planned ≠ 18,342 sent" in text
    assert "✗ the books do not balance" in text
    assert "✗ An operator is needed" in text
    for worry in (
        "lost messages ✗ 44",
        "damaged rows ✗ 3",
        "broken ✗ EIO on fsync",
        "nothing is accepted",
    ):
        assert worry in text


@pytest.mark.parametrize(
    ("fault", "sign"),
    [
        ({"ready": "stopping"}, "✗"),
        ({"journal": scenes.a_journal(broken="EIO")}, "✗"),
        ({"journal": scenes.a_journal(lost=1)}, "✗"),
        ({"journal": scenes.a_journal(damaged=1)}, "✗"),
        ({"journal": scenes.a_journal(fullness=0.95)}, "✗"),
        ({"journal": scenes.a_journal(fullness=0.8)}, "!"),
        ({"journal": scenes.a_journal(scenes.books(planned=2, sent=1))}, "✗"),
        ({"instances": (scenes.an_instance("a", state=InstanceState.SUSPENDED),)}, "✗"),
        ({"instances": (scenes.an_instance("a", state=InstanceState.PAUSED),)}, "!"),
        ({"destinations": (scenes.a_destination("a/b", LaneState.SUSPENDED),)}, "✗"),
        ({"destinations": (scenes.a_destination("a/b", LaneState.RETRYING),)}, "!"),
        ({"dead": {"gave_up": 1}}, "!"),
        ({"last_reload": Reloaded(at=NOON, ok=False, asked_by="x", generation=7)}, "✗"),
    ],
)
def test_each_fault_by_itself_takes_the_calm_away(fault, sign):
    """In the heading, and in the title of the browser's tab."""
    parsed = read(replace(scenes.healthy(), **fault))

    assert "All is well" not in parsed.text
    assert parsed.text.startswith(f"{sign} msgbridge msgbridge 中文 {sign}")


def test_a_refused_reload_shows_the_very_lines():
    """With carets under the right columns: nothing folds the lines."""
    refused = page(scenes.refused())

    assert '<section class="reload refused"' in refused
    assert "5 |       &quot;form&quot;: {&quot;here&quot;" in refused
    assert "\n  |       ^^^^^^ not a known field\n" in refused
    assert "did you mean &quot;from&quot;?" in refused
    assert "the files of generation 7 run on" in refused


def test_a_reload_that_the_machine_refused_says_why():
    """There is no problem in the files then."""
    last = Reloaded(at=scenes.ago(5), ok=False, asked_by="SIGHUP", generation=7, why="port 8082 is taken")

    assert "port 8082 is taken" in read(replace(scenes.healthy(), last_reload=last)).text


def test_a_reload_that_was_taken_is_no_news():
    """The generation in the header tells it."""
    last = Reloaded(at=scenes.ago(5), ok=True, asked_by="SIGHUP", generation=8)

    assert page(scenes.healthy()) == page(replace(scenes.healthy(), last_reload=last))


def test_warnings_about_the_files_stay_on_the_page():
    """A robot that checks no signature is shouted about as long as it runs."""
    text = read(scenes.with_warnings()).text

    assert "warning[chat-unsigned]: sign is not set" in text
    assert "warnings about the two files: 1" in text


def test_held_messages_want_a_look():
    """They wait for an operator, and for nobody else."""
    snapshot = replace(scenes.healthy(), journal=scenes.a_journal(scenes.books(sent=4, held=2)))

    assert 2 == snapshot.journal.ledger.by_status[Status.HELD]
    assert "! held back: 2" in read(snapshot).text


def test_names_of_strangers_are_only_text():
    """Markup is escaped, direction marks are gone, ten thousand characters become eighty."""
    whole = page(scenes.hostile())

    assert "<img" not in whole
    assert "&lt;img src=x onerror=alert(1)&gt;" in whole
    assert not set("\u202e\u2066") & set(whole)
    assert "长" * 200 not in whole.partition("<pre")[0] + whole.partition("</pre>")[2]
    assert len(whole) < 250_000


def test_events_and_facts_have_an_end():
    """However much the log holds, the page stays a page."""
    whole = page(scenes.hostile())

    assert 50 == whole.partition('id="events"')[2].count('role="row"') - 1


def test_the_picture_stands_on_the_page_in_the_readers_language():
    """It is drawn by somebody else, from the same moment and in the same language."""

    def picture(snapshot, lang):
        return f'<svg role="img" aria-label="{lang}"><title>{len(snapshot.rules)}</title></svg>'

    assert '<svg role="img" aria-label="zh"><title>3</title></svg>' in page(
        scenes.healthy(), lang="zh", picture=picture
    )
    assert "<svg" not in page(scenes.healthy(), picture=lambda _snapshot, _lang: "")


def test_the_picture_marks_destinations_as_the_table_does():
    """Stopped, waiting, well; and nothing is drawn where there is no rule."""
    router = scenes.rules_of_the_house()
    drawn = routes_picture(lambda: router)(scenes.suspended(), "en")

    assert 1 == drawn.count('class="sign stopped"')
    assert 1 == drawn.count('class="sign waiting"')
    assert 2 == drawn.count('class="sign well"')
    assert drawn in page(scenes.suspended(), picture=routes_picture(lambda: router))
    assert "" == routes_picture(lambda: Router.of([], {}))(scenes.empty(), "en")


def test_it_renews_itself_only_when_asked():
    """A page that moves by itself is a nuisance to some."""
    assert "http-equiv" not in page(scenes.healthy())
    assert '<meta http-equiv="refresh" content="10">' in page(scenes.healthy(), refresh=10)


def test_the_other_language_is_one_click_away_and_keeps_the_refresh():
    assert '<a href="?lang=zh&amp;refresh=10" hreflang="zh-CN" lang="zh-CN"' in page(
        scenes.healthy(), refresh=10
    )
    assert '<html lang="zh-CN">' in page(scenes.healthy(), lang="zh")


def test_what_is_not_shown_is_counted():
    """Sixty destinations are shown, of the rest it is said that there is no trouble."""
    text = read(scenes.crowded()).text

    assert "and 1,240 more without trouble" in text
    assert 60 == text.count("✓ all right")


def test_the_form_for_a_token_says_when_one_was_wrong():
    view = View(lang="en", speak=speaker("en"))

    assert "That is no token" not in login_page(view, refused=False)
    assert "That is no token" in login_page(view, refused=True)


def test_the_commands_on_the_page_can_be_typed():
    """The command line knows every one of them, whatever the names in them."""
    snapshot = replace(
        scenes.suspended(),
        dead={"gave up; rm -rf": 1},
        instances=(scenes.an_instance("it's", state=InstanceState.PAUSED),),
    )
    commands = re.findall(r"<code>(msgbridge .*?)</code>", page(snapshot))

    assert 5 == len(commands)
    for command in commands:
        program, *words = shlex.split(unescape(command))
        assert "msgbridge" == program
        _parser().parse_args(words)
