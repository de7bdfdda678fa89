"""The containers of `make container-test-places`, without a container."""

from __future__ import annotations

from tests.container.places import places
from tests.container.trial import HARDENED


def test_each_place_starts_the_image_with_its_own_port_variables_user_and_memory() -> None:
    options = {place.name: place.run_options("bundle") for place in places()}
    assert len(options) == 6
    assert not [name for name, given in options.items() if any(option.startswith("--volume") for option in given)]
    space = options["Hugging Face Space"]
    assert {"--user=1000", "--env=FIELDGUIDE_FRAME_ANCESTORS=https://huggingface.co", "--memory=16g"} <= set(space)
    assert {"--env=FIELDGUIDE_PORT=8000", "--memory=1024m", "--cpus=1"} <= set(options["Fly.io"])
    assert {"--env=FIELDGUIDE_PORT=8000", "--env=PORT=8000"} <= set(options["Render, its smallest plan"])
    assert {"--env=FIELDGUIDE_PORT=8000", "--env=PORT=8000"} <= set(options["Cloud Run"])
    compose = options["Compose"]
    assert {"--env=FIELDGUIDE_HOST=::", "--env=FIELDGUIDE_PORT=8000", *HARDENED} <= set(compose)
    assert not [option for option in compose if "API_KEYS" in option]
