"""
What is allowed in the two files, but hardly meant. Pure: every finding is a warning with its place.

Nothing here is asked for every message: `check` asks once, and a reload may. Patterns need no attack
test: they are RE2's, which searches in linear time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge.analysis.accounts import Ability, Accounts
from bridge.analysis.findings import Findings
from bridge.analysis.limits import report_limits
from bridge.analysis.loops import report_loops
from bridge.analysis.reach import report_unreachable
from bridge.analysis.safety import ModeOf, report_media, report_open_files, report_open_page
from bridge.analysis.sense import report_contradictions
from bridge.config import Config
from bridge.model import InstanceId
from bridge.problems import Problem, without
from bridge.rules import RulesFile


def _unknown(_path: Path) -> int | None:
    return None


def analyse(
    config: Config,
    rules: RulesFile,
    *,
    abilities: Mapping[InstanceId, Ability] | None = None,
    mode_of: ModeOf = _unknown,
) -> tuple[Problem, ...]:
    """
    Every warning about both files, secrets masked; in linear time, but for conditions of one rule.

    Without ``abilities`` nothing is said about platforms' limits, without ``mode_of`` nothing about
    who may read the files.
    """
    accounts = Accounts(config.instances, abilities or {})
    findings = Findings(config.source, rules.source)
    compiled = rules.router.rules
    report_unreachable(compiled, accounts, findings)
    report_contradictions(compiled, findings)
    report_limits(compiled, accounts, findings)
    report_loops(compiled, accounts, findings)
    report_open_files(config, mode_of, findings)
    report_media(config, findings)
    report_open_page(config, findings)
    return tuple(without(config.secrets, problem) for problem in findings.problems)
