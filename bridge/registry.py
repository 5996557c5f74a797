"""
Platform name → `DriverSpec`.

The folders of ``drivers`` and the entry points of the group ``msgbridge.drivers`` are the platforms;
a driver is imported when its platform is used, so that the others cost nothing.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Self

from bridge.driver import DriverSpec
from bridge.errors import ConfigError

GROUP = "msgbridge.drivers"
"""The entry point group of drivers outside this repository; each entry is a `DriverSpec`."""


@dataclass(frozen=True, slots=True)
class Registry:
    """The platforms that can be used, by name."""

    loaders: Mapping[str, Callable[[], object]]

    @classmethod
    def of(cls, *specs: DriverSpec) -> Self:
        """Exactly these platforms."""
        by_name = {spec.platform: spec for spec in specs}
        return cls({name: partial(by_name.__getitem__, name) for name in by_name})

    @property
    def names(self) -> tuple[str, ...]:
        """In alphabetical order; nothing is imported."""
        return tuple(sorted(self.loaders))

    def load(self, platform: str) -> DriverSpec:
        """Raises `ConfigError` when the driver, or a library that it needs, cannot be imported."""
        try:
            spec = self.loaders[platform]()
        except (ImportError, AttributeError, ValueError, OSError) as e:
            raise ConfigError(f"{type(e).__name__}: {e}") from e
        if not isinstance(spec, DriverSpec):
            raise ConfigError(f"its DRIVER is a {type(spec).__name__}, not a DriverSpec")
        return spec


def installed() -> Registry:
    """Every platform of this installation. A folder of ours wins over an entry point of its name."""
    loaders: dict[str, Callable[[], object]] = {
        entry.name: entry.load for entry in entry_points(group=GROUP)
    }
    package = find_spec("drivers")
    folders = (package and package.submodule_search_locations) or []
    for module in pkgutil.iter_modules(folders):
        if module.ispkg:
            loaders[module.name] = _loader(f"drivers.{module.name}")
    return Registry(loaders)


def _loader(module: str) -> Callable[[], object]:
    def load() -> object:
        return import_module(module).DRIVER

    return load
