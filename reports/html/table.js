// Tables that are sorted by the buttons in their heads; empty cells stay last.

const MOST_ROWS = 400;

// columns: [{title, value(row), cell(row), number, first}] where `first` is the order of the first click, 1 or -1.
// last(row): whether a row stays below the others however they are sorted.
function sortableTable({ caption, columns, rows, sorted, rowClass, last }) {
  let [by, direction] = sorted || [null, 1];
  let all = rows.length <= MOST_ROWS;
  const body = el("tbody", {});
  const heads = columns.map((column, index) =>
    el("th", { scope: "col", class: column.number ? "number" : null },
      button(column.title, () => {
        direction = by === index ? -direction : column.first || 1;
        by = index;
        draw();
      }, { title: `Sort by ${column.name || column.title}` })));
  const more = button(`Show all ${rows.length} rows`, () => {
    all = true;
    draw();
  }, { class: "more" });

  function compare(a, b) {
    if (last && last(a) !== last(b)) return last(a) - last(b);
    const [left, right] = [columns[by].value(a), columns[by].value(b)];
    const [noLeft, noRight] = [left, right].map((value) => value === null || value === undefined);
    if (noLeft || noRight) return noLeft - noRight;
    return direction * (typeof left === "string" ? left.localeCompare(right, undefined, { numeric: true }) : left - right);
  }

  function draw() {
    const order = by === null ? rows : [...rows].sort(compare);
    body.replaceChildren(...(all ? order : order.slice(0, MOST_ROWS)).map((row) =>
      el("tr", { class: rowClass ? rowClass(row) : null }, columns.map((column, index) => {
        const tag = index ? "td" : "th";
        return el(tag, { class: column.number ? "number" : null, scope: index ? null : "row" }, column.cell(row));
      }))));
    heads.forEach((head, index) => {
      if (index === by) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    more.hidden = all;
  }

  draw();
  const table = el("table", { class: "data" }, el("caption", {}, caption), el("thead", {}, el("tr", {}, heads)), body);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table, more, copies(table, caption));
}

// Buttons that copy a table as it stands: in its order, with the rows that are shown.
function copies(table, caption) {
  const lines = () => [...table.querySelectorAll("thead tr, tbody tr")].map((row) => [...row.children].map((cell) => cell.cloneNode(true)).map((cell) => {
    cell.querySelectorAll("small, svg").forEach((part) => part.remove());
    return cell.textContent.trim();
  }));
  const told = el("span", { class: "note", role: "status" });
  const offer = (title, text) => button(title, async () => {
    const shown = text(lines(), caption);
    told.textContent = (await copy(shown)) ? "copied" : "this browser does not let a page copy";
    setTimeout(() => { told.textContent = ""; }, 2500);
  }, { class: "link" });
  return el("p", { class: "copies" }, offer("Copy as CSV", asCsv), " ", offer("Copy as LaTeX", asLatex), " ", told);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Pages that are opened as files may not use the clipboard; a selection can be copied even there.
    const box = el("textarea", { readonly: true });
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    return done;
  }
}

function asCsv(rows) {
  const quoted = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return `${rows.map((row) => row.map((cell) => quoted(cell.replace("−", "-"))).join(",")).join("\n")}\n`;
}

const LATEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}",
  ">": "\\textgreater{}", "|": "\\textbar{}", "–": "--", "−": "--", "±": "$\\pm$" };

function asLatex(rows, caption) {
  const escaped = (text) => text.replace(/[\\~^<>|–−±&%$#_{}]/g, (c) => LATEX[c] || `\\${c}`);
  const line = (row) => `    ${row.map(escaped).join(" & ")} \\\\`;
  const [head, ...body] = rows;
  return ["% needs \\usepackage{booktabs}", "\\begin{table}", "  \\centering", `  \\caption{${escaped(caption)}}`,
    `  \\begin{tabular}{l${"r".repeat(head.length - 1)}}`, "    \\toprule", line(head), "    \\midrule", ...body.map(line),
    "    \\bottomrule", "  \\end{tabular}", "\\end{table}", ""].join("\n");
}
