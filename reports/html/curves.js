// Curves, accuracy against robustness, and speed against accuracy.

function firstMetric(row, keys) {
  return keys.map((key) => row.metrics[key]).find(known);
}

function curveFigure(name, curve) {
  const { data } = page;
  const series = page.shown
    .filter((row) => curve.values[row.tracker] && curve.values[row.tracker].some(known))
    .map((row) => ({ label: row.tracker, name: row.title, values: curve.values[row.tracker], score: firstMetric(row, curve.metrics), complete: row.complete }));
  series.sort((a, b) => b.complete - a.complete || (known(b.score) ? b.score : -1) - (known(a.score) ? a.score : -1));
  if (!series.length) return null;
  const xs = curve.thresholds;
  return linePlot({
    title: curve.title, xs, series, interval: name === "eao" ? data.interval : null,
    x: { low: xs[0], high: xs[xs.length - 1], label: curve.x }, y: { low: 0, high: 1, label: curve.y },
  });
}

// Limits of an axis: the values with room around them, at least a tenth, inside of 0 to 1.
function around(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.15 * (high - low), (0.1 - (high - low)) / 2, 0.02);
  return { low: Math.max(low - room, 0), high: Math.min(high + room, 1) };
}

function accuracyRobustness() {
  const key = page.rows.some((row) => known(row.metrics.reliability)) ? "reliability" : "robustness";
  const rows = page.shown.filter((row) => known(row.metrics[key]) && known(row.metrics.accuracy));
  if (!rows.length) return null;
  const label = key === "reliability" ? "Robustness, exp(−30·F)" : "Robustness";
  return scatterPlot({
    title: "Accuracy and robustness",
    x: { ...around(rows.map((row) => row.metrics[key])), label },
    y: { ...around(rows.map((row) => row.metrics.accuracy)), label: "Accuracy" },
    points: rows.map((row) => ({
      x: row.metrics[key], y: row.metrics.accuracy, label: row.tracker, name: row.title, heading: row.title,
      lines: [[null, label, row.metrics[key].toFixed(3)], [null, "Accuracy", row.metrics.accuracy.toFixed(3)]],
    })),
  });
}

section("plots", "Plots", () => {
  const figures = Object.entries(page.data.curves).map(([name, curve]) => curveFigure(name, curve));
  figures.push(accuracyRobustness());
  const drawn = figures.filter(Boolean);
  return drawn.length ? el("div", { class: "figures" }, drawn) : null;
});

function around(values, margin) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}

section("speed", "Speed against accuracy", () => {
  const { data } = page;
  const column = data.columns.find((each) => each.key === data.main);
  const rows = page.shown.filter((row) => row.metrics.fps > 0 && known(row.metrics[data.main]));
  if (!rows.length || !column) return null;
  const device = (row) => {
    const last = (row.manifest.sessions || []).slice(-1)[0] || {};
    return [last.device, last.device_name].filter(Boolean).join(", ") || "device not known";
  };
  const devices = new Set(rows.map(device));
  const speeds = rows.map((row) => row.metrics.fps);
  const [low, high] = around(rows.map((row) => row.metrics[data.main] * column.scale), 0.25);
  return [
    el("div", { class: "figures" }, scatterPlot({
      title: `${plain(column.title)} and speed`,
      x: { low: Math.min(...speeds) / 1.7, high: Math.max(...speeds) * 1.7, label: "Frames per second", log: true },
      y: { low: Math.max(0, low), high, label: plain(column.title) },
      points: rows.map((row) => ({
        x: row.metrics.fps, y: row.metrics[data.main] * column.scale, label: row.tracker, name: row.title, heading: row.title,
        lines: [
          [null, "frames per second", row.metrics.fps.toFixed(1)],
          [null, plain(column.title), scaled(row.metrics[data.main], column)],
          [null, "device", device(row)],
        ],
      })),
    })),
    el("p", { class: devices.size > 1 ? "note warning" : "note" },
      devices.size > 1
        ? `Measured on different devices, so that speeds do not compare: ${[...devices].join("; ")}. `
        : `Measured on: ${[...devices][0]}. `,
      "Frames after the first, divided by the seconds that the tracker took for them."),
  ];
});
