"""What a program asks for, tamed: bodies and query texts against their schemas, then into values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from bridge.config import Config
from bridge.desk import Letter
from bridge.errors import BridgeError
from bridge.journal import Choice
from bridge.model import (
    AddressForm,
    Attachment,
    AttachmentKind,
    Button,
    ConversationRef,
    InstanceId,
    RawForm,
    TextFormat,
)
from bridge.problems import listed, quoted
from bridge.status.api_schemas import COMPONENTS, Schema
from bridge.wild import clean_name, clean_text

_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_KINDS = {"object": "an object", "array": "a list", "string": "a text", "integer": "a whole number"}


class Refusal(BridgeError):
    """
    A request that is answered with a problem: ``code`` is a closed word, the message says what to do
    instead. ``more`` are further members of the answer, ``retry_after`` in seconds.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after
        self.more = more or {}


def parsed(body: bytes, component: str) -> dict[str, Any]:
    """A body that fits the component of that name. Raises `Refusal`."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "malformed", "the body is not one JSON value in UTF-8") from None
    error = best_match(_validator(component).iter_errors(value))
    if error is not None:
        raise Refusal(400, "malformed", _said(error))
    assert isinstance(value, dict)
    return value


def asked(query: Mapping[str, str], allowed: Mapping[str, Schema]) -> dict[str, Any]:
    """The parameters of the query, as the values that their schemas want. Raises `Refusal`."""
    found: dict[str, Any] = {}
    for name, written in query.items():
        if name not in allowed:
            raise Refusal(
                400,
                "malformed",
                f"{quoted(name)} is no parameter here; there is {listed(allowed) or '–'}",
            )
        value: object = written
        kind = allowed[name].get("type")
        if kind == "integer" and written.isascii() and written.isdecimal():
            value = int(written[:9])
        if kind == "boolean" and written in ("true", "false"):
            value = written == "true"
        error = best_match(Draft202012Validator(allowed[name]).iter_errors(value))
        if error is not None:
            raise Refusal(400, "malformed", f"parameter {name}: {_said(error)}")
        found[name] = value
    return found


def idempotency_key(header: str | None) -> str:
    """
    The value of an Idempotency-Key header; empty without one. Raises `Refusal`.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    """
    if header is None:
        return ""
    key = header.strip().removeprefix('"').removesuffix('"')
    if not _KEY.fullmatch(key):
        raise Refusal(400, "malformed", "Idempotency-Key must be 1 to 200 printable ASCII characters")
    return key


def letter_of(body: Mapping[str, Any], key: str, config: Config) -> Letter:
    """A body that fits `Letter`, with its address read by the platform. Raises `Refusal`."""
    ((instance, address),) = body["to"].items()
    return Letter(
        to=_place(instance, address, config),
        text=text_of(body),
        format=TextFormat(body.get("format", TextFormat.PLAIN)),
        title=clean_name(body.get("title", "")),
        buttons=tuple(
            Button(clean_name(one["label"]), clean_name(one["url"])) for one in body.get("buttons", ())
        ),
        attachments=tuple(
            Attachment(
                kind=AttachmentKind(one["kind"]),
                url=clean_name(one["url"]),
                filename=clean_name(one.get("filename", "")),
                media_type=clean_name(one.get("media_type", "")),
            )
            for one in body.get("attachments", ())
        ),
        raw=_raw(body.get("raw")),
        key=key,
    )


def _raw(body: Mapping[str, Any] | None) -> RawForm | None:
    if body is None:
        return None
    written = json.dumps(body["parameters"], ensure_ascii=False)
    return RawForm(clean_name(body["name"]), clean_text(written))


def text_of(body: Mapping[str, Any]) -> str:
    """The text of a letter or a change, without what no platform can show. Raises `Refusal`."""
    text = clean_text(body["text"])
    if not text.strip():
        raise Refusal(400, "malformed", "$.text: there is nothing in it that can be read")
    return text


def choice_of(body: Mapping[str, Any]) -> Choice:
    """A body that fits `Choice`. Raises `Refusal`."""
    return Choice(
        ids=tuple(body.get("ids", ())),
        instance=body.get("instance", ""),
        conversation=body.get("conversation", ""),
        reason=body.get("reason", ""),
        rule=body.get("rule", ""),
        since=_seconds(body, "since"),
        until=_seconds(body, "until"),
        everything=body.get("everything", False),
    )


def _seconds(body: Mapping[str, Any], name: str) -> float | None:
    if name not in body:
        return None
    try:
        moment = datetime.fromisoformat(body[name])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refusal(400, "malformed", f"$.{name}: write it like 2026-11-20T12:00:00Z")
    return moment.timestamp()


def _place(name: str, address: Mapping[str, str | int], config: Config) -> ConversationRef:
    instance = config.instances.get(InstanceId(name))
    if instance is None:
        known = listed(config.instances) or "–"
        raise Refusal(404, "unknown", f"$.to: {quoted(name)} is not an instance; there is {known}")
    values = {key: str(value) for key, value in address.items()}
    forms = instance.spec.addresses(instance.settings)
    form = next((one for one in forms if _fits(one, values)), None)
    if form is None:
        raise Refusal(400, "malformed", f"$.to.{quoted(name)}: write {_forms(forms)}")
    for key, value in values.items():
        if not value or value != value.strip() or not value.isprintable():
            raise Refusal(
                400, "malformed", f"$.to.{quoted(name)}.{key} is empty or has white space around it"
            )
        if value == "*" or "{" in value:
            raise Refusal(
                400, "malformed", f"$.to.{quoted(name)}.{key}: a letter goes to one conversation"
            )
    try:
        return ConversationRef(instance.id, form.conversation(values))
    except (ValueError, KeyError) as e:
        raise Refusal(400, "malformed", f"$.to.{quoted(name)}: no such conversation: {e}") from None


def _fits(form: AddressForm, values: Mapping[str, str]) -> bool:
    return set(form.required) <= set(values) <= {*form.required, *form.optional}


def _forms(forms: tuple[AddressForm, ...]) -> str:
    written = [
        "{" + ", ".join(f'"{key}": "…"' for key in form.required or form.optional[:1]) + "}"
        for form in forms
    ]
    return " or ".join(written)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")  # or it would go on to a platform as it is


@cache
def _validator(component: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/components/schemas/{component}", "components": {"schemas": COMPONENTS}}
    )


def _said(error: ValidationError) -> str:
    """What is wrong, without repeating what was sent: it may be long, and it may be a secret."""
    where, wanted = error.json_path, cast("Any", error.validator_value)
    value = cast("Any", error.instance)
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else list(wanted)
            return f"{where}: wanted {' or '.join(_KINDS.get(kind, kind) for kind in kinds)}"
        case "required":
            missing = [name for name in wanted if name not in value]
            return f"{where}: {listed(missing)} is missing"
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
            extra = [quoted(name) for name in value if name not in known]
            return f"{where}: {listed(extra[:3])} is no field; there is {listed(known)}"
        case "enum":
            return f"{where}: wanted one of {listed(wanted)}"
        case "minLength" | "minItems" | "minProperties" | "minimum":
            return f"{where}: at least {wanted}"
        case "maxLength" | "maxItems" | "maxProperties" | "maximum":
            return f"{where}: at most {wanted}"
    return f"{where}: not as the document says ({error.validator})"
