"""Who knows whom: the parts of a daemon, put together, and not yet opened."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from bridge.acceptor import Acceptor
from bridge.analysis.accounts import Accounts
from bridge.chat_commands import ChatCommands
from bridge.clerk import Clerk
from bridge.clerk.looking import Lookout, Running
from bridge.clerk.moving import Mover
from bridge.clock import Clock
from bridge.config import Config
from bridge.courier import Courier
from bridge.delivery import PLENTY, Lanes
from bridge.desk import Desk
from bridge.doors import Doors
from bridge.driver import Driver
from bridge.generation import Generation
from bridge.housekeeping import Housekeeping
from bridge.ingress import Ingress, Limits
from bridge.journal.sqlite import SqliteJournal
from bridge.log import Logbook
from bridge.loop_guard import LoopGuard
from bridge.media_links import MediaLinks
from bridge.metrics import Metrics
from bridge.model import ConversationRef
from bridge.reload import Reloader, Source
from bridge.roster import Roster
from bridge.routing import Router


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """
    What a daemon is given from outside, besides its two files. ``chance`` is for jitter, ``plenty`` for
    `Lanes`.
    """

    clock: Clock
    environ: Mapping[str, str]
    metrics: Metrics
    logbook: Logbook
    links: MediaLinks | None
    source: Source | None
    wrap: Callable[[Driver], Driver]
    any_port: bool
    ports: Callable[[], Mapping[int, int]]
    not_ready: Callable[[], str]
    chance: random.Random = field(default_factory=random.Random)
    plenty: int = PLENTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What runs, for those who open and close it."""

    journal: SqliteJournal
    roster: Roster
    lanes: Lanes
    acceptor: Acceptor
    doors: Doors
    reloader: Reloader
    housekeeping: Housekeeping
    desk: Desk


def assemble(
    config: Config,
    router: Router,
    around: Surroundings,
    journal: SqliteJournal,
    tasks: asyncio.TaskGroup,
) -> Parts:
    """From what sends to what receives; ``tasks`` is where everything runs that has no end."""
    settings, clock, metrics, feed = config.global_, around.clock, around.metrics, around.logbook.feed
    roster = Roster(
        clock=clock,
        metrics=metrics,
        journal=journal,
        links=around.links,
        wrap=around.wrap,
        tasks=tasks,
    )
    loops = LoopGuard(clock, metrics, lambda ref: _room(ref, reloader.generation.config))
    courier = Courier(
        journal=journal,
        outlets=roster.outlets,
        clock=clock,
        metrics=metrics,
        random=around.chance,
        give_up_after=lambda: reloader.generation.config.global_.delivery.give_up_after,
        links=around.links,
        began=clock.monotonic(),
        stopped=loops.stopped,
    )
    lanes = Lanes(journal, courier, clock, metrics, feed, around.plenty)
    roster.mended = lanes.try_now
    commands = ChatCommands(
        journal=journal,
        clock=clock,
        tallies=lanes.tallies,
        outlets=roster.outlets,
        spec_of=lambda id_: one.instance.spec if (one := roster.running.get(id_)) else None,
    )
    acceptor = Acceptor(
        lambda: reloader.generation.router, journal, lanes, metrics, feed, loops, commands
    )
    limits = Limits(
        max_body=settings.http.max_body,
        body_timeout=settings.http.body_timeout,
        trusted_proxies=settings.http.trusted_proxies,
    )
    doors = Doors(
        http=settings.http,
        any_port=around.any_port,
        new_ingress=lambda: Ingress(None, acceptor, clock, metrics, limits, around.links),
    )
    reloader = Reloader(
        generation=_first(config, router, around),
        started_with=settings,
        source=around.source,
        roster=roster,
        doors=doors,
        lanes=lanes,
        acceptor=acceptor,
        clock=clock,
        metrics=metrics,
        tasks=tasks,
        environ=around.environ,
        learn=around.logbook.redaction.learn,
        hide=around.logbook.redaction.text,
    )
    lookout = Lookout(
        journal=journal,
        path=settings.data_dir / "journal.db",
        lanes=lanes,
        roster=roster,
        metrics=metrics,
        feed=feed,
        clock=clock,
        running=lambda: Running(
            generation=reloader.generation,
            last_reload=reloader.last,
            ports=around.ports(),
            ready=around.not_ready(),
        ),
        started_at=clock.now(),
        started=clock.monotonic(),
        hide=around.logbook.redaction.text,
    )
    return Parts(
        journal=journal,
        roster=roster,
        lanes=lanes,
        acceptor=acceptor,
        doors=doors,
        reloader=reloader,
        housekeeping=Housekeeping(
            config=settings,
            journal=journal,
            lanes=lanes,
            roster=roster,
            links=around.links,
            metrics=metrics,
            folding=around.logbook.folding,
            clock=clock,
            environ=around.environ,
        ),
        desk=Clerk(
            journal=journal,
            lanes=lanes,
            roster=roster,
            reloader=reloader,
            lookout=lookout,
            mover=Mover(journal=journal, lanes=lanes, clock=clock),
            clock=clock,
        ),
    )


def _room(ref: ConversationRef, config: Config) -> Hashable:
    """The conversation as its platform sees it, also while its account is leaving."""
    known = ref.instance in config.instances
    return Accounts(config.instances).room(ref) if known else ref


def _first(config: Config, router: Router, around: Surroundings) -> Generation:
    """The files of the start."""
    source = around.source
    return Generation(
        number=1,
        config=config,
        router=router,
        loaded_at=around.clock.now(),
        rules_file=source.rules_file if source else "rules.json",
        warnings=source.warnings if source else (),
    )
