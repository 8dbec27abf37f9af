"""A page that tells the story of a run, from its folder: `report.html`."""

from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.report.writing import Report, write_report

__all__ = ["Report", "ReportSettings", "write_report"]
