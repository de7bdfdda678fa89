"""Hooks for schemathesis: which bytes are images, and which model there is."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import strategies as st

from tests.support.bundles import make_image

schemathesis.openapi.media_type(
    "application/octet-stream", st.binary() | st.sampled_from([make_image("red"), make_image("green", encoding="WEBP")])
)
schemathesis.openapi.media_type("image/*", st.just(make_image("blue", encoding="JPEG")))


@schemathesis.hook
def map_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any]:
    """Nearly every random name is another model's: make every other one right."""
    known = {"name": "colours", "version": "1"}
    return {name: known[name] if len(str(value)) % 2 else value for name, value in (path_parameters or {}).items()}
