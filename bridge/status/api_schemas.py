"""
What goes over the wire of the HTTP API, as JSON Schemas: the components of the OpenAPI document.

Bodies are checked against the same schemas that the document shows; answers are held to theirs by
the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.desk import InstanceState, LaneState
from bridge.model import AttachmentKind, Status, TextFormat

Schema = Mapping[str, Any]

LONGEST_TEXT = 100_000
_SHORT, _LINE, _URL = 200, 500, 2048
_MANY = 1000

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
MOMENT: Schema = {"type": "string", "format": "date-time"}
MAYBE_MOMENT: Schema = {"type": ["string", "null"], "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}


def ref(name: str) -> Schema:
    """A component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


def _list(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


def _text(description: str, *, most: int = _SHORT, least: int = 0) -> Schema:
    return {"type": "string", "maxLength": most, "minLength": least, "description": description}


_TAKEN: Mapping[str, Schema] = {
    "Address": {
        "type": "object",
        "description": 'One conversation in the platform\'s own words, as in rules.json: '
        '{"open_conversation_id": "cid…"}, {"user_id": "…"}; {} where an account has just one.',
        "maxProperties": 10,
        "additionalProperties": {"type": ["string", "integer"], "maxLength": _LINE},
    },
    "Button": _object(
        {
            "label": _text("What stands on it.", least=1),
            "url": {
                "type": "string", "pattern": "^[a-z][a-z0-9+.-]*://[^\\s]+$", "maxLength": _URL,
                "description": "What it opens.",
            },
        }
    ),
    "Attachment": _object(
        {
            "kind": {"enum": [kind.value for kind in AttachmentKind]},
            "url": {
                "type": "string", "pattern": "^https?://[^\\s]+$", "maxLength": _URL,
                "description": "Where everybody who reads the message can open it.",
            },
            "filename": _text("Its name."),
            "media_type": _text("Like image/png."),
        },
        optional=("filename", "media_type"),
    ),
    "Letter": _object(
        {
            "to": {
                "type": "object",
                "description": "The instance, and in it the conversation.",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": ref("Address"),
                "examples": [{"dt_main": {"open_conversation_id": "cidA=="}}, {"dt_alerts": {}}],
            },
            "text": _text("The message.", most=LONGEST_TEXT, least=1),
            "format": {"enum": [form.value for form in TextFormat], "default": "plain"},
            "title": _text("The title of a card, or of a Markdown message where the platform has one."),
            "buttons": {
                "type": "array", "items": ref("Button"), "maxItems": 20,
                "description": "They make it a card; a platform without buttons says them in the text.",
            },
            "attachments": {"type": "array", "items": ref("Attachment"), "maxItems": 20},
            "raw": {
                **_object(
                    {
                        "name": _text("The template: for DingTalk its msgKey.", least=1),
                        "parameters": {"type": "object", "description": "For DingTalk its msgParam."},
                    }
                ),
                "description": "The message in the platform's own form, posted as it is; `text` is then "
                "what operators see of it.",
                "examples": [{"name": "sampleLink", "parameters": {"title": "Deploy 7", "text": "…"}}],
            },
        },
        optional=("format", "title", "buttons", "attachments", "raw"),
    ),
    "Change": _object({"text": _text("What it says from now on.", most=LONGEST_TEXT, least=1)}),
    "Choice": {
        "type": "object",
        "description": "Those deliveries that fit all that is given; an empty one chooses nothing.",
        "additionalProperties": False,
        "properties": {
            "ids": {"type": "array", "items": _text("", most=_LINE, least=1), "maxItems": _MANY},
            "instance": _text("Of the destination."),
            "conversation": _text("Of the destination, as `conversation` in a Delivery.", most=_LINE),
            "reason": _text("Why it is dead or held."),
            "rule": _text("The rule that planned it."),
            "since": {**MOMENT, "description": "Accepted at or after it."},
            "until": {**MOMENT, "description": "Accepted before it."},
            "everything": {**FLAG, "description": "Without any filter: all of them."},
        },
    },
}  # fmt: skip

_GIVEN: Mapping[str, Schema] = {
    "Problem": {
        "type": "object",
        "description": "https://www.rfc-editor.org/rfc/rfc9457",
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
        "properties": {
            "type": {**TEXT, "pattern": "^urn:msgbridge:problem:[a-z_]+$"},
            "title": TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": TEXT,
            "problems": {**_list("FileProblem"), "description": "What is wrong with the two files."},
        },
    },
    "FileProblem": {
        "type": "object",
        "required": ["code", "severity", "file", "line", "column", "message", "hints"],
        "properties": {
            "code": TEXT, "severity": {"enum": ["error", "warning"]}, "file": TEXT,
            "line": COUNT, "column": COUNT, "message": TEXT, "hints": TEXTS,
        },
    },
    "Taken": _object(
        {"delivery_id": {**TEXT, "description": "Ask for what becomes of it at /api/deliveries/{id}."}}
    ),
    "Moved": _object({"count": {**COUNT, "description": "How many deliveries it was about."}}),
    "Delivery": _object(
        {
            "id": TEXT,
            "status": {"enum": [status.value for status in Status]},
            "instance": TEXT,
            "conversation": TEXT,
            "rule": {**TEXT, "description": "The rule that planned it, or who sent it by hand."},
            "accepted_at": MOMENT,
            "settled_at": MAYBE_MOMENT,
            "next_send": {**MAYBE_MOMENT, "description": "No attempt before it, while it waits."},
            "attempts": {**COUNT, "description": "Failed ones."},
            "reason": TEXT,
            "detail": TEXT,
            "message_ids": {**TEXTS, "description": "The ids that the platform gave."},
        }
    ),
    "Deliveries": _object({"deliveries": {**_list("Delivery"), "description": "The oldest first."}}),
    "Entry": _object(
        {
            "address": {"type": "object", "additionalProperties": TEXT},
            "title": TEXT,
            "detail": TEXT,
        }
    ),
    "Entries": _object({"entries": _list("Entry")}),
    "Difference": _object(
        {
            "rules_added": TEXTS,
            "rules_removed": TEXTS,
            "rules_changed": TEXTS,
            "rules_moved": FLAG,
            "instances_added": TEXTS,
            "instances_removed": TEXTS,
            "instances_changed": TEXTS,
            "restart_needed": TEXTS,
        }
    ),
    "Reloaded": _object(
        {
            "at": MOMENT,
            "ok": FLAG,
            "asked_by": TEXT,
            "generation": COUNT,
            "difference": ref("Difference"),
            "problems": _list("FileProblem"),
            "why": TEXT,
        }
    ),
    "Instance": _object(
        {
            "id": TEXT,
            "platform": TEXT,
            "state": {"enum": [state.value for state in InstanceState]},
            "reason": TEXT,
            "since": MAYBE_MOMENT,
            "listens_on": TEXT,
            "driver_states": {"type": "object", "additionalProperties": NUMBER},
        }
    ),
    "Source": _object(
        {
            "instance": TEXT, "received": COUNT, "duplicates": COUNT, "ignored": COUNT,
            "last": MAYBE_MOMENT,
        }
    ),
    "Failure": _object({"at": MOMENT, "reason": TEXT, "detail": TEXT}),
    "Destination": _object(
        {
            "destination": {**TEXT, "description": "`instance/conversation`"},
            "state": {"enum": [state.value for state in LaneState]},
            "waiting": COUNT,
            "held": COUNT,
            "oldest": MAYBE_MOMENT,
            "next_send": MAYBE_MOMENT,
            "sent": COUNT,
            "sent_per_hour": COUNT,
            "seconds": {"type": ["number", "null"], "description": "That the last one took."},
            "last_sent": MAYBE_MOMENT,
            "last_failure": {"oneOf": [ref("Failure"), {"type": "null"}]},
        }
    ),
    "Rule": _object(
        {
            "id": TEXT, "file": TEXT, "line": COUNT, "enabled": FLAG, "matches": COUNT,
            "last_match": MAYBE_MOMENT,
        }
    ),
    "Ledger": _object(
        {
            "planned": COUNT,
            "by_status": {"type": "object", "additionalProperties": COUNT},
            "balanced": {**FLAG, "description": "planned is the sum of all the others."},
        }
    ),
    "Event": _object({"at": MOMENT, "level": TEXT, "name": TEXT, "facts": {"type": "object"}}),
    "Journal": _object(
        {
            "path": TEXT,
            "size": {**COUNT, "description": "Bytes."},
            "free_disk": {**COUNT, "description": "Bytes."},
            "fullness": NUMBER,
            "ledger": ref("Ledger"),
            "lost": COUNT,
            "damaged": COUNT,
            "broken": TEXT,
        }
    ),
    "State": _object(
        {
            "version": TEXT,
            "now": MOMENT,
            "started_at": MOMENT,
            "uptime": {**NUMBER, "description": "Seconds."},
            "generation": COUNT,
            "loaded_at": MOMENT,
            "config_file": TEXT,
            "rules_file": TEXT,
            "ready": {**TEXT, "description": "Empty while traffic is welcome, else why not."},
            "last_reload": {"oneOf": [ref("Reloaded"), {"type": "null"}]},
            "warnings": _list("FileProblem"),
            "instances": _list("Instance"),
            "sources": _list("Source"),
            "destinations": _list("Destination"),
            "destinations_unshown": COUNT,
            "rules": _list("Rule"),
            "dead": {"type": "object", "additionalProperties": COUNT},
            "journal": ref("Journal"),
            "events": {**_list("Event"), "description": "The newest first."},
            "ports": {
                "type": "object",
                "description": "Configured port → the one really listened on.",
                "additionalProperties": COUNT,
            },
        }
    ),
}  # fmt: skip

COMPONENTS: Mapping[str, Schema] = {**_TAKEN, **_GIVEN}
