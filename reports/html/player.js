// One sequence: its frames with the regions of all trackers, their overlap and error over time, and where they fail.

const player = { number: 0, frame: 0, sequence: null, timer: null, parts: null };
const TIMELINE = { width: 900, height: 170, left: 52, right: 14, top: 30, bottom: 40 };
const NARROW = { ...TIMELINE, width: 420 };

async function openSequence(number, frame = 0, scroll = true) {
  stop();
  player.number = number;
  const place = page.place;
  const sequence = await readSequence(place, number);
  if (place !== page.place || number !== player.number) return; // another one was asked for meanwhile
  player.sequence = sequence;
  player.frame = Math.min(frame, sequence.frames - 1);
  drawPlayer();
  if (scroll) document.getElementById("player").scrollIntoView();
}

function visibleTracks() {
  return player.sequence.tracks.filter(({ label }) => !page.hidden.has(label) && rowOf(label));
}

function titleOf(label) {
  return (rowOf(label) || { title: label }).title;
}

function timeline(title, key, high, label) {
  const { frames } = player.sequence;
  const { root, sx, sy, frame } = axes(title, { low: 1, high: Math.max(2, frames), label: "Frame" },
    { low: 0, high, label }, innerWidth < 700 ? NARROW : TIMELINE);
  const xs = Array.from({ length: frames }, (_, k) => k + 1);
  for (const track of [...visibleTracks()].reverse()) {
    const values = track[key].map((value) => (value === null ? null : Math.min(value, high)));
    root.append(svg("path", { d: linePath(xs, values, sx, sy), class: "series", look: track.label, "data-tracker": track.label,
      "stroke-dasharray": dashArray(lookOf(track.label).dashes, 1.5) }));
    if (key === "overlaps") {
      for (const failure of track.failures) {
        root.append(svg("path", {
          d: markerPath("v", sx(failure + 1), frame.top + 5, 4), class: "marker failure", look: track.label,
        }));
      }
    }
  }
  const cursor = svg("line", { class: "cursor", y1: frame.top, y2: frame.height - frame.bottom });
  root.append(cursor);
  const scrub = (event) => {
    const box = root.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * frame.width;
    seek(Math.round(1 + ((at - frame.left) / (frame.width - frame.left - frame.right)) * (Math.max(2, frames) - 1)) - 1);
  };
  root.addEventListener("pointerdown", (event) => {
    root.setPointerCapture(event.pointerId);
    scrub(event);
  });
  root.addEventListener("pointermove", (event) => {
    if (event.buttons) scrub(event);
  });
  return { root, move: () => ["x1", "x2"].forEach((name) => cursor.setAttribute(name, sx(player.frame + 1))) };
}

