// Elements and numbers. Text from data only ever becomes text nodes and attributes.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "look") look(element, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// The colour of a tracker is a variable, which the style sheet adapts to dark and light grounds.
function look(element, label) {
  element.style.setProperty("--c", lookOf(label).colour);
  element.classList.add("tracker");
}

function known(value) {
  return value !== null && value !== undefined && Number.isFinite(value);
}

function scaled(value, column) {
  return known(value) ? (value * column.scale).toFixed(column.digits).replace("-", "−") : "–";
}

function plural(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

// AUC, P_norm: what stands behind the underscore is set lower.
function titled(title) {
  const [name, index] = title.split("_");
  return index === undefined ? [name] : [name, el("sub", {}, index)];
}

function plain(title) {
  return title.replace("_", " ");
}

// A line of the tracker as plots draw it, with its marker.
function swatch(label) {
  const { dashes } = lookOf(label);
  const line = svg("line", { x1: 0, y1: 6, x2: 28, y2: 6, class: "series", "stroke-dasharray": dashArray(dashes, 2) });
  return svg("svg", { class: "swatch", viewBox: "0 0 28 12", "aria-hidden": "true", look: label }, line,
    svg("path", { d: markerPath(lookOf(label).marker, 14, 6, 4), class: "marker" }));
}

function dashArray(dashes, width) {
  return dashes.length ? dashes.map((length) => length * width).join(" ") : null;
}

const MARKERS = {
  s: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  "^": [[0, -1.1], [1, 0.8], [-1, 0.8]],
  v: [[0, 1.1], [1, -0.8], [-1, -0.8]],
  "<": [[-1.1, 0], [0.8, -1], [0.8, 1]],
  ">": [[1.1, 0], [-0.8, -1], [-0.8, 1]],
  D: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
  p: [[0, -1.1], [1.05, -0.34], [0.65, 0.9], [-0.65, 0.9], [-1.05, -0.34]],
  P: [[-0.4, -1], [0.4, -1], [0.4, -0.4], [1, -0.4], [1, 0.4], [0.4, 0.4], [0.4, 1], [-0.4, 1], [-0.4, 0.4], [-1, 0.4],
    [-1, -0.4], [-0.4, -0.4]],
  X: [[-1, -0.5], [-0.5, -1], [0, -0.5], [0.5, -1], [1, -0.5], [0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5], [-0.5, 1],
    [-1, 0.5], [-0.5, 0]],
  "*": [[0, -1.3], [0.3, -0.4], [1.2, -0.4], [0.5, 0.15], [0.75, 1.05], [0, 0.5], [-0.75, 1.05], [-0.5, 0.15],
    [-1.2, -0.4], [-0.3, -0.4]],
};

function markerPath(marker, x, y, radius) {
  const corners = MARKERS[marker];
  if (!corners) {
    const half = `a${radius} ${radius} 0 1 0`;
    return `M${x - radius} ${y}${half} ${2 * radius} 0${half} ${-2 * radius} 0Z`;
  }
  return `M${corners.map(([dx, dy]) => `${(x + dx * radius).toFixed(2)} ${(y + dy * radius).toFixed(2)}`).join("L")}Z`;
}

const tip = document.getElementById("tip");

function showTip(x, y, ...children) {
  tip.replaceChildren(...children);
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? Math.max(4, x - 16 - width) : x + 16;
  tip.style.left = `${left}px`;
  tip.style.top = `${Math.min(Math.max(4, y - height / 2), Math.max(4, innerHeight - height - 4))}px`;
}

function hideTip() {
  tip.hidden = true;
}

// A list of values for the tip: [label or null, name, text].
function tipTable(heading, lines) {
  return [
    el("strong", {}, heading),
    el("table", {}, lines.map(([label, name, text]) =>
      el("tr", {}, el("td", {}, label ? swatch(label) : null), el("td", {}, name), el("td", { class: "number" }, text)))),
  ];
}

function select(label, options, chosen, changed) {
  const box = el("select", { on: { change: () => changed(box.value) } },
    options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
  return el("label", { class: "field" }, el("span", {}, label), box);
}

function button(text, clicked, attributes) {
  return el("button", { type: "button", on: { click: clicked }, ...attributes }, text);
}

// What has the keyboard's focus has it still, as the control in the same place, after its surroundings are drawn again.
function keepingFocus(holder, draw) {
  const controls = () => [...holder.querySelectorAll("button, select, input")];
  const place = controls().indexOf(document.activeElement);
  draw();
  if (place >= 0) controls()[place]?.focus({ preventScroll: true });
}
