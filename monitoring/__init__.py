"""Alerts, monitors and dashboards of the service; `dashboards.py` is the source of the JSON files."""
