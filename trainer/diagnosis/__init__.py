"""What stands out in a run, how sure that is, and what to try next.

Names are imported when they are first used: not all need torch.
"""

from typing import TYPE_CHECKING

from trainer.lazy import lazy_names

if TYPE_CHECKING:
    from trainer.diagnosis.collect import collect_evidence as collect_evidence
    from trainer.diagnosis.embeddings import FeatureNetwork as FeatureNetwork
    from trainer.diagnosis.embeddings import embed_images as embed_images
    from trainer.diagnosis.evidence import Evidence as Evidence
    from trainer.diagnosis.finding import Confidence as Confidence
    from trainer.diagnosis.finding import Finding as Finding
    from trainer.diagnosis.finding import Remedy as Remedy
    from trainer.diagnosis.finding import findings_to_json as findings_to_json
    from trainer.diagnosis.finding import findings_to_text as findings_to_text
    from trainer.diagnosis.finding import read_findings as read_findings
    from trainer.diagnosis.finding import write_findings as write_findings

_FINDING = (
    "Confidence",
    "Finding",
    "Remedy",
    "findings_to_json",
    "findings_to_text",
    "read_findings",
    "write_findings",
)
_MODULES = {
    "collect_evidence": "collect",
    **dict.fromkeys(("FeatureNetwork", "embed_images"), "embeddings"),
    "Evidence": "evidence",
    **dict.fromkeys(_FINDING, "finding"),
}

__getattr__ = lazy_names(__name__, _MODULES)