function drawPlayer() {
  const holder = document.getElementById("player-body");
  if (!holder || !player.sequence) return;
  const { sequence } = player;
  const [width, height] = sequence.size;
  const image = svg("image", { width, height, preserveAspectRatio: "none" });
  const shapes = svg("g", {});
  const stage = svg("svg", { class: "stage", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Frame of ${sequence.name}` },
    svg("rect", { width, height, class: "ground" }), image, shapes);
  const slider = el("input", { type: "range", min: 1, max: sequence.frames, value: player.frame + 1, "aria-label": "Frame",
    on: { input: () => seek(Number(slider.value) - 1) } });
  const counter = el("output", { class: "number" });
  const play = button("Play", () => (player.timer ? stop() : start()), { class: "play" });
  const values = el("div", {});
  const errors = sequence.tracks.flatMap((track) => track.errors).filter(known);
  const highest = Math.max(50, Math.min(Math.max(...errors, 1), 4 * Math.max(width, height) / 10));
  const lines = [
    timeline("Overlap with the ground truth", "overlaps", 1, "IoU"),
    timeline("Distance of the centres", "errors", highest, "pixels"),
  ];
  player.parts = { image, shapes, slider, counter, values, lines, play, note: el("p", { class: "note" }) };
  const { traces } = page.data;
  keepingFocus(holder, () => holder.replaceChildren(
    el("p", { class: "controls" },
      select("Sequence", traces.map(({ name }, k) => [String(k), name]), String(player.number), (k) => openSequence(Number(k), 0, false)),
      button("Previous sequence", () => openSequence((player.number + traces.length - 1) % traces.length, 0, false)),
      button("Next sequence", () => openSequence((player.number + 1) % traces.length, 0, false))),
    el("div", { class: "player" }, el("div", { class: "screen" }, stage, player.parts.note), values),
    el("div", { class: "transport" }, play, slider, counter),
    el("p", { class: "controls" },
      button("Previous failure", () => jump(-1)), button("Next failure", () => jump(1)), failureChoice()),
    ...lines.map(({ root }) => root)));
  seek(player.frame);
}

function failureChoice() {
  const options = visibleTracks().flatMap(({ label, failures }) =>
    failures.map((frame) => [String(frame), `${titleOf(label)}, frame ${frame + 1}`]));
  if (!options.length) return el("span", { class: "note" }, "No tracker that is shown loses the target here.");
  return select(plural(options.length, "failure"), [["", "go to …"], ...options], "", (frame) => frame && seek(Number(frame)));
}

function seek(frame) {
  const { sequence, parts } = player;
  player.frame = Math.max(0, Math.min(sequence.frames - 1, frame));
  parts.slider.value = player.frame + 1;
  parts.counter.textContent = `${player.frame + 1} / ${sequence.frames}`;
  const below = [...sequence.images.keys()].filter((k) => k <= player.frame).pop();
  if (below !== undefined) parts.image.setAttribute("href", sequence.images.get(below));
  parts.image.classList.toggle("stale", below !== player.frame);
  parts.note.textContent = !sequence.images.size ? "Without images: this report holds regions alone (see --frames)."
    : below === player.frame ? " " : `The image is that of frame ${below + 1}; the regions are of frame ${player.frame + 1}.`;
  const drawn = visibleTracks();
  parts.shapes.replaceChildren(...[
    ["truth-rim", "truth"].map((kind) => svg("path", { d: shapePath(sequence.truth[player.frame]), class: `region ${kind}` })),
    drawn.map((track) => svg("path", { d: shapePath(track.shapes[player.frame]), class: "region", look: track.label,
      "stroke-dasharray": dashArray(lookOf(track.label).dashes, 2) })).reverse(),
  ].flat());
  parts.values.replaceChildren(el("table", { class: "data" },
    el("caption", {}, "This frame"),
    el("thead", {}, el("tr", {}, ["tracker", "IoU", "error [px]"].map((text, k) =>
      el("th", { scope: "col", class: k ? "number" : null }, text)))),
    el("tbody", {}, drawn.map((track) => {
      const [overlap, error] = [track.overlaps[player.frame], track.errors[player.frame]];
      return el("tr", { class: track.failures.includes(player.frame) ? "failed" : null },
        el("th", { scope: "row" }, swatch(track.label), " ", titleOf(track.label)),
        el("td", { class: "number" }, known(overlap) ? overlap.toFixed(3) : "–"),
        el("td", { class: "number" }, known(error) ? error.toFixed(1) : "–"));
    }),
    el("tr", {}, el("th", { scope: "row" }, el("span", { class: "truth-swatch" }), " ground truth"), el("td", {}), el("td", {})))));
  parts.lines.forEach(({ move }) => move());
  remember();
}

function jump(direction) {
  const frames = visibleTracks().flatMap(({ failures }) => failures).sort((a, b) => direction * (a - b));
  const next = frames.find((frame) => direction * (frame - player.frame) > 0);
  if (next !== undefined) seek(next);
}

function start() {
  if (player.frame >= player.sequence.frames - 1) seek(0);
  player.parts.play.textContent = "Pause";
  player.timer = setInterval(() => {
    if (player.frame >= player.sequence.frames - 1) stop();
    else seek(player.frame + 1);
  }, 50);
}

function stop() {
  clearInterval(player.timer);
  player.timer = null;
  if (player.parts) player.parts.play.textContent = "Play";
}

section("player", "Frames", () => {
  const { data } = page;
  if (!data.traces.length) return null;
  const notes = [];
  if (data.left_out) notes.push(`${plural(data.left_out, "sequence")} with higher scores did not fit into this file (see --page-limit). `);
  if (data.without_images) notes.push(`${plural(data.without_images, "sequence")} without images: they did not fit or could not be read. `);
  return [
    notes.length ? el("p", { class: "note" }, notes) : null,
    el("div", { id: "player-body" }),
    el("p", { class: "note" },
      "Triangles mark failures: where the protocol resets, its own; elsewhere frames in which an overlap falls to 0. ",
      "Keys: p plays, j and k go to the previous and next failure, arrow keys on the slider move by a frame."),
  ];
});

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== "range";
  if (event.ctrlKey || event.metaKey || event.altKey || typing || !player.sequence) return;
  if (event.key === "p") player.timer ? stop() : start();
  else if (event.key === "j") jump(-1);
  else if (event.key === "k") jump(1);
});
