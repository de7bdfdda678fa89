"""What stands out in a run, how sure that is, and what to try next; one rule or family of rules a module."""

from trainer.diagnosis.diagnose import to_json
from trainer.diagnosis.evidence import diagnose_run
from trainer.diagnosis.finding import Confidence, Finding
from trainer.diagnosis.wording import tell

__all__ = ["Confidence", "Finding", "diagnose_run", "tell", "to_json"]
