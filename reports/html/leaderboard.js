// The leaderboard, and what made each of its rows.

// Tracker -> its place in a column, 1 to 3; equal values share a place. Incomplete runs have none.
function places(rows, column) {
  const found = new Map();
  const complete = rows.filter((row) => row.complete);
  if (column.higher === null || complete.length < 2) return found;
  const values = complete.map((row) => row.metrics[column.key]);
  const order = [...new Set(values.filter(known))].sort((a, b) => (column.higher ? b - a : a - b)).slice(0, 3);
  complete.forEach((row, index) => {
    const place = known(values[index]) ? order.indexOf(values[index]) : -1;
    if (place >= 0) found.set(row.tracker, place + 1);
  });
  return found;
}

const PLACES = ["", "best", "second", "third"];

function placed(text, place) {
  return place ? el("span", { class: PLACES[place], title: PLACES[place] }, text) : text;
}

function number(row, column, place) {
  const value = row.metrics[column.key];
  const spread = row.spread[column.key];
  const interval = row.intervals[column.key];
  return [
    placed(scaled(value, column), place),
    known(spread) ? el("small", { title: "standard deviation over runs" }, ` ± ${scaled(spread, column)}`) : null,
    interval ? el("small", { class: "interval-text" }, `${scaled(interval[0], column)} – ${scaled(interval[1], column)}`) : null,
  ];
}

section("board", "Leaderboard", () => {
  const { data } = page;
  const columns = [{
    title: "tracker",
    value: (row) => row.title,
    cell: (row) => [swatch(row.tracker), " ", row.title],
  }];
  for (const column of data.columns) {
    const marks = places(data.rows, column);
    columns.push({
      title: titled(column.title), name: plain(column.title), number: true, first: column.higher === false ? 1 : -1,
      value: (row) => row.metrics[column.key],
      cell: (row) => number(row, column, marks.get(row.tracker)),
    });
  }
  columns.push({
    title: "sequences", number: true, first: -1,
    value: (row) => row.sequences,
    cell: (row) => el("span", { class: row.complete ? null : "warning",
      title: row.complete ? null : "incomplete: not ranked" }, `${row.sequences} of ${row.of}`),
  });
  if (data.rows.some((row) => row.repetitions > 1)) {
    columns.push({ title: "runs", number: true, first: -1, value: (row) => row.repetitions, cell: (row) => String(row.repetitions) });
  }
  const main = data.columns.findIndex((column) => column.key === data.main) + 1;
  const best = data.columns[main - 1];
  const problems = data.rows.flatMap((row) => row.problems.map((line) => `${row.title}: ${line}`));
  const bad = data.rows.flatMap((row) => row.bad_answers.map((line) => `${row.title}: ${line}`));
  const percent = Math.round(100 * data.confidence);
  return [
    sortableTable({
      caption: `${data.title}, protocol ${data.protocol}`,
      columns,
      rows: data.rows,
      last: (row) => !row.complete,
      sorted: null,
      rowClass: (row) => (page.hidden.has(row.tracker) ? "off" : null),
    }),
    el("p", { class: "note" },
      `${data.caption} Best `, el("span", { class: "best" }, "bold"), ", second ", el("span", { class: "second" }, "underlined"),
      ", third ", el("span", { class: "third" }, "italic"), ". ",
      `Below a number: ${percent} % interval of ${data.resamples} bootstrap resamples of the sequences (BCa, Efron and Tibshirani 1993), given from eight sequences on.`,
      best ? ` Ranked by ${plain(best.title)}.` : ""),
    new Set(data.rows.map((row) => row.sequences)).size > 1
      ? el("p", { class: "note warning" }, "Trackers are scored over different numbers of sequences: their scores do not compare as they stand.")
      : null,
    bad.length
      ? el("details", { class: "note warning" }, el("summary", {}, "Suspicious answers"), el("ul", {}, bad.map((line) => el("li", {}, line))))
      : null,
    problems.length
      ? el("details", { class: "note" }, el("summary", {}, `${plural(problems.length, "stored result")} could not be used`),
        el("ul", {}, problems.map((line) => el("li", {}, line))))
      : null,
  ];
});

const FACTS = [
  ["checkpoint (sha256)", ({ manifest }) => (manifest.identity || {}).weights_sha256 || "–"],
  ["device", ({ last }) => [last.device, last.device_name].filter(Boolean).join(", ") || "–"],
  ["precision", ({ last }) => last.precision || "–"],
  ["trackbench", ({ last }) => (last.versions || {}).trackbench || "–"],
  ["torch", ({ last }) => (last.versions || {}).torch || "–"],
  ["imported", ({ manifest }) => (manifest.imported ? "yes" : "no")],
];

section("provenance", "How the results were made", () => {
  const rows = page.rows.map((row) => ({ row, manifest: row.manifest, last: (row.manifest.sessions || []).slice(-1)[0] || {} }));
  return [
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "How the results were made" },
      el("table", { class: "data facts" },
        el("caption", {}, "From the manifests of the runs; of several sessions the last"),
        el("thead", {}, el("tr", {}, ["tracker", "label", ...FACTS.map(([name]) => name)].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", {}, rows.map((facts) => el("tr", {},
          el("th", { scope: "row" }, swatch(facts.row.tracker), " ", facts.row.title), el("td", {}, facts.row.tracker),
          FACTS.map(([, read]) => el("td", {}, String(read(facts))))))))),
    rows.map(({ row, manifest }) => el("details", { class: "manifest" },
      el("summary", {}, `Manifest of ${row.title}`), el("pre", { tabindex: "0" }, JSON.stringify(manifest, null, 2)))),
  ];
});
