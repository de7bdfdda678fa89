"""What differs from one deployment to the next, and the example values that stand for it in the files."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A label of the DNS: the strictest of what the places take for a name; with room for suffixes of the objects' names.
_LONGEST_NAME = 50
_NAME = re.compile(rf"[a-z]([a-z0-9-]{{0,{_LONGEST_NAME - 2}}}[a-z0-9])?")
_IMAGE = re.compile(
    r"[a-z0-9]+([._-]+[a-z0-9]+)*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)
_HOST = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
# The files have these; nothing else in them is written like this.
EXAMPLE_NAME = "bears"
EXAMPLE_IMAGE = "registry.example.org/bears:1"
_EXAMPLE_BUNDLE_IMAGE = "registry.example.org/bears-bundle:1"
EXAMPLE_HOST = "bears.example.org"
EXAMPLE_MEMORY_MIB = 1024
EXAMPLE_FOLDER = "./site"
_MEMORY_UNITS = ("Mi", "M", "m", "mb")
# Fly.io sells memory in these steps; the other places take any number.
MEMORY_STEP_MIB = 256


@dataclass(frozen=True, kw_only=True)
class Values:
    """What the user chose.

    Attributes:
        name: Of the service, the app, the Space, the unit.
        image: Name of the image, with its registry if it is pushed to one.
        host: Public name of the host.
        memory_mib: Limit of the memory, MiB.

    Raises:
        ValueError: A value is not valid. The message says what is.
    """

    name: str
    image: str
    host: str
    memory_mib: int

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a name has at most {_LONGEST_NAME} small letters, digits and hyphens, and starts with a letter, "
                f"not {self.name!r}"
            )
        if not _IMAGE.fullmatch(self.image):
            raise ValueError(f"an image is called like {EXAMPLE_IMAGE}, not {self.image!r}")
        if not _HOST.fullmatch(self.host):
            raise ValueError(f"a host is called like {EXAMPLE_HOST}, not {self.host!r}")
        if self.memory_mib < MEMORY_STEP_MIB:
            raise ValueError(f"the memory must be at least {MEMORY_STEP_MIB} MiB, not {self.memory_mib}")

    @property
    def bundle_image(self) -> str:
        """Name of an image that has only the bundle: like the service's, with `-bundle` before the tag."""
        without_digest = self.image.partition("@")[0]
        return re.sub(r"(:[^:/]+)?$", r"-bundle\1", without_digest, count=1)

    def fill_in(self, text: str, *, folder: str = EXAMPLE_FOLDER) -> str:
        """Replace the example values in a text: a file of `deploy/`, its name, or a command.

        Args:
            text: The text.
            folder: Where the files are, for a command.
        """
        values = {
            EXAMPLE_FOLDER: folder,
            EXAMPLE_IMAGE: self.image,
            _EXAMPLE_BUNDLE_IMAGE: self.bundle_image,
            EXAMPLE_HOST: self.host,
            EXAMPLE_NAME: self.name,
            **{f"{EXAMPLE_MEMORY_MIB}{unit}": f"{self.memory_mib}{unit}" for unit in _MEMORY_UNITS},
            str(EXAMPLE_MEMORY_MIB * 1024**2): str(self.memory_mib * 1024**2),  # bytes, in expressions of Prometheus
        }
        # In one pass, so that no value is looked for in another; the longest first, since one is a part of another.
        longest_first = sorted(values, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, longest_first)), lambda found: values[found[0]], text)


def name_from(model: str) -> str:
    """Make the name of a service of the name of a model; empty if nothing of it is left."""
    return re.sub(r"[^a-z0-9]+", "-", model.lower()).lstrip("0123456789-")[:_LONGEST_NAME].strip("-")


def tag_from(version: str) -> str:
    """Make the tag of an image of the version of a model."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", version).lstrip("-.")[:128] or "1"
