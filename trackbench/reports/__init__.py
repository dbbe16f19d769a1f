"""Reports: tables and plots of scores. They read scores, never the files of runs."""

from trackbench.reports.build import Report, ReportOptions, report

__all__ = ["Report", "ReportOptions", "report"]
