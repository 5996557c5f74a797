"""
The tables, and how a file becomes a journal: created, migrated, or refused with the reason.

``seq`` numbers messages and deliveries out of one counter: the deliveries of message ``n`` are
``n + 1 … n + routes``, so order of acceptance needs no index and no join.
"""

import errno
import os
import sqlite3
from pathlib import Path

from bridge.errors import JournalBroken
from bridge.model import Status

BUSY = 10.0
"""Seconds that one process waits for another's transaction."""

# Numbers in the file; the partial indexes below name them too.
NUMBER_OF = {
    Status.WAITING: 0,
    Status.HELD: 1,
    Status.DEAD: 2,
    Status.SENT: 3,
    Status.SKIPPED: 4,
    Status.DROPPED: 5,
}
STATUS_OF = {number: status for status, number in NUMBER_OF.items()}

_VERSION_1 = """
CREATE TABLE counters (last INTEGER NOT NULL, planned INTEGER NOT NULL);
INSERT INTO counters VALUES (0, 0);
CREATE TABLE places (
    id INTEGER PRIMARY KEY, instance TEXT NOT NULL, conversation TEXT NOT NULL,
    UNIQUE (instance, conversation)
);
CREATE TABLE plans (id INTEGER PRIMARY KEY, body BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY,
    instance TEXT NOT NULL,
    event_id TEXT NOT NULL,
    message_id TEXT,            -- NULL where it is the event id
    fingerprint INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    routes INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE INDEX messages_by_id ON messages (instance, message_id) WHERE message_id IS NOT NULL;
CREATE TABLE deliveries (
    seq INTEGER PRIMARY KEY,
    message INTEGER NOT NULL,
    place INTEGER NOT NULL,
    plan INTEGER NOT NULL,
    id TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    since REAL NOT NULL,
    status INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    parts INTEGER NOT NULL DEFAULT 0,
    crashes INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL DEFAULT 0,
    settled_at REAL,
    reason TEXT NOT NULL DEFAULT '',
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX waiting ON deliveries (place, seq) WHERE status = 0;
CREATE INDEX stuck ON deliveries (status, seq) WHERE status IN (1, 2);
CREATE TABLE links (
    delivery INTEGER NOT NULL, part INTEGER NOT NULL, message_id TEXT NOT NULL,
    PRIMARY KEY (delivery, message_id)
) WITHOUT ROWID;
CREATE TABLE names (name BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE fresh (name BLOB NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE suspensions (
    instance TEXT NOT NULL, conversation TEXT, reason TEXT NOT NULL, detail TEXT NOT NULL,
    since REAL NOT NULL, until REAL
);
CREATE TABLE rate (
    token INTEGER PRIMARY KEY, limiter TEXT NOT NULL, started_at REAL NOT NULL, completed_at REAL
);
CREATE INDEX rate_by_completion ON rate (limiter, completed_at);
CREATE TABLE pruned (status INTEGER PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""

MIGRATIONS = (_VERSION_1,)
"""Script ``n`` (counted from 0) takes a file from schema version ``n`` to ``n + 1``."""


def open_database(path: Path) -> sqlite3.Connection:
    """
    The journal's one writing connection; the file is created (mode 0600) or migrated as needed.

    Raises `JournalBroken` for what is not a journal, is damaged, or comes from a newer version.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = connect(path)
    except OSError as e:
        raise JournalBroken(unopened(path, e)) from e
    try:
        _prepare(db, path)
    except sqlite3.Error as e:
        db.close()
        raise JournalBroken(unusable(path, e)) from e
    except JournalBroken:
        db.close()
        raise
    return db


def connect(path: Path) -> sqlite3.Connection:
    """A connection that reads and writes, with explicit transactions; usable in any one thread."""
    db = sqlite3.connect(
        path, isolation_level=None, timeout=BUSY, check_same_thread=False, cached_statements=256
    )
    db.execute("PRAGMA wal_autocheckpoint = 0")  # `checkpoints` does it, and says when it fails
    return db


def check_version(db: sqlite3.Connection, path: Path) -> int:
    """The file's schema version. Raises `JournalBroken` if this program is older than the file."""
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise JournalBroken(
            f"{path}: was written by a newer msgbridge (schema {version}, this one knows "
            f"{len(MIGRATIONS)}): start the newer one, or move the file away to begin anew"
        )
    return version


def unopened(path: Path, error: OSError) -> str:
    """What an error of the system while opening ``path`` means for its operator."""
    said = f"{path}: cannot be opened: {error.strerror or error}"
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"{said}: look at the owner and mode of the file and of its folder"
        case errno.EROFS:
            return f"{said}: look at dmesg for why, and mount it writable again"
        case errno.ENOSPC | errno.EDQUOT:
            return f"{said}: the disk is full: make room and start again"
        case _:
            return said


def unusable(path: Path, error: sqlite3.Error) -> str:
    """What an SQLite error while opening ``path`` means for its operator."""
    way_out = (
        "keep a copy, then 'msgbridge journal salvage FROM TO' saves what is intact; "
        "or restore a backup, or move it away to begin anew"
    )
    match (getattr(error, "sqlite_errorname", "") or "").split("_")[1:]:
        case ["IOERR", "SHMSIZE"]:
            return f"{path}: the disk is full: make room and start again"
        case ["IOERR", *_]:
            return f"{path}: the storage failed ({error}): look at the disk (dmesg)"
        case ["NOTADB"]:
            return f"{path}: is not a journal ({error}): {way_out}"
        case ["BUSY", *_]:
            return f"{path}: another process holds it: stop that one first"
        case ["FULL", *_]:
            return f"{path}: the disk is full: make room and start again"
        case ["CANTOPEN" | "PERM" | "READONLY", *_]:
            return f"{path}: cannot be written ({error}): look at the owner and mode of its folder"
        case _:
            return f"{path}: is damaged ({error}): {way_out}"


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    version = check_version(db, path)
    if not version and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise JournalBroken(f"{path}: is an SQLite file, but not a journal: name another file")
    mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise JournalBroken(f"{path}: its file system cannot share memory: use a local disk")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 33554432")
    db.execute("PRAGMA cache_size = -8000")
    db.execute("PRAGMA temp_store = MEMORY")
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE;{script};PRAGMA user_version = {number};COMMIT;")
    # The tables themselves must not live in a WAL file that somebody may delete.
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute("SELECT last, planned FROM counters").fetchone()
