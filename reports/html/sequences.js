// Scores by sequence: a table, and one tracker against another.

const sequenceView = { metric: null, search: "", attribute: "", first: null, second: null };

function sequenceRows() {
  const { data } = page;
  const wanted = sequenceView.search.toLowerCase();
  return data.sequences
    .map((name, index) => ({ name, index, attributes: data.sequence_attributes[index] }))
    .filter(({ name, attributes }) => name.toLowerCase().includes(wanted)
      && (!sequenceView.attribute || attributes.includes(sequenceView.attribute)));
}

function sequenceName(name) {
  const traced = page.data.traces.findIndex((trace) => trace.sequence === name);
  return traced < 0 ? name : button(name, () => openSequence(traced), { class: "link", title: "Show its frames" });
}

function versus(column, rows) {
  const values = page.data.per_sequence[column.key];
  const choose = (label, fallback) => (page.rows.some((row) => row.tracker === label) ? label : fallback);
  const first = choose(sequenceView.first, page.rows[0].tracker);
  const second = choose(sequenceView.second, page.rows[1].tracker);
  const [a, b] = [first, second].map((label) => page.rows.findIndex((row) => row.tracker === label));
  const [nameA, nameB] = [page.rows[a].title, page.rows[b].title];
  const both = rows.filter(({ index }) => known(values[index][a]) && known(values[index][b]));
  const all = both.flatMap(({ index }) => [values[index][a], values[index][b]]).map((value) => value * column.scale);
  const high = column.scale * (column.higher === false ? 0 : 1) || Math.max(...all, 1);
  const range = { low: 0, high: Math.max(high, ...all) };
  const gains = both.map(({ index }) => (values[index][a] - values[index][b]) * (column.higher === false ? -1 : 1));
  const better = (sign) => gains.filter((gain) => sign * gain > 0).length;
  const trackers = page.rows.map((row) => [row.tracker, row.title]);
  const figure = scatterPlot({
    title: `${plain(column.title)} by sequence`, diagonal: true,
    x: { ...range, label: nameA }, y: { ...range, label: nameB },
    points: both.map(({ name, index }) => {
      const traced = page.data.traces.findIndex((trace) => trace.sequence === name);
      return {
        x: values[index][a] * column.scale, y: values[index][b] * column.scale, heading: name,
        lines: [[first, nameA, scaled(values[index][a], column)], [second, nameB, scaled(values[index][b], column)]],
        clicked: traced < 0 ? null : () => openSequence(traced),
      };
    }),
  });
  figure.append(el("figcaption", {},
    `${nameA} is better in ${better(1)}, ${nameB} in ${better(-1)} of ${plural(both.length, "sequence")}.`));
  return { figure, first, second, trackers };
}

section("sequences", "Sequences", (redraw) => {
  const { data } = page;
  if (!data.sequences.length) return null;
  const column = data.sequence_columns.find(({ key }) => key === sequenceView.metric)
    || data.sequence_columns.find(({ key }) => key === data.main) || data.sequence_columns[0];
  if (!column) return null;
  const values = data.per_sequence[column.key];
  const set = (key) => (value) => {
    sequenceView[key] = value;
    redraw();
  };
  const body = el("div", { class: "figures" });
  const fillBody = () => {
    const rows = sequenceRows();
    const shown = page.shown.map((row) => [row, data.rows.indexOf(row)]);
    const spread = (row) => {
      const own = shown.map(([, place]) => values[row.index][place]).filter(known);
      return own.length > 1 ? Math.max(...own) - Math.min(...own) : null;
    };
    rows.forEach((row) => {
      row.marks = places(data.rows, data.rows.map((_, place) => values[row.index][place]), column.higher);
    });
    const range = {
      title: "range", name: "largest difference", number: true, first: -1,
      value: spread, cell: (row) => scaled(spread(row), column),
    };
    const table = sortableTable({
      caption: `${plain(column.title)} by sequence`,
      columns: [
        { title: "sequence", value: (row) => row.name, cell: (row) => sequenceName(row.name) },
        ...shown.map(([tracker, place]) => ({
          title: [swatch(tracker.tracker), " ", tracker.title], name: tracker.title, number: true, first: -1,
          value: (row) => values[row.index][place],
          cell: (row) => placed(scaled(values[row.index][place], column), row.marks.get(tracker.tracker)),
        })),
        ...(shown.length > 1 ? [range] : []),
      ],
      rows,
    });
    const children = [table];
    if (page.rows.length > 1) {
      const { figure, first, second, trackers } = versus(column, rows);
      figure.prepend(el("p", { class: "controls" },
        select("Tracker A", trackers, first, set("first")), select("against B", trackers, second, set("second"))));
      children.push(figure);
    }
    body.replaceChildren(...children);
  };
  const search = el("input", { type: "search", value: sequenceView.search, on: { input: () => {
    sequenceView.search = search.value;
    fillBody();
  } } });
  const attributes = [...new Set(data.sequence_attributes.flat())].sort();
  fillBody();
  return [
    el("p", { class: "controls" },
      data.sequence_columns.length > 1
        ? select("Metric", data.sequence_columns.map(({ key, title }) => [key, plain(title)]), column.key, set("metric")) : null,
      el("label", { class: "field" }, el("span", {}, "Name"), search),
      attributes.length
        ? select("Attribute", [["", "all"], ...attributes.map((name) => [name, name])], sequenceView.attribute, set("attribute"))
        : null),
    body,
  ];
});
