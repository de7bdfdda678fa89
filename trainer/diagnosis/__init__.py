"""What stands out in a run, how sure that is, and what to try next."""

from trainer.diagnosis.collect import collect_evidence
from trainer.diagnosis.diagnose import diagnose
from trainer.diagnosis.embeddings import FeatureNetwork, embed_images
from trainer.diagnosis.evidence import Evidence
from trainer.diagnosis.finding import (
    Confidence,
    Finding,
    Remedy,
    findings_to_json,
    findings_to_text,
    read_findings,
    write_findings,
)

__all__ = [
    "Confidence",
    "Evidence",
    "FeatureNetwork",
    "Finding",
    "Remedy",
    "collect_evidence",
    "diagnose",
    "embed_images",
    "findings_to_json",
    "findings_to_text",
    "read_findings",
    "write_findings",
]
