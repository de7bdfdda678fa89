"""An image layout by the letter of the OCI specification, and as skopeo copies it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from service.bundle import read_bundle, read_files
from tests.support.bundles import write_tiny_bundle
from tests.support.runs import tree
from trainer.export.oci import write_oci_layout


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "bundle")


@pytest.fixture
def layout(bundle: Path, tmp_path: Path) -> Path:
    write_oci_layout(tmp_path / "oci", *read_files(bundle))
    return tmp_path / "oci"


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    """The bytes that a descriptor names; their digest and length are checked."""
    algorithm, _, digest = descriptor["digest"].partition(":")
    data = (layout / "blobs" / algorithm / digest).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    assert len(data) == descriptor["size"]
    return data


def test_it_follows_the_specification(bundle: Path, layout: Path) -> None:
    """image-layout.md, image-index.md, manifest.md and config.md of the image specification 1.1."""
    assert json.loads((layout / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((layout / "index.json").read_bytes())
    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    (described,) = index["manifests"]
    assert described["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    manifest = json.loads(blob(layout, described))
    assert (manifest["schemaVersion"], manifest["mediaType"]) == (2, described["mediaType"])
    assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    config = json.loads(blob(layout, manifest["config"]))
    assert {"architecture", "os", "rootfs"} <= set(config)
    assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"]]}
    assert len(config["history"]) == 1
    blob(layout, layer)
    digest = read_bundle(bundle).digest
    assert manifest["annotations"]["fieldguide.bundle.digest"] == digest
    assert manifest["annotations"]["org.opencontainers.image.version"] == "1"
    assert described["annotations"] == {"fieldguide.bundle.digest": digest}
    assert len(list((layout / "blobs" / "sha256").iterdir())) == 3


def test_the_layer_has_the_bundle_under_models(bundle: Path, layout: Path, tmp_path: Path) -> None:
    largest = max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    with tarfile.open(largest) as archive:
        members = archive.getmembers()
        archive.extractall(tmp_path / "root", filter="data")
    names = [member.name for member in members]
    assert names == sorted(names)
    assert names[0] == "models"
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", 0)}
    assert {member.mode for member in members if member.isfile()} == {0o644}
    assert {member.mode for member in members if member.isdir()} == {0o755}
    assert read_files(tmp_path / "root" / "models")[1] == read_files(bundle)[1]


def test_the_same_bundle_gives_the_same_image_from_a_folder_and_a_zip(
    bundle: Path, layout: Path, tmp_path: Path
) -> None:
    zipped = write_tiny_bundle(tmp_path / "bundle.zip")
    first = write_oci_layout(tmp_path / "again", *read_files(zipped))
    assert first == write_oci_layout(tmp_path / "third", *read_files(bundle))
    hashes = [[value[0] for value in tree(folder).values()] for folder in (layout, tmp_path / "again")]
    assert hashes[0] == hashes[1]


def test_nothing_is_overwritten(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "oci").mkdir()
    with pytest.raises(FileExistsError):
        write_oci_layout(tmp_path / "oci", *read_files(bundle))
    assert not list((tmp_path / "oci").iterdir())


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_copies_it(layout: Path, tmp_path: Path) -> None:
    copy = ["skopeo", "copy", "--insecure-policy", f"oci:{layout}", f"dir:{tmp_path / 'copy'}"]
    subprocess.run(copy, check=True, capture_output=True, timeout=60)
    index = json.loads((layout / "index.json").read_bytes())
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == blob(layout, index["manifests"][0])
    inspected = subprocess.check_output(["skopeo", "inspect", f"oci:{layout}"], text=True, timeout=60)
    assert json.loads(inspected)["Labels"]["org.opencontainers.image.title"] == "colours"
