"""The page of the settings of the service, from its table of settings."""

from __future__ import annotations

from docs.generate.markdown import bounds, code, codes, table
from service.settings import SETTING_GROUPS, Setting, all_settings

_TEXT = """\
# Settings of the service

Each is a flag of `serve` and an environment variable. If both are given, the flag counts. An empty value
counts as not given, and white space and line ends around values and items of lists do not count. A variable like
`FIELDGUIDE_PORT=tcp://...`, which Kubernetes sets for a Service named `fieldguide`, is passed over with a warning.
"""


def settings_page() -> str:
    """The page, Markdown."""
    lines = [_TEXT]
    for group in SETTING_GROUPS:
        rows = [_row(setting) for setting in all_settings() if setting.group == group]
        lines += [f"## {group}", "", *table(("flag", "variable", "default", "values", "what it is"), rows)]
    return "\n".join(lines)


def _row(setting: Setting) -> tuple[str, str, str, str, str]:
    flag = "" if setting.secret else code(setting.flag)
    values = codes(setting.choices) or bounds(setting.low, setting.high)
    return flag, code(setting.variable), code(setting.default), values, setting.help
