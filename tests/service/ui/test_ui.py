from __future__ import annotations

import re

import httpx

from service.ui import base_css, shared_files


def test_every_colour_of_the_light_theme_has_one_in_the_dark_theme() -> None:
    controls = shared_files()["base.css"].decode().removeprefix(base_css())
    for css in (base_css(), controls):
        light, dark = (set(re.findall(r"--([\w-]+): #", text)) for text in css.split("@media screen", 1))
        assert light == dark
        assert light


def test_the_style_sheet_of_the_page_starts_with_the_shared_one(client: httpx.Client) -> None:
    assert client.get("/page/style.css").text.startswith(base_css())


def test_it_loads_nothing_from_other_places() -> None:
    assert not re.search(r"https?://|url\(|@import", base_css())
