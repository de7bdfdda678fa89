"""Random corruptions of a bundle, each of which must be refused. `CORRUPTIONS` names their kinds."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import socket
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.bundle.manifest import CHECKSUM, MANIFEST, checksum_line
from tests.support.bundles import make_files

Files = dict[str, bytes]
Corruption = Callable[[random.Random, Files, Path], Path]
JSON_FILES = ("spec.json", "golden/golden.json")
_WRONG_VALUES: tuple[Any, ...] = (None, True, [], {}, "", "\u202e", -1, 1e308, 2**70, [[[]]], {"": {}}, ["a", "a"])
_BINARY = ("head.npy", "golden/0.jpeg", "golden/1.png", "golden/2.webp")


def valid_files() -> Files:
    """Every file of a valid bundle, the manifest's two among them."""
    return listed(make_files())


def listed(files: Mapping[str, bytes], change: Callable[[dict[str, Any]], object] = lambda manifest: None) -> Files:
    """The files with a manifest that fits, which `change` may edit before its own hash is taken."""
    own = {name: data for name, data in files.items() if name not in (MANIFEST, CHECKSUM)}
    manifest = {
        "format": 2,
        "name": "tiny",
        "version": "1",
        "created": "2026-11-20T12:00:00Z",
        "producer": {"test": "1"},
        "files": {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in own.items()},
    }
    change(manifest)
    encoded = json.dumps(manifest).encode()
    return {**own, MANIFEST: encoded, CHECKSUM: checksum_line(encoded)}


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files as a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def write_zip(files: Mapping[str, bytes], folder: Path, *, method: int = zipfile.ZIP_STORED) -> Path:
    """Write the files as a zip."""
    folder.mkdir(parents=True)
    target = folder / "bundle.zip"
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def write_either(chance: random.Random, files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files as a folder, as a zip, or as a deflated zip."""
    if chance.random() < 0.5:
        return write_folder(files, folder)
    return write_zip(files, folder, method=chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))


# Files whose hashes do not fit.


def _bits(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice([*files])
    data = bytearray(files[name])
    for place in chance.sample(range(len(data)), min(len(data), chance.randint(1, 4))):
        data[place] ^= 1 << chance.randrange(8)
    return write_either(chance, {**files, name: bytes(data)}, folder)


def _length(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice([*files])
    data = files[name]
    more = chance.randbytes(chance.randint(1, 999))
    changed = data + more if chance.random() < 0.3 else data[: chance.randrange(len(data) - 1)]
    return write_either(chance, {**files, name: changed}, folder)


def _missing(chance: random.Random, files: Files, folder: Path) -> Path:
    gone = chance.choice([*files])
    return write_either(chance, {name: data for name, data in files.items() if name != gone}, folder)


def _extra(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice(["model.onnx.data", "golden/x.png", "a/b/c", "spec.json~", ".env", "x.py", "MODEL.onnx", "ä"])
    return write_either(chance, {**files, name: chance.randbytes(20)}, folder)


def _swapped(chance: random.Random, files: Files, folder: Path) -> Path:
    one, other = chance.sample([*files], 2)
    return write_either(chance, {**files, one: files[other], other: files[one]}, folder)


def _renamed(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice([*files])
    changed = chance.choice([name.upper() + "X", f"{name}.bak", f"x/{name}", name[:-1]])
    return write_either(chance, {changed if key == name else key: data for key, data in files.items()}, folder)


def _edited_json(chance: random.Random, files: Files, folder: Path) -> Path:
    """A value is another one, and the hashes are still those of the old one."""
    name = chance.choice([*JSON_FILES, "metrics.json", MANIFEST])
    changed = _edit(chance, json.loads(files[name]))
    return write_either(chance, {**files, name: json.dumps(changed).encode()}, folder)


# Hashes that fit, and contents that must not be used.


def _invalid_json(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice([*JSON_FILES, "metrics.json"])
    cut = files[name][: chance.randrange(len(files[name]) - 1)]
    repeated = files[name].rstrip()[:-1] + b', "a": 1, "a": 2}'
    deep = b'{"a":' + b"[" * chance.randint(2_000, 200_000)
    data = chance.choice([cut, repeated, deep, b"\xff\xfe" + files[name], b'{"a": NaN}', b"[]", b'{"a": 1e999}', b""])
    return write_either(chance, listed({**files, name: data}), folder)


def _wrong_json_value(chance: random.Random, files: Files, folder: Path) -> Path:
    """A key that is needed is gone, or its value has another type."""
    name = chance.choice(JSON_FILES)
    value = json.loads(files[name])
    keys = [key for key in _keys(value) if "max_" not in str(key[-1])]  # these have defaults
    if name == "spec.json" or chance.random() < 0.5:
        changed = _changed(value, chance.choice(keys), _of_another_type(chance))
    else:
        changed = _changed(value, chance.choice(keys[1:]), None)
    return write_either(chance, listed({**files, name: json.dumps(changed).encode()}), folder)


def _wrong_manifest(chance: random.Random, files: Files, folder: Path) -> Path:
    def change(manifest: dict[str, Any]) -> None:
        key = chance.choice([key for key in _keys(manifest) if key[0] != "producer" or len(key) == 1])
        if chance.random() < 0.5:
            _at(manifest, key[:-1]).pop(key[-1])
        else:
            _at(manifest, key[:-1])[key[-1]] = _of_another_type(chance)(_at(manifest, key))

    return write_either(chance, listed(files, change), folder)


def _wrong_lengths(chance: random.Random, files: Files, folder: Path) -> Path:
    def change(manifest: dict[str, Any]) -> None:
        entry = manifest["files"][chance.choice([*manifest["files"]])]
        entry["bytes"] = chance.choice([0, entry["bytes"] + 1, entry["bytes"] - 1, 2**31, 2**40, 2**63, 10**30])

    return write_either(chance, listed(files, change), folder)


def _listed_outside(chance: random.Random, files: Files, folder: Path) -> Path:
    names = ["/etc/hostname", "../x", "golden/../../x", "./x", "a//b", "a\\b", "", ".", "a\nb", "a/", "\0"]
    path = chance.choice(names)

    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][path] = {"sha256": _sha256(b""), "bytes": 0}

    return write_either(chance, listed(files, change), folder)


def _foreign_content(chance: random.Random, files: Files, folder: Path) -> Path:
    """A listed file is something else: a pickle, a picture, zeros, a script, or nothing."""
    name = chance.choice(["model.onnx", *_BINARY])
    others = [b"", b"\x80\x04\x95.", bytes(5000), b"#!/bin/sh\n", chance.randbytes(3000), files["spec.json"]]
    return write_either(chance, listed({**files, name: chance.choice(others)}), folder)


def _cut_content(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice(["model.onnx", "head.npy", *JSON_FILES])
    return write_either(chance, listed({**files, name: files[name][: chance.randrange(len(files[name]) - 1)]}), folder)


def _swapped_content(chance: random.Random, files: Files, folder: Path) -> Path:
    names = [name for name in files if name not in (MANIFEST, CHECKSUM, "card.md", "metrics.json")]
    one, other = chance.sample(names, 2)
    return write_either(chance, listed({**files, one: files[other], other: files[one]}), folder)


def _unusable_model(chance: random.Random, files: Files, folder: Path) -> Path:
    """A model with fields at its end, as protobuf allows, that are nested, external, foreign or broken."""
    field = chance.choice(
        [
            _field(7, _nested(chance.randint(20, 5000))),
            _field(8, _field(1, b"evil.domain")),
            _field(7, _field(5, _field(13, b"\n\x08location\x12\x0b/etc/passwd"))),
            _field(7, _field(5, b"\x70\x01")),
            b"\xff" * chance.randint(1, 20),
            b"\x3a\xff\xff\xff\xff\x0f",
        ]
    )
    return write_either(chance, listed({**files, "model.onnx": files["model.onnx"] + field}), folder)


# What a folder may have beside regular files.


def _no_regular_file(chance: random.Random, files: Files, folder: Path) -> Path:
    write_folder(files, folder)
    path = folder / chance.choice([*files])
    path.unlink()
    kind = chance.choice(["pipe", "socket", "folder", "device", "nowhere", "loop", "other"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            here = os.open(path.parent, os.O_RDONLY)
            server.bind(f"/proc/self/fd/{here}/{path.name}")  # the path itself may be too long for a socket
            os.close(here)
    elif kind == "folder":
        path.mkdir()
    else:
        (folder.parent / "other").write_bytes(b"other")
        targets = {"device": "/dev/zero", "nowhere": "nowhere", "loop": path.name, "other": folder.parent / "other"}
        path.symlink_to(targets[kind])
    return folder


# Tricks with a zip.


def _zip_bits(chance: random.Random, files: Files, folder: Path) -> Path:
    path = write_zip(files, folder, method=chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return path


def _zip_directory_bits(chance: random.Random, files: Files, folder: Path) -> Path:
    path = write_zip(files, folder, method=chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\1\2")
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(start, len(data))] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
    path.write_bytes(data)
    return path


def _zip_cut(chance: random.Random, files: Files, folder: Path) -> Path:
    path = write_zip(files, folder)
    data = path.read_bytes()
    start, length = chance.randrange(len(data) - 22), chance.randint(1, 400)
    path.write_bytes(chance.choice([data[:start], data[:start] + data[start + length :], data[start + 1 :]]))
    return path


def _zip_path(chance: random.Random, files: Files, folder: Path) -> Path:
    evil = chance.choice(["/x", "../x", "golden/../../x", "./x", "a//b", "a\\b", "a\nb", "C:\\x", "..\\x", "x\u202ey"])
    return _with_entry(write_zip(files, folder), evil, chance.randbytes(9))


def _zip_link(chance: random.Random, files: Files, folder: Path) -> Path:
    info = zipfile.ZipInfo(chance.choice(["x", *files]))
    info.external_attr = 0o120777 << 16
    rest = {name: data for name, data in files.items() if name != info.filename}
    return _with_entry(write_zip(rest, folder), info, chance.choice([b"/etc/passwd", b"../x", files["spec.json"]]))


def _zip_duplicate(chance: random.Random, files: Files, folder: Path) -> Path:
    name = chance.choice([*files])
    return _with_entry(write_zip(files, folder), name, chance.choice([files[name], b"other"]))


def _zip_compression(chance: random.Random, files: Files, folder: Path) -> Path:
    return write_zip(files, folder, method=chance.choice([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))


def _zip_flags(chance: random.Random, files: Files, folder: Path) -> Path:
    """Encrypted, patched, strongly encrypted, or a method that does not exist."""
    path = write_zip(files, folder)
    data = bytearray(path.read_bytes())
    flag, method = chance.choice([(1, None), (0x20, None), (0x41, None), (None, 99), (None, 9), (None, 0xFFFF)])
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.index(signature) + place
        if flag is not None:
            data[start] |= flag
        if method is not None:
            data[start + 2 : start + 4] = struct.pack("<H", method)
    path.write_bytes(data)
    return path


def _zip_sizes(chance: random.Random, files: Files, folder: Path) -> Path:
    """The directory gives another length, compressed length, check value or place of an entry."""
    path = write_zip(files, folder, method=chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    data = bytearray(path.read_bytes())
    starts = [start for start in range(len(data) - 4) if data[start : start + 4] == b"PK\1\2"]
    place = chance.choice(starts) + chance.choice([16, 20, 24, 42])
    (old,) = struct.unpack_from("<I", data, place)
    new = chance.choice([0, 1, old + 1, 2**31, 2**32 - 2, 2**32 - 1])
    struct.pack_into("<I", data, place, new if new != old else old + 1)
    path.write_bytes(data)
    return path


def _zip_nested(chance: random.Random, files: Files, folder: Path) -> Path:
    inner = write_zip(files, folder / "inner").read_bytes()
    outer = {"bundle.zip": inner} if chance.random() < 0.5 else {f"a/b/{name}": data for name, data in files.items()}
    return write_zip(outer, folder / "outer")


def _zip_bomb(chance: random.Random, files: Files, folder: Path) -> Path:
    """Zeros that are passed over, that the manifest lists, or that take the place of a file."""
    zeros = bytes(chance.randint(6, 12) * 10**6)
    changed = chance.choice(
        [
            {**files, "README.md": zeros},
            listed({**files, "notes.txt": zeros}),
            {**files, chance.choice([*files]): zeros},
        ]
    )
    return write_zip(changed, folder, method=zipfile.ZIP_DEFLATED)


CORRUPTIONS: dict[str, Corruption] = {
    function.__name__.removeprefix("_"): function
    for function in (
        *(_bits, _length, _missing, _extra, _swapped, _renamed, _edited_json),
        *(_invalid_json, _wrong_json_value, _wrong_manifest, _wrong_lengths, _listed_outside, _foreign_content),
        *(_cut_content, _swapped_content, _unusable_model, _no_regular_file),
        *(_zip_bits, _zip_directory_bits, _zip_cut, _zip_path, _zip_link, _zip_duplicate, _zip_compression),
        *(_zip_flags, _zip_sizes, _zip_nested, _zip_bomb),
    )
}
# What these change may be something that nobody reads, such as the time of an entry.
MAY_BE_HARMLESS = frozenset({"zip_bits", "zip_directory_bits", "zip_cut", "zip_sizes"})


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _keys(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a value of JSON, but of the items of a list after its first."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    found: list[tuple[Any, ...]] = []
    for key, inner in items:
        found += [(*prefix, key), *_keys(inner, (*prefix, key))]
    return found


def _at(value: Any, key: tuple[Any, ...]) -> Any:
    for part in key:
        value = value[part]
    return value


def _changed(value: Any, key: tuple[Any, ...], change: Callable[[Any], Any] | None) -> Any:
    """The value with one inside it changed, or without it."""
    if change is None:
        _at(value, key[:-1]).pop(key[-1])
    else:
        _at(value, key[:-1])[key[-1]] = change(_at(value, key))
    return value


def _of_another_type(chance: random.Random) -> Callable[[Any], Any]:
    kinds = {int: "number", float: "number"}

    def other(old: Any) -> Any:
        kind = kinds.get(type(old), type(old))
        return chance.choice([new for new in _WRONG_VALUES if kinds.get(type(new), type(new)) != kind])

    return other


def _edit(chance: random.Random, value: Any) -> Any:
    key = chance.choice(_keys(value))
    return _changed(value, key, chance.choice([None, _of_another_type(chance)]))


def _with_entry(path: Path, entry: str | zipfile.ZipInfo, data: bytes) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there twice
        archive.writestr(entry, data)
    return path


def _varint(number: int) -> bytes:
    encoded = io.BytesIO()
    while number > 0x7F:
        encoded.write(bytes([number & 0x7F | 0x80]))
        number >>= 7
    encoded.write(bytes([number]))
    return encoded.getvalue()


def _field(number: int, data: bytes) -> bytes:
    """A field of a protobuf message that has bytes."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _nested(depth: int) -> bytes:
    """A graph in an attribute of a node of a graph, and so on."""
    data = b""
    for _ in range(depth):
        data = _field(1, _field(5, _field(6, data)))
    return data
