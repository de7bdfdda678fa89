"""What stands out in a run, how sure that is, and what to try next; one rule or family of rules a module."""

from trainer.insight.diagnosis.diagnose import to_json
from trainer.insight.diagnosis.finding import Confidence, Finding
from trainer.insight.diagnosis.gather import diagnose_run
from trainer.insight.diagnosis.wording import tell

__all__ = ["Confidence", "Finding", "diagnose_run", "tell", "to_json"]
