// Which differences between trackers are more than chance.

let testMetric = null;

section("tests", "Significance", (redraw) => {
  const { data } = page;
  const usable = data.sequence_columns.filter(({ key }) => (data.tests[key] || []).length);
  if (!usable.length) return null;
  const column = usable.find(({ key }) => key === testMetric) || usable.find(({ key }) => key === data.main) || usable[0];
  const pairs = new Map();
  for (const [a, b, difference, low, high, wilcoxon, permutation, count] of data.tests[column.key]) {
    pairs.set(`${a} ${b}`, { difference, low, high, wilcoxon, permutation, count });
    const swapped = (value) => (known(value) ? -value : value);
    pairs.set(`${b} ${a}`, { difference: swapped(difference), low: swapped(high), high: swapped(low), wilcoxon, permutation, count });
  }
  const shown = page.shown.map((row) => [row, data.rows.indexOf(row)]);
  const cell = (a, b) => {
    const pair = pairs.get(`${a} ${b}`);
    if (!pair || !known(pair.difference)) return el("td", { class: "none" }, a === b ? "" : "–");
    const better = pair.difference * (column.higher === false ? -1 : 1);
    const clear = known(pair.wilcoxon) && pair.wilcoxon < 1 - data.confidence;
    const sign = pair.difference > 0 ? "+" : "";
    const p = (value) => (!known(value) ? "–" : value < 0.001 ? "< 0.001" : value.toFixed(3));
    const [left, right] = [data.rows[a].title, data.rows[b].title];
    const told = [
      [null, "mean difference", `${sign}${scaled(pair.difference, column)}`],
      [null, `${Math.round(100 * data.confidence)} % interval`, `${scaled(pair.low, column)} to ${scaled(pair.high, column)}`],
      [null, "p, signed rank", p(pair.wilcoxon)],
      [null, "p, sign flips", p(pair.permutation)],
      [null, "sequences", String(pair.count)],
    ];
    const tell = (event) => {
      const box = event.currentTarget.getBoundingClientRect();
      showTip(box.right, box.top + box.height / 2, ...tipTable(`${left} – ${right}`, told));
    };
    return el("td", {
      class: `number ${clear ? (better > 0 ? "ahead" : "behind") : "open"}`, tabindex: "0",
      "aria-label": `${left} against ${right}: ${told.map(([, name, text]) => `${name} ${text}`).join(", ")}`,
      on: { pointerenter: tell, focus: tell, pointerleave: hideTip, blur: hideTip },
    }, `${sign}${scaled(pair.difference, column)}${clear ? (better > 0 ? " ▲" : " ▼") : ""}`,
    el("small", {}, `p ${p(pair.wilcoxon)}`));
  };
  return [
    usable.length > 1
      ? el("p", { class: "controls" }, select("Metric", usable.map(({ key, title }) => [key, plain(title)]), column.key, (key) => {
        testMetric = key;
        redraw();
      }))
      : null,
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Significance matrix" },
      el("table", { class: "data matrix" },
        el("caption", {}, `${plain(column.title)}: row less column, over the sequences that both have`),
        el("thead", {}, el("tr", {}, el("td", {}), shown.map(([row]) => el("th", { scope: "col" }, swatch(row.tracker), " ", row.title)))),
        el("tbody", {}, shown.map(([row, a]) => el("tr", {}, el("th", { scope: "row" }, swatch(row.tracker), " ", row.title),
          shown.map(([, b]) => cell(a, b))))))),
    el("p", { class: "note" },
      `▲ and ▼: the row's tracker is better or worse with p < ${(1 - data.confidence).toFixed(2)} in Wilcoxon's signed-rank `,
      "test over sequences (zeros ranked as by Pratt; recommended by Demšar, JMLR 7, 2006). All p values are corrected for ",
      "the number of pairs by Holm's procedure. The second test, in the tip, flips the signs of the differences at random. ",
      "Sequences are taken as a random sample, the runs themselves as fixed."),
  ];
});
