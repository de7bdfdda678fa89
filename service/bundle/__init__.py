"""The bundle format, version 2: read, verify, write. No model runs here.

errors          BundleRefused
manifest        manifest.json and manifest.sha256: the files and their hashes
spec            spec.json: task, classes, pixels
model_spec      what spec.json says of one model file: its thresholds, and when it answers nothing
golden          golden/: images with the probabilities that the models must give
places          where a container finds its bundle, if nobody names one
source          the files as they are delivered: a folder, a mounted volume, a zip
onnx_file       a look into an ONNX file without the onnx package
signature       manifest.sig: who made the bundle
reader, writer  a whole bundle, folder or zip
canonical_json  JSON with one way to write each value
"""

from service.bundle.errors import BundleRefused
from service.bundle.golden import GoldenImage
from service.bundle.model_spec import AbstainSpec, ModelSpec, OodSpec, SetSpec
from service.bundle.places import find_bundle
from service.bundle.reader import Bundle, read_bundle, read_files
from service.bundle.signature import KeyUnusable, SigningKey, TrustedKeys
from service.bundle.spec import FP32, INT8, Spec
from service.bundle.writer import write_bundle

__all__ = [
    "FP32",
    "INT8",
    "AbstainSpec",
    "Bundle",
    "BundleRefused",
    "GoldenImage",
    "KeyUnusable",
    "ModelSpec",
    "OodSpec",
    "SetSpec",
    "SigningKey",
    "Spec",
    "TrustedKeys",
    "find_bundle",
    "read_bundle",
    "read_files",
    "write_bundle",
]
