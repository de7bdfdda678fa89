"""The software bill of materials of an image, in CycloneDX 1.6, made from the files that are really in it.

    docker export CONTAINER | python deploy/sbom.py > image.cdx.json

`make sbom IMAGE=fieldguide` and the workflow for containers run this. It needs the standard library alone, and lists

- fieldguide and Python
- the Python packages in /opt/fieldguide, by their metadata; not one whose modules the Dockerfile removed
- the packages of Debian, by dpkg's own list

but not the libraries inside wheels, such as libjpeg in Pillow. The same image gives the same bytes: there is no time
and no serial number.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import IO, Any
from urllib.parse import quote

HOME = "opt/fieldguide/"
VERSION, OS, DEBIAN = HOME + "service/__init__.py", "usr/lib/os-release", "var/lib/dpkg/status"
_KEPT = re.compile(
    rf"{HOME}[^/]+\.dist-info/(METADATA|RECORD)|{VERSION}|{OS}|{DEBIAN}|usr/local/include/python3\.\d+/patchlevel\.h"
)
Component = dict[str, Any]


class Incomplete(Exception):
    """The image lacks a file without which its list would have a gap."""


class ImageFiles:
    """The names of all files of an image, and the text of those that say what is in it."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Read the archive once, from the start to the end."""
        self.names: set[str] = set()
        self.texts: dict[str, str] = {}
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                self.names.add(name)
                file = archive.extractfile(member) if member.isreg() and _KEPT.fullmatch(name) else None
                if file:
                    self.texts[name] = file.read().decode()

    def text(self, name: str) -> str:
        """The text of this file."""
        if name not in self.texts:
            raise Incomplete(f"the image has no /{name}: it is not made by the Dockerfile of fieldguide")
        return self.texts[name]

    def value(self, pattern: str, name: str) -> str:
        """What the pattern's group matches in this file."""
        found = re.search(pattern, self.text(name), re.MULTILINE)
        if found is None:
            raise Incomplete(f"/{name} does not say what was expected: {pattern}")
        return found[1]


def document(files: ImageFiles) -> dict[str, Any]:
    """The bill of materials, ready for JSON."""
    version = files.value(r'^__version__ = "(.+)"', VERSION)
    image = _component("container", "fieldguide-image", version, "image")
    found = [_component("application", "fieldguide", version, f"pkg:pypi/fieldguide@{quote(version)}"), _python(files)]
    components = sorted([*found, *_wheels(files), *_debian(files)], key=lambda component: component["bom-ref"])
    refs = [component["bom-ref"] for component in components]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": image},
        "components": components,
        "dependencies": [{"ref": "image", "dependsOn": refs}, *({"ref": ref} for ref in refs)],
    }


def _component(kind: str, name: str, version: str, ref: str) -> Component:
    purl = {"purl": ref} if ref.startswith("pkg:") else {}
    return {"type": kind, "bom-ref": ref, "name": name, "version": version, **purl}


def _python(files: ImageFiles) -> Component:
    headers = [name for name in files.texts if name.endswith("/patchlevel.h")]
    header = headers[0] if headers else "usr/local/include/python3/patchlevel.h"
    version = files.value(r'^#define PY_VERSION\s+"(.+)"', header)
    return _component("application", "python", version, f"pkg:generic/python@{quote(version)}")


def _wheels(files: ImageFiles) -> Iterator[Component]:
    for path, text in files.texts.items():
        if not path.endswith(".dist-info/METADATA"):
            continue
        folder = path.removesuffix("METADATA")
        if not _has_modules(files, folder):
            continue
        metadata = HeaderParser().parsestr(text)
        name, version = metadata["Name"], metadata["Version"]
        ref = f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{quote(version)}"
        licence = metadata["License-Expression"]
        yield _component("library", name, version, ref) | ({"licenses": [{"expression": licence}]} if licence else {})


def _has_modules(files: ImageFiles, folder: str) -> bool:
    """Whether the image has a file of the package beside its metadata; also if it never had one."""
    rows = csv.reader(files.text(folder + "RECORD").splitlines())
    own = folder.removeprefix(HOME)
    paths = [row[0] for row in rows if row and not row[0].startswith((own, ".."))]
    return not paths or any(HOME + path in files.names for path in paths)


def _debian(files: ImageFiles) -> Iterator[Component]:
    distribution = files.value(r'^ID="?(\w+)', OS)
    release = distribution + "-" + files.value(r'^VERSION_ID="?([0-9.]+)', OS)
    for paragraph in re.split(r"\n{2,}", files.text(DEBIAN).strip()):
        package: Message = HeaderParser().parsestr(paragraph)
        if not package["Status"].endswith(" installed"):
            continue
        name, version, arch = package["Package"], package["Version"], package["Architecture"]
        ref = f"pkg:deb/{distribution}/{quote(name)}@{quote(version)}?arch={arch}&distro={release}"
        yield _component("library", name, version, ref)


def main() -> int:
    """Read the files of an image from standard input, and write its document to standard output."""
    try:
        print(json.dumps(document(ImageFiles(sys.stdin.buffer)), indent=1))
    except (Incomplete, tarfile.TarError) as error:
        print(f"sbom: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
