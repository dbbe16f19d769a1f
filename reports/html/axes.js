// Plots: axes with ticks, lines with a crosshair, points with names.

// More names beside their points would cover each other; they stand in a legend.
const MOST_NAMES = 8;
const FRAME = { width: 520, height: 400, left: 52, right: 14, top: 34, bottom: 46 };

function niceTicks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= raw * 0.999);
  const ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + step * 1e-9; tick += step) {
    ticks.push(Number(tick.toFixed(10)));
  }
  return ticks;
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
  }
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  return inside.length > 7 ? inside.filter((tick) => Number.isInteger(Number(Math.log10(tick).toFixed(9)))) : inside;
}

// x and y: {low, high, label, log}. Returns the drawing and the functions from values to its coordinates.
function axes(title, x, y, frame = FRAME) {
  const { width, height, left, right, top, bottom } = frame;
  const along = (axis, from, to) => (value) => {
    const position = axis.log ? Math.log(value / axis.low) / Math.log(axis.high / axis.low)
      : (value - axis.low) / (axis.high - axis.low);
    return from + position * (to - from);
  };
  const sx = along(x, left, width - right);
  const sy = along(y, height - bottom, top);
  const grid = svg("g", { class: "grid" });
  const xTicks = x.log ? logTicks(x.low, x.high) : niceTicks(x.low, x.high, 6);
  for (const tick of xTicks) {
    grid.append(svg("line", { x1: sx(tick), x2: sx(tick), y1: top, y2: height - bottom }),
      svg("text", { x: sx(tick), y: height - bottom + 17, "text-anchor": "middle" }, String(tick)));
  }
  for (const tick of niceTicks(y.low, y.high, 5)) {
    grid.append(svg("line", { x1: left, x2: width - right, y1: sy(tick), y2: sy(tick) }),
      svg("text", { x: left - 7, y: sy(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  const root = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title },
    svg("text", { x: (left + width - right) / 2, y: top - 14, "text-anchor": "middle", class: "title" }, title),
    grid,
    svg("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom, class: "border" }),
    svg("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, x.label),
    svg("text", { transform: `translate(13 ${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, y.label));
  return { root, sx, sy, frame };
}

function linePath(xs, ys, sx, sy) {
  let path = "";
  let pen = "M";
  ys.forEach((value, index) => {
    if (!known(value)) {
      pen = "M";
      return;
    }
    path += `${pen}${sx(xs[index]).toFixed(1)} ${sy(value).toFixed(1)}`;
    pen = "L";
  });
  return path;
}

// series: [{label, name, values, score}], best first. Returns a figure with a legend.
function linePlot({ title, xs, series, x, y, interval, digits }) {
  const { root, sx, sy, frame } = axes(title, x, y);
  if (interval) {
    root.append(svg("rect", { class: "interval", x: sx(interval[0]), y: frame.top,
      width: sx(Math.min(interval[1], x.high)) - sx(interval[0]), height: frame.height - frame.top - frame.bottom }));
  }
  for (const { label, values } of [...series].reverse()) {
    root.append(svg("path", { d: linePath(xs, values, sx, sy), class: "series", "data-tracker": label, look: label,
      "stroke-dasharray": dashArray(lookOf(label).dashes, 2) }));
  }
  crosshair(root, frame, xs, series, sx, sy, x.label, digits);
  const legend = el("ul", { class: "legend" }, series.map(({ label, name, score }) =>
    el("li", { "data-tracker": label, on: { mouseenter: () => emphasise(root, label), mouseleave: () => emphasise(root) } },
      swatch(label), el("span", { class: "number" }, known(score) ? score.toFixed(3) : "–"), el("span", {}, name))));
  return el("figure", {}, root, legend);
}

function emphasise(root, label) {
  for (const line of root.querySelectorAll(".series")) {
    line.classList.toggle("faint", label !== undefined && line.dataset.tracker !== label);
  }
}

// Values at the threshold under the pointer; with the keyboard, the arrow keys move it.
function crosshair(root, frame, xs, series, sx, sy, label, digits = 3) {
  const line = svg("line", { class: "crosshair", y1: frame.top, y2: frame.height - frame.bottom, visibility: "hidden" });
  const dots = svg("g", {});
  root.append(line, dots);
  root.setAttribute("tabindex", "0");
  let index = Math.floor(xs.length / 2);
  const place = (at) => {
    index = Math.max(0, Math.min(xs.length - 1, at));
    line.setAttribute("x1", sx(xs[index]));
    line.setAttribute("x2", sx(xs[index]));
    line.setAttribute("visibility", "visible");
    const drawn = series.filter(({ values }) => known(values[index]));
    dots.replaceChildren(...drawn.map(({ label: tracker, values }) =>
      svg("circle", { cx: sx(xs[index]), cy: sy(values[index]), r: 3.5, class: "marker", look: tracker })));
    const box = root.getBoundingClientRect();
    const lines = drawn.map(({ label: tracker, name, values }) => [tracker, name, values[index]]);
    lines.sort((a, b) => b[2] - a[2]);
    showTip(box.left + (sx(xs[index]) / frame.width) * box.width, box.top + box.height / 2,
      ...tipTable(`${label}: ${xs[index]}`, lines.map(([tracker, name, value]) => [tracker, name, value.toFixed(digits)])));
  };
  const leave = () => {
    hideTip();
    line.setAttribute("visibility", "hidden");
    dots.replaceChildren();
  };
  root.addEventListener("pointermove", (event) => {
    const box = root.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * frame.width;
    let nearest = 0;
    xs.forEach((value, k) => {
      if (Math.abs(sx(value) - at) < Math.abs(sx(xs[nearest]) - at)) nearest = k;
    });
    place(nearest);
  });
  root.addEventListener("pointerleave", leave);
  root.addEventListener("blur", leave);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    place(index + step);
  });
}

// points: [{x, y, heading, lines, label, clicked}]; marks of trackers have their colour, others none.
// Point -> where its name stands, so that no name covers another or a point; without room it stands in the tip alone.
function clearPlaces(points, sx, sy, frame) {
  const taken = points.map((point) => [sx(point.x) - 7, sy(point.y) - 7, sx(point.x) + 7, sy(point.y) + 7]);
  const found = new Map();
  for (const point of points) {
    const [x, y, width] = [sx(point.x), sy(point.y), 6.6 * point.name.length];
    const places = [
      [{ x: x + 9, y: y + 4, "text-anchor": "start" }, x + 8, y - 7], [{ x: x - 9, y: y + 4, "text-anchor": "end" }, x - 8 - width, y - 7],
      [{ x, y: y - 10, "text-anchor": "middle" }, x - width / 2, y - 21], [{ x, y: y + 19, "text-anchor": "middle" }, x - width / 2, y + 8],
    ];
    for (const [place, left, top] of places) {
      const [right, bottom] = [left + width, top + 14];
      const clear = taken.every(([a, b, c, d]) => right < a || c < left || bottom < b || d < top);
      if (clear && left >= frame.left && right <= frame.width && top >= 0) {
        taken.push([left, top, right, bottom]);
        found.set(point, place);
        break;
      }
    }
  }
  return found;
}

function scatterPlot({ title, x, y, points, diagonal }) {
  const named = points.filter(({ name }) => name);
  const names = named.length <= MOST_NAMES;
  const { root, sx, sy, frame } = axes(title, x, y);
  if (diagonal) {
    root.append(svg("line", { class: "diagonal", x1: sx(x.low), y1: sy(y.low), x2: sx(x.high), y2: sy(y.high) }));
  }
  const free = clearPlaces(names ? named : [], sx, sy, frame);
  for (const point of points) {
    const [px, py] = [sx(point.x), sy(point.y)];
    const tell = () => {
      const box = root.getBoundingClientRect();
      showTip(box.left + (px / frame.width) * box.width, box.top + (py / frame.height) * box.height,
        ...tipTable(point.heading, point.lines));
    };
    const mark = svg("path", {
      d: markerPath(point.label ? lookOf(point.label).marker : "o", px, py, point.label ? 6 : 4),
      class: point.label ? "marker" : "dot", look: point.label, tabindex: point.label ? "0" : null,
      "aria-label": `${point.heading}: ${point.lines.map((line) => `${line[1]} ${line[2]}`).join(", ")}`,
      on: { pointerenter: tell, pointerleave: hideTip, focus: tell, blur: hideTip, click: point.clicked || (() => {}) },
    });
    root.append(mark);
    const place = free.get(point);
    if (place) root.append(svg("text", { ...place, class: "name" }, point.name));
  }
  const legend = named.length && !names
    ? el("ul", { class: "legend" }, named.map(({ label, name }) => el("li", {}, swatch(label), el("span", {}, name)))) : null;
  return el("figure", {}, root, legend);
}
