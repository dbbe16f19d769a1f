"""Tables for LaTeX: what goes around the rows, and what has to be escaped."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from trackbench.quoting import printable

#: Best, second and third.
TYPE = {1: "\\textbf{", 2: "\\underline{", 3: "\\textit{"}
COLOURS = {1: "\\textcolor{red}{", 2: "\\textcolor{blue}{", 3: "\\textcolor{green!55!black}{"}
#: What the caption says of them.
MARKS = {
    False: "Best, second and third: \\textbf{bold}, \\underline{underlined}, \\textit{italic}.",
    True: "Best, second and third: red, blue, green.",
}
#: Columns of numbers that fit into one column of a page of two.
MOST_IN_A_COLUMN = 5
#: Rows from which on a table may be higher than a page.
MOST_ON_A_PAGE = 40

#: Brackets and stars are in groups because after the end of a row they are arguments of it.
_ESCAPES = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"{{{character}}}" for character in "[]*"},
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "|": "\\textbar{}",
        "Δ": "$\\Delta$",
        "±": "$\\pm$",
        "³": "\\textsuperscript{3}",
        "–": "--",
        "…": "\\dots{}",
    }
)


def escaped(text: str) -> str:
    """Return a text with what LaTeX would take for commands, or print as something else, escaped."""
    return printable(text).translate(_ESCAPES)


def title(text: str) -> str:
    """Return a column's title with its index below the line.

    Example:
        >>> title("SR_0.5")
        '$SR_{\\\\mathrm{0.5}}$'
    """
    name, underscore, index = text.partition("_")
    return f"${name}_{{\\mathrm{{{index}}}}}$" if underscore else escaped(text)


def number(text: str, place: int | None = None, *, colours: bool = False) -> str:
    """Return a number as LaTeX prints it, marked by its place (1, 2 or 3)."""
    plain = text.replace("-", "--").replace("±", "$\\pm$") if text != "-" else "-"
    command = (COLOURS if colours else TYPE).get(place or 0)
    return f"{command}{plain}}}" if command else plain


def grouped(titles: Sequence[str], texts: int = 1) -> tuple[str, str]:
    """Return the line of a head that gives equal neighbours one cell, and the rules below them.

    Args:
        titles: of the columns of numbers, as LaTeX.
        texts: how many columns of text stand before them.

    Example:
        >>> grouped(["LaSOT", "LaSOT", "UAV123"])
        (' & \\\\multicolumn{2}{c}{LaSOT} & UAV123', '\\\\cmidrule(lr){2-3} ')
    """
    cells, rules, place = [""] * texts, "", texts + 1
    for title_, group in itertools.groupby(titles):
        count = len(list(group))
        if count == 1 or not title_:
            cells += [title_] * count
        else:
            cells.append(f"\\multicolumn{{{count}}}{{c}}{{{title_}}}")
            rules += f"\\cmidrule(lr){{{place}-{place + count - 1}}} "
        place += count
    return " & ".join(cells), rules


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    label: str,
    *,
    texts: int = 1,
    colours: bool = False,
) -> str:
    """Return a table; one too wide for a column of two spans both, and shrinks to the width and height that there are.

    Args:
        heads: the lines above the rule, each a line of cells joined by ``&``.
        rows: cells, as LaTeX.
        caption: as LaTeX.
        label: behind ``tab:``; what is no letter or digit becomes a hyphen.
        texts: how many columns, the first ones, hold text.
        colours: whether the table needs the package xcolor.
    """
    columns = max((len(row) for row in rows), default=heads[-1].count("&") + 1)
    wide = columns - texts > MOST_IN_A_COLUMN
    environment = "table*" if wide else "table"
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in label.lower())
    # As wide as it is, but never wider than the text around it; of many rows, never higher than a page.
    fit, end = "\\resizebox{\\ifdim\\width>\\linewidth \\linewidth\\else\\width\\fi}{!}{%", "}"
    if len(rows) > MOST_ON_A_PAGE:
        high = "0.8\\textheight"  # the caption takes the rest
        fit = f"\\resizebox*{{!}}{{\\ifdim\\totalheight>{high} {high}\\else\\totalheight\\fi}}{{%\n  {fit}"
        end = "}}"
    packages = ["booktabs", "graphicx", *(["xcolor"] if colours else [])]
    lines = [
        "% needs " + " ".join(f"\\usepackage{{{package}}}" for package in packages),
        f"\\begin{{{environment}}}",
        "  \\centering",
        f"  \\caption{{{caption}}}",
        f"  \\label{{tab:{name}}}",
        f"  {fit}",
        f"  \\begin{{tabular}}{{{'l' * texts}{'r' * (columns - texts)}}}",
        "    \\toprule",
        *(f"    {head} \\\\" for head in heads),
        "    \\midrule",
        *(f"    {' & '.join(row)} \\\\" for row in rows),
        "    \\bottomrule",
        f"  \\end{{tabular}}{end}",
        f"\\end{{{environment}}}",
        "",
    ]
    return "\n".join(lines)
