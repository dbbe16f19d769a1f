// Scores by attribute: a radar plot and a table.

function radar(attributes, column) {
  const [width, height, radius] = [560, 440, 150];
  const middle = width / 2;
  const values = (row) => attributes.map(({ name }) => (row.attributes[name] || {})[column.key]);
  const everything = page.rows.flatMap(values).filter(known);
  const top = niceTicks(0, Math.max(...everything, 1e-9), 4).slice(-1)[0];
  const limit = top >= Math.max(...everything) ? top : Math.max(...everything);
  const at = (index, value) => {
    const angle = (2 * Math.PI * index) / attributes.length - Math.PI / 2;
    return [middle + Math.cos(angle) * radius * (value / limit), height / 2 + Math.sin(angle) * radius * (value / limit)];
  };
  const ring = (value) => `M${attributes.map((_, index) => at(index, value).map((v) => v.toFixed(1)).join(" ")).join("L")}Z`;
  const root = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${plain(column.title)} by attribute` });
  const ticks = niceTicks(0, limit, 4).filter((tick) => tick > 0);
  const grid = svg("g", { class: "grid" }, ticks.map((tick) => svg("path", { d: ring(tick) })));
  attributes.forEach(({ name, sequences, frames }, index) => {
    const [x, y] = at(index, limit);
    const [lx, ly] = at(index, limit * 1.12);
    const anchor = Math.abs(lx - middle) < 20 ? "middle" : lx > middle ? "start" : "end";
    grid.append(svg("line", { x1: middle, y1: height / 2, x2: x, y2: y }),
      svg("text", { x: lx, y: ly + 4 + 10 * Math.sin((2 * Math.PI * index) / attributes.length - Math.PI / 2), "text-anchor": anchor, class: "name" }, `${name.replaceAll("_", " ")} (${sequences || frames})`));
  });
  for (const tick of ticks) {
    grid.append(svg("text", { x: middle + 4, y: at(0, tick)[1] - 2, class: "small" }, String(Number((tick * column.scale).toFixed(2)))));
  }
  root.append(grid);
  for (const row of [...page.shown].reverse()) {
    const own = values(row);
    const corners = own.map((value, index) => (known(value) ? at(index, value) : null));
    let [path, pen] = ["", "M"];
    [...corners, corners[0]].forEach((corner) => {
      if (corner) path += `${pen}${corner.map((v) => v.toFixed(1)).join(" ")}`;
      pen = corner ? "L" : "M";
    });
    root.append(svg("path", { d: path, class: "series", look: row.tracker, "data-tracker": row.tracker,
      "stroke-dasharray": dashArray(lookOf(row.tracker).dashes, 2) }));
    corners.forEach((corner, index) => {
      if (!corner) return;
      const lines = [[row.tracker, row.title, scaled(own[index], column)]];
      const tell = (event) => showTip(event.clientX, event.clientY, ...tipTable(attributes[index].name, lines));
      root.append(svg("circle", { cx: corner[0], cy: corner[1], r: 4, class: "marker", look: row.tracker,
        on: { pointerenter: tell, pointerleave: hideTip } }));
    });
  }
  const legend = el("ul", { class: "legend" }, page.shown.map((row) =>
    el("li", { on: { mouseenter: () => emphasise(root, row.tracker), mouseleave: () => emphasise(root) } },
      swatch(row.tracker), el("span", {}, `[${scaled(row.metrics[column.key], column)}] ${row.title}`))));
  return el("figure", {}, root, legend);
}

let attributeMetric = null;

section("attributes", "Attributes", (redraw) => {
  const { data } = page;
  const usable = data.columns.filter((column) => column.higher !== null
    && data.rows.some((row) => Object.values(row.attributes).some((values) => known(values[column.key]))));
  if (!usable.length) return null;
  const column = usable.find(({ key }) => key === attributeMetric) || usable.find(({ key }) => key === data.main) || usable[0];
  const attributes = data.attributes.filter(({ name }) => data.rows.some((row) => known((row.attributes[name] || {})[column.key])));
  const rows = attributes.map((attribute) => ({
    ...attribute,
    marks: places(data.rows, data.rows.map((row) => (row.attributes[attribute.name] || {})[column.key]), column.higher),
  }));
  const counted = attributes.some(({ sequences }) => sequences) ? "sequences" : "frames";
  const table = sortableTable({
    caption: `${plain(column.title)} by attribute`,
    columns: [
      { title: "attribute", value: (row) => row.name, cell: (row) => row.name.replaceAll("_", " ") },
      { title: counted, number: true, first: -1, value: (row) => row[counted], cell: (row) => String(row[counted] || "–") },
      ...page.shown.map((tracker) => ({
        title: [swatch(tracker.tracker), " ", tracker.title], name: tracker.title, number: true, first: -1,
        value: (row) => (tracker.attributes[row.name] || {})[column.key],
        cell: (row) => {
          const value = (tracker.attributes[row.name] || {})[column.key];
          return placed(scaled(value, column), row.marks.get(tracker.tracker));
        },
      })),
    ],
    rows,
  });
  return [
    usable.length > 1
      ? el("p", { class: "controls" }, select("Metric", usable.map(({ key, title }) => [key, plain(title)]), column.key, (key) => {
        attributeMetric = key;
        redraw();
      }))
      : null,
    el("div", { class: "figures" }, attributes.length >= 3 && page.shown.length ? radar(attributes, column) : null, table),
  ];
});
