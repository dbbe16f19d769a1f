// How sure the ranking is: ranks over resamples, chances on a new sequence, practical equivalence.

section("sureness", "How sure the ranking is", () => {
  const { data } = page;
  const found = data.sureness;
  if (!found) return null;
  const column = data.sequence_columns.find(({ key }) => key === found.metric);
  const titles = new Map(data.rows.map((row) => [row.tracker, row.title]));
  const shown = new Set(page.shown.map((row) => row.tracker));
  const percent = (share) => (!known(share) ? "–" : share > 0 && share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);
  const rows = found.trackers.filter((row) => shown.has(row.tracker));
  const named = (label) => el("th", { scope: "row" }, swatch(label), " ", titles.get(label) || label);
  const number = (text) => el("td", { class: "number" }, text);
  const heads = (...names) => el("thead", {}, el("tr", {}, names.map((name) => el("th", { scope: "col" }, name))));
  const pairs = found.pairs.filter((row) => shown.has(row.tracker) && shown.has(row.against));
  return [
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Ranks over resamples" },
      el("table", { class: "data" },
        el("caption", {}, `${plain(column.title)}: ranks if the sequences were drawn again`),
        heads("tracker", `${Math.round(100 * data.confidence)} % interval`, "mean rank", "first in", "second in"),
        el("tbody", {}, rows.map((row) => el("tr", {}, named(row.tracker),
          number(known(row.low) ? `${scaled(row.low, column)} – ${scaled(row.high, column)}` : "–"),
          number(known(row.average_rank) ? row.average_rank.toFixed(2) : "–"),
          number(percent(row.rank_1)), number(percent(row.rank_2))))))),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Pairs of trackers" },
      el("table", { class: "data" },
        el("caption", {}, `Pairs: chance to be better on a new sequence, and posterior with differences up to ${scaled(found.rope, column)} as none`),
        heads("tracker", "against", "better on a new sequence", "better", "equal", "worse"),
        el("tbody", {}, pairs.map((row) => el("tr", {}, named(row.tracker), el("td", {}, titles.get(row.against) || row.against),
          number(`${percent(row.p_better)} (${percent(row.p_better_low)} – ${percent(row.p_better_high)})`),
          number(percent(row.posterior_better)), number(percent(row.posterior_equal)), number(percent(row.posterior_worse))))))),
    el("p", { class: "note" },
      `Over the ${found.common_sequences} sequences that all trackers have`,
      found.clusters < found.sequences ? `, in ${found.clusters} clusters that are drawn whole` : "",
      ". Ranks: shares of 10,000 bootstrap resamples. Chance: Wilson's interval. Posterior: Bayesian signed-rank test ",
      "(Benavoli et al., JMLR 18, 2017). `trackbench statistics` has more: groups, attributes, failures."),
  ];
});
