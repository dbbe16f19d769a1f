"""BibTeX entries of the trackers and benchmarks that trackbench knows: ``reports/citations.bib``.

Each entry says in a field of its own, ``trackbench``, what it stands for: ``dataset:otb100`` or ``tracker:aiatrack``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from trackbench.definitions import content_folder
from trackbench.files import read_text

_ENTRY = re.compile(r"^@\w+\{.*?^\}", re.MULTILINE | re.DOTALL)
_SUBJECTS = re.compile(r"^ *trackbench = \{(.*?)\},?\n", re.MULTILINE)


def entries() -> dict[str, str]:
    """Return what each entry stands for -> the entry, without the field that names it; several may share one."""
    text = read_text(content_folder("reports") / "citations.bib")
    entries_by_key = {}
    for entry in _ENTRY.findall(text):
        subjects = _SUBJECTS.search(entry)
        if subjects is not None:
            plain = _SUBJECTS.sub("", entry)
            entries_by_key.update(dict.fromkeys(subjects.group(1).split(), plain))
    return entries_by_key


def bibliography(subjects: Iterable[str]) -> tuple[str, list[str]]:
    """Return the entries of subjects, each once, and the subjects that have none.

    Args:
        subjects: ``dataset:NAME`` or ``tracker:NAME``.
    """
    known = entries()
    wanted = list(dict.fromkeys(subjects))
    texts = dict.fromkeys(known[subject] for subject in wanted if subject in known)
    return "\n\n".join(texts) + "\n" if texts else "", [subject for subject in wanted if subject not in known]
