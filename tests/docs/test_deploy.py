"""docs/deploy.md has the commands that `fieldguide deploy` prints, at most six for each place."""

from __future__ import annotations

import re
import shlex

import pytest

from fieldguide.deployment.targets import TARGETS
from tests.docs.test_links import ROOT

PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")
BLOCKS = [block.splitlines() for block in re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("name", TARGETS)
def test_the_page_has_the_commands_of_the_target(name: str) -> None:
    target = TARGETS[name]
    (commands,) = [block for block in BLOCKS if shlex.split(block[0])[:3] == ["fieldguide", "deploy", name]]
    assert commands[1:] == list(target.commands)
    assert len(commands) <= 6
    assert ("--image" in commands[0]) == target.needs_image
    assert ("--host" in commands[0]) == target.needs_host
