"""``msgbridge init``: from nothing to two files that `check` accepts."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.cli import OK, PROBLEMS, USAGE, add_language_option, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bridge.cli.first_files import Answers
    from bridge.i18n import Speak
    from bridge.phrases import Phrase

_PRIVATE, _READABLE, _PRIVATE_FOLDER = 0o600, 0o644, 0o700
_SECRET_BYTES = 24
_TRIES = 3


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("init", help="write both files, asking at most seven questions")
    parser.add_argument(
        "--yes", action="store_true", help="ask nothing: placeholders for what is unknown"
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite files that are there, but no secret"
    )
    parser.add_argument(
        "--config", type=Path, default=Path("config.json"), help="default: ./config.json; all else beside"
    )
    add_language_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """
    0 with files that `check` accepts, 1 when it would not, 2 when nothing may be asked or overwritten.

    Raises OSError where a file cannot be written.
    """
    from bridge.cli.first_files import Answers
    from bridge.phrases import phrase

    speak = spoken(arguments)
    folder = arguments.config.parent
    in_the_way = [path for path in _paths(arguments.config) if path.exists()]
    if in_the_way and not arguments.force:
        names = ", ".join(map(str, in_the_way))
        return _refuse(speak, phrase("these files are there already: {names}", names=names), "--force")
    if not arguments.yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _refuse(speak, phrase("this is no terminal, so nothing can be asked"), "--yes")
    known = "" if os.environ.get("DT_APP_SECRET") else None
    if arguments.yes:
        answers = Answers() if known is None else Answers(app_secret=known)
    else:
        try:
            answers = _ask(speak, known)
        except EOFError:
            return _refuse(speak, phrase("nothing was written"), "--yes")
    folder.mkdir(parents=True, exist_ok=True)
    for path, (text, mode) in _files(arguments, answers).items():
        _write(path, text, mode)
        sys.stdout.write(f"{path}\n")
    return _next_steps(arguments.config, answers, speak)


def _ask(speak: Speak, secret: str | None) -> Answers:
    """Six questions at most; five when the secret is in the environment. Raises EOFError."""
    from getpass import getpass

    from bridge.cli.first_files import PLACEHOLDER, Answers
    from bridge.config.units import is_url
    from bridge.phrases import phrase

    def ask(question: Phrase, wrong: Callable[[str], bool], advice: Phrase, default: str = "") -> str:
        for _ in range(_TRIES):
            shown = f"{speak(question)}{f' [{default}]' if default else ''}: "
            given = input(shown).strip() or default
            if not wrong(given):
                return given
            sys.stdout.write(f"  {speak(advice)}\n")
        return default

    def spaced(value: str) -> bool:
        return any(char.isspace() or not char.isprintable() for char in value)

    one_word = phrase("write one word, without spaces")
    sys.stdout.write(speak(phrase("Enter takes what stands in brackets; all of it can be changed later")))
    sys.stdout.write("\n")
    app_key = ask(phrase("AppKey (Client ID) of the DingTalk app"), spaced, one_word, PLACEHOLDER)
    if secret is None:
        question = phrase("AppSecret (Client Secret); it is not shown, and kept in a file of its own")
        secret = "".join(getpass(f"{speak(question)}: ").split()) or PLACEHOLDER
    users = input(speak(phrase("staff ids of those who may write, with commas; empty: everybody")) + ": ")
    group = ask(phrase("conversation id of a group; empty: all groups"), spaced, one_word)
    other = ""
    if group:
        question = phrase("conversation id of a second group; empty: a webhook hears the first")
        other = ask(question, lambda given: spaced(given) or given == group, one_word)
    url = Answers().webhook_url
    if not other:
        https = phrase("write all of it: https://host/path; http:// only to this machine")
        url = ask(phrase("URL of the webhook"), lambda given: not _safe(given, is_url), https, url)
    return Answers(
        app_key=app_key,
        app_secret=secret,
        allowed_users=tuple(dict.fromkeys(users.replace(",", " ").replace("，", " ").split())),
        group=group,
        other_group=other,
        webhook_url=url,
    )


def _safe(url: str, is_url: Callable[[object], bool]) -> bool:
    from bridge.config.units import is_exposed

    return is_url(url) and url.startswith("http") and not is_exposed(url) and " " not in url


def _paths(config: Path) -> list[Path]:
    from bridge.cli.first_files import HOOK, ROBOT, secret_file

    names = (
        "rules.json",
        "config.schema.json",
        "rules.schema.json",
        secret_file(ROBOT),
        secret_file(HOOK),
    )
    return [config, *(config.parent / name for name in names)]


def _files(arguments: argparse.Namespace, answers: Answers) -> Mapping[Path, tuple[str, int]]:
    """What is written, and with which mode."""
    import base64
    import secrets

    from bridge.cli.first_files import HOOK, PLACEHOLDER, ROBOT, as_text, config_of, rules_of, secret_file
    from bridge.cli.schema import schemas
    from bridge.i18n import language

    config: Path = arguments.config
    beside = config.parent
    schema, rules_schema = schemas()
    lang = language(arguments.lang or "", os.environ)
    robot = schema["properties"]["dingtalk"]["additionalProperties"]["properties"]
    stream = "stream" in str(robot.get("receive", ""))
    files = {
        beside / "config.schema.json": (as_text(schema), _READABLE),
        beside / "rules.schema.json": (as_text(rules_schema), _READABLE),
    }
    # A secret that is there already cannot be had again: only one that was typed now replaces it.
    own = beside / secret_file(ROBOT)
    if answers.app_secret and not (answers.app_secret == PLACEHOLDER and own.exists()):
        files[own] = (answers.app_secret + "\n", _PRIVATE)
    if not answers.other_group and not (beside / secret_file(HOOK)).exists():
        key = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        files[beside / secret_file(HOOK)] = (f"whsec_{key}\n", _PRIVATE)
    files[config] = (as_text(config_of(answers, language=lang, stream=stream)), _READABLE)
    files[beside / "rules.json"] = (as_text(rules_of(answers)), _READABLE)
    return files


def _write(path: Path, text: str, mode: int) -> None:
    """All of it or nothing, and never for a moment with a wider mode."""
    if mode == _PRIVATE:
        path.parent.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _next_steps(config: Path, answers: Answers, speak: Speak) -> int:
    """What is written is checked at once, by what `check` checks with."""
    from bridge.cli.first_files import PLACEHOLDER, ROBOT, secret_file
    from bridge.files import read_files
    from bridge.phrases import phrase
    from bridge.problems.show import show_all

    reading = read_files(config, config.with_name("rules.json"), environ=os.environ)
    sys.stdout.write("\n" + show_all(reading.problems, speak))
    if not reading.good:
        return PROBLEMS
    missing = []
    if answers.app_key == PLACEHOLDER:
        missing.append(f"app_key ({config})")
    own = config.parent / secret_file(ROBOT)
    if answers.app_secret and own.read_text(encoding="utf-8").strip() == PLACEHOLDER:
        missing.append(f"app_secret ({own})")
    if missing:
        sys.stdout.write(speak(phrase("still to be filled in: {names}", names=", ".join(missing))) + "\n")
    option = "" if config == Path("config.json") else f" --config {config}"
    sys.stdout.write(speak(phrase("and now:")) + "\n")
    for command in ("check", "doctor", "run"):
        sys.stdout.write(f"  msgbridge {command}{option}\n")
    return OK


def _refuse(speak: Speak, why: Phrase, option: str) -> int:
    from bridge.phrases import phrase

    advice = speak(phrase("{option} does it all the same", option=option))
    sys.stderr.write(f"msgbridge init: {speak(why)}; {advice}\n")
    return USAGE
