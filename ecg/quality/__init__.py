"""Signal quality of a recording: per lead and as a whole, with causes."""

from ecg.quality.assess import assess_quality
from ecg.quality.result import GRADES, Cause, Grade, LeadQuality, Quality

__all__ = ["GRADES", "Cause", "Grade", "LeadQuality", "Quality", "assess_quality"]
