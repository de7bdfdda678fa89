"""What the checks of several files of `deploy/` share. Each returns what is wrong, in one line a problem."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import yaml

from service.settings import BadSetting, Settings, all_settings
from tests.support.routes import ROUTES
from tests.test_packaging import ROOT

DEPLOY = ROOT / "deploy"
# A photo of the largest size is served on a slow mobile connection.
SLOWEST_BYTES_PER_S = 30_000
# From SIGTERM to the end of the last request.
LONGEST_STOP_S = Settings().grace_s + Settings().drain_s


class UniqueKeyLoader(yaml.CSafeLoader):
    """Refuses a key that occurs twice, of which YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {twice.pop()}", node.start_mark)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    return yaml.load(text, UniqueKeyLoader)


def key_problems(mapping: Mapping[str, Any], expected: Collection[str], *, optional: Collection[str] = ()) -> list[str]:
    """Keys that are missing or that its reader does not know."""
    missing = [f"{key} is missing" for key in expected if key not in mapping]
    return missing + [f"{key} is no key of it" for key in mapping if key not in {*expected, *optional}]


def setting_problems(environment: Mapping[str, str]) -> list[str]:
    """Variables that are no setting of the service, or whose value is not valid."""
    known = {setting.variable for setting in all_settings()} | {"FIELDGUIDE_BUNDLE"}
    problems = [f"{name} is no setting" for name in environment if name not in known]
    try:
        Settings.resolve({}, environment)
    except BadSetting as error:
        problems.append(str(error))
    return problems


def path_problems(*paths: str) -> list[str]:
    """Paths at which the service has nothing."""
    return [f"{path} is no route" for path in paths if path not in ROUTES]
