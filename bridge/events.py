"""
The closed list of events that stand in the log: nothing else is ever logged.

``docs/events.md`` is made from it: ``python -m tests.event_pages``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """
    One event. ``level`` is the usual one; ``folded`` ones are told once in a while with a count when
    they repeat; ``live`` ones are of a single message: `tail` shows each, the status page none.
    """

    name: str
    level: str
    meaning: str
    to_do: str
    folded: bool = False
    live: bool = False


_NOTHING = "Nothing."

ALL = (
    Told(
        "attachment.not_copied",
        "warning",
        "A file could not be copied for a link of our own; `why` says the reason. The message goes "
        "out with the platform's link, or with a note in its text.",
        "If it is a limit of yours, raise `global.media`; otherwise nothing.",
        folded=True,
    ),
    Told(
        "command.answered",
        "info",
        "Somebody asked the bridge itself (`/bridge …`) in `conversation`, and is answered there.",
        _NOTHING,
    ),
    Told(
        "config.partly_applied",
        "warning",
        "A reload was taken, but `restart_needed` names keys of `global` that only a start reads.",
        "Restart the daemon when it suits you; nothing is lost by it.",
    ),
    Told(
        "config.reload_refused",
        "error",
        "The files were read again and are wrong, or a port could not be had. The old ones run on.",
        "`msgbridge check` shows every problem with its line; mend the files and they are taken by "
        "themselves.",
    ),
    Told(
        "config.reloaded",
        "info",
        "New files are in force; `generation` counts them, the other keys say what changed.",
        _NOTHING,
    ),
    Told(
        "control.request_failed",
        "error",
        "A request on the control socket met a bug of ours. The daemon goes on.",
        "Report it with its traceback.",
    ),
    Told(
        "control.request_refused",
        "warning",
        "Somebody sent a line to the control socket that is no request of ours.",
        "If it repeats, look which program of user `who` talks to the socket.",
        folded=True,
    ),
    Told("daemon.failed", "critical", "The daemon ends with exit code 74; `why` says the reason.",
         "Follow what `why` says: a port that is taken, a disk that fails, a second daemon."),
    Told("daemon.started", "info", "Everything is open; messages are received and sent.", _NOTHING),
    Told("daemon.stop_asked", "info", "SIGTERM came; sends in flight get 10 s.", _NOTHING),
    Told("daemon.stopped", "info", "All is closed. What waits is in the journal.", _NOTHING),
    Told(
        "delivery.died",
        "warning",
        "A delivery became a dead letter; `reason` says why.",
        "`msgbridge dead show ID`, mend the cause, then `msgbridge dead replay ID`.",
        live=True,
    ),
    Told(
        "delivery.held",
        "warning",
        "A delivery is kept back: its answer was lost where twice is worse than never, or it crashed "
        "the daemon.",
        "Look at the destination whether it arrived; then `msgbridge queue release ID` or "
        "`msgbridge queue drop ID`.",
        live=True,
    ),
    Told(
        "delivery.held_back",
        "warning",
        "Something waits for an instance that is not in the configuration.",
        "Put the instance back, or `msgbridge queue drop --instance NAME`.",
        folded=True,
    ),
    Told(
        "delivery.noted",
        "info",
        "It was sent, but the platform could not show a part of it; `notes` name the part.",
        _NOTHING,
    ),
    Told(
        "delivery.retry_scheduled",
        "warning",
        "An attempt failed and is repeated after `wait` seconds.",
        "Nothing, unless it goes on: then `msgbridge doctor` asks the platform.",
        folded=True,
    ),
    Told("delivery.sent", "info", "A platform took a message.", _NOTHING, live=True),
    Told(
        "delivery.skipped",
        "info",
        "There was nothing to send: a recall of what was never posted there, or a reaction; or it goes "
        "round (reason `loop`).",
        "Nothing; for a `loop` see `loop.tripped`.",
        live=True,
    ),
    Told(
        "destination.resumed",
        "info",
        "What was suspended works again, and its messages go out.",
        _NOTHING,
    ),
    Told(
        "destination.suspended",
        "error",
        "The platform refuses a conversation, or a whole account, until somebody mends it. Its "
        "messages wait; the oldest is tried every 5 minutes.",
        "`why` names what to mend (a token, a robot that was removed); then `msgbridge instance "
        "resume NAME`, or wait for the next try.",
        folded=True,
    ),
    Told("instance.closed", "info", "An account was closed by a reload.", _NOTHING),
    Told(
        "instance.close_failed",
        "error",
        "A driver failed while it was closed by a reload or at the stop. Nothing is lost by it.",
        "Report it with its traceback.",
    ),
    Told(
        "instance.listening_failed",
        "error",
        "A driver met something that it does not expect and stopped hearing its account. It begins anew "
        "after a second, then later and later, up to a minute; all other accounts go on.",
        "Report it with its traceback; until then, what that account hears may be missing.",
    ),
    Told("instance.opened", "info", "An account was opened, at the start or by a reload.", _NOTHING),
    Told(
        "housekeeping.put_off",
        "warning",
        "Old messages could not be forgotten, because the disk is full. It is tried again.",
        "Make room on the disk of `global.data_dir`.",
    ),
    Told(
        "journal.damage_found",
        "error",
        "The journal is not what was written: `rows` have a checksum that does not hold and are dead "
        "letters (reason `damaged`), or a look through the whole file met `problem`. The rest goes on.",
        '`docs/runbook-journal.md`, "It is damaged": keep a copy, look at the disk (`dmesg`, SMART), '
        "then `msgbridge journal check`.",
    ),
    Told(
        "journal.nearly_filled",
        "warning",
        "The journal is filling; at `refuse_at` nothing more is accepted (503).",
        "`msgbridge status` shows which destination holds it up; make room on the disk, or drop.",
    ),
    Told(
        "journal.rows_lost",
        "error",
        "Messages that were accepted are not in the journal any more: the storage lost them. `kept` is "
        "a copy of the files as they were found, if there was anything to keep.",
        "Look at the disk (`dmesg`, SMART) and move the data directory to a sound one; `msgbridge "
        "journal salvage KEPT NEW` reads what the copy still holds.",
    ),
    Told(
        "library.logged",
        "warning",
        "A library that we use has something to say; `library` names it.",
        "If it repeats, report it with the line.",
        folded=True,
    ),
    Told(
        "log.lines_lost",
        "error",
        "So many `lines` of the log could not be written, because the disk was full or nobody read them.",
        "Make room where the log goes; the daemon itself went on.",
    ),
    Told(
        "loop.tripped",
        "error",
        "What `sender` says in `conversation` goes round: it is what we brought there, and he has said "
        "it `turns` times while we carried it on by `rules`. His messages that repeat what was brought "
        "are not relayed any more (skipped, reason `loop`) until he has not done so for ten minutes; all "
        "others are.",
        "Usually `sender` is another bridge between the same rooms: end one of the two, or leave him out "
        "with `unless` in `rules`.",
    ),
    Told("message.accepted", "info", "A message is durable; `deliveries` go out.", _NOTHING, live=True),
    Told(
        "message.conflicted",
        "warning",
        "A message came with an id that is known, but with other content. The first one wins.",
        "Nothing from a chat platform. For a program of yours: a new id for a new message.",
        folded=True,
        live=True,
    ),
    Told(
        "message.ignored",
        "info",
        "Understood and acknowledged, but not ours to bridge; `reason` says why.",
        _NOTHING,
        folded=True,
        live=True,
    ),
    Told(
        "operator.acted",
        "warning",
        "Somebody did something by hand; `who`, `verb` and what it touched. For the audit.",
        _NOTHING,
    ),
    Told(
        "request.not_http",
        "debug",
        "What came on a listening port is no HTTP request; it got a 400, or the connection was closed.",
        _NOTHING,
    ),
    Told(
        "request.refused",
        "warning",
        "A request was answered with an error; `status` and `why`. At most one line a second.",
        "A few are strangers who knock. Many with 401 mean a wrong secret: `msgbridge doctor`.",
    ),
    Told(
        "tail.fell_behind",
        "warning",
        "Only in `msgbridge tail`: the reader is too slow, and missed so many events.",
        "Nothing is lost but the sight of it.",
    ),
)  # fmt: skip

BY_NAME = {told.name: told for told in ALL}
FOLDED = frozenset(told.name for told in ALL if told.folded)
LIVE = frozenset(told.name for told in ALL if told.live)
