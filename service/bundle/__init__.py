"""The bundle format, version 1: read, verify, write. No model is run here."""

from service.bundle.errors import BundleRefused
from service.bundle.golden import GoldenImage
from service.bundle.reader import Bundle, read_bundle
from service.bundle.spec import Spec
from service.bundle.writer import write_bundle

__all__ = ["Bundle", "BundleRefused", "GoldenImage", "Spec", "read_bundle", "write_bundle"]
