"""The page of the settings of the service, from its table of settings."""

from __future__ import annotations

from docs.generate.markdown import code, table
from service.settings import Setting, all_settings

_TEXT = """\
# Settings of the service

Each is a flag of `serve` and an environment variable. If both are given, the flag counts.
"""


def settings_page() -> str:
    """The page, Markdown."""
    rows = [_row(setting) for setting in all_settings()]
    return "\n".join([_TEXT, *table(("flag", "variable", "default", "what it is"), rows)])


def _row(setting: Setting) -> tuple[str, str, str, str]:
    flag = "" if setting.secret else code(setting.flag)
    return flag, code(setting.variable), code(setting.default), setting.help
