"""A server that takes part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One way to start a server. `{port}` and `{model}` (the folder with what it serves) are filled in.

    program    a command of its environment
    arguments  of that command
    environ    variables beside those of this process and MODEL_DIR
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """What is installed, and how it may be started; with several configurations the fastest one is compared.

    requirements    of its environment
    packages        those of them whose versions are worth knowing
    goal            how many times its requests a second ours should answer
    """

    name: str
    requirements: tuple[str, ...]
    packages: tuple[str, ...]
    configurations: tuple[Configuration, ...]
    goal: float | None = None
