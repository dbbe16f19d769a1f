"""Make a page of each benchmark from its definition while the site is built."""

from __future__ import annotations

from typing import Any

from mkdocs.structure.files import File, Files

from trackbench.definitions import DATASETS, DatasetDefinition


def on_files(files: Files, config: Any) -> Files:
    """Add ``reference/benchmarks/NAME.md`` for every built-in definition, and link them from the index."""
    for name in DATASETS.names():
        page = benchmark_page(name, DATASETS.get(name).value)
        files.append(File.generated(config, f"reference/benchmarks/{name}.md", content=page))
    return files


def benchmark_page(name: str, record: DatasetDefinition) -> str:
    """Return the page of one benchmark in Markdown."""
    protocol = {"multistart": "multi-start (VOT, anchors)", "supervised": "reset-based (VOT)"}
    facts = {
        "name on the command line": f"`{name}`",
        "source": record.home,
        "protocol": protocol.get(record.protocol, record.protocol),
        "rules of": f"the family `{record.family}`",
        "default convention": f"`{record.convention}`",
        "sequences": record.count,
        "first pixel in the annotation": record.origin,
        "EAO averages over": "{} to {} frames".format(*record.eao_lengths) if record.eao_lengths else None,
        "stack of vot-toolkit": record.stack and f"`{record.stack}`",
        "scored by": "its server; the annotation of the test split is withheld" if record.truth == "initial" else None,
    }
    rows = [f"| {key} | {value} |" for key, value in facts.items() if value not in (None, "")]
    parts = [f"# {record.title}", "\n".join(["| | |", "| --- | --- |", *rows])]
    if record.tree:
        parts += ["## On disk", f"```text\n{record.tree.strip()}\n```"]
    parts += [
        "## Use",
        f"```sh\ntrackbench data add {name} DIR\ntrackbench check {name}\ntrackbench run dcf -d {name}\n"
        f"trackbench report -d {name}\n```",
    ]
    if record.attributes:
        listed = [f"| {key} | {meaning} |" for key, meaning in record.attributes.items()]
        parts += ["## Attributes", "\n".join(["| key | meaning |", "| --- | --- |", *listed])]
    return "\n\n".join(parts) + "\n"
