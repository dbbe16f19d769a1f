"""Packages for the servers and organisers that score results: checked first, then written as a zip archive."""

from trackbench.formats.submissions.onepass import SERVERS, Server, pack_one_pass
from trackbench.formats.submissions.package import Package, Problem
from trackbench.formats.submissions.vot import pack_vot

__all__ = ["SERVERS", "Package", "Problem", "Server", "pack_one_pass", "pack_vot"]
