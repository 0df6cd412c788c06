"""The cohort job on Ray Data."""
