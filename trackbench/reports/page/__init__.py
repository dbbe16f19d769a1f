"""The HTML report: one file that needs neither a network nor a server."""

from trackbench.reports.page.html import Page

__all__ = ["Page"]
