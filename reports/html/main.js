// Puts the sections together, switches data sets and trackers, remembers in the address what is looked at.

const ORDER = ["overview", "board", "plots", "attributes", "sequences", "player", "tests", "sureness", "speed", "provenance"];

function drawSection({ id, title, draw }) {
  const holder = document.getElementById(id);
  const content = [draw(() => drawSection({ id, title, draw }))].flat(Infinity).filter(Boolean);
  holder.hidden = !content.length;
  holder.replaceChildren(el("h2", {}, title), ...content);
  document.querySelector(`nav a[href="#${id}"]`).hidden = !content.length;
}

function drawAll() {
  hideTip();
  page.sections.forEach(drawSection);
  drawPlayer();
}

function drawTrackers() {
  const toggles = page.rows.map((row) => {
    const toggle = button([swatch(row.tracker), " ", row.title], () => {
      if (page.hidden.has(row.tracker)) page.hidden.delete(row.tracker);
      else page.hidden.add(row.tracker);
      toggle.setAttribute("aria-pressed", String(!page.hidden.has(row.tracker)));
      drawAll();
    }, { "aria-pressed": String(!page.hidden.has(row.tracker)), class: "toggle" });
    return toggle;
  });
  const all = (shown) => () => {
    page.rows.forEach((row) => (shown ? page.hidden.delete(row.tracker) : page.hidden.add(row.tracker)));
    drawTrackers();
    drawAll();
  };
  const holder = document.getElementById("trackers");
  keepingFocus(holder, () => holder.replaceChildren(...toggles,
    ...(page.rows.length > 2 ? [button("all", all(true), { class: "link" }), button("none", all(false), { class: "link" })] : [])));
}

function drawDatasets() {
  const { datasets } = page.document;
  const holder = document.getElementById("datasets");
  if (datasets.length === 1) holder.replaceChildren(el("strong", {}, datasets[0].title));
  else {
    keepingFocus(holder, () => holder.replaceChildren(...datasets.map((data, place) => button(data.title, () => show(place),
      { class: "toggle", "aria-pressed": String(place === page.place) }))));
  }
}

// When and how the page was made, and what the data set says in a sentence.
function drawVerdict() {
  const { made } = page.document;
  document.getElementById("made").replaceChildren(...[page.data.verdict, ...made].flatMap((text, k) => [
    ...(k ? [" · "] : []), k > 1 ? el("code", {}, text) : el("span", { class: k ? null : "verdict" }, text)]));
}

function show(place, number = 0, frame = 0) {
  stop();
  clearTimeout(remembering); // it would name a sequence that is no longer there
  page.place = place;
  player.sequence = null;
  drawDatasets();
  drawVerdict();
  drawTrackers();
  drawAll();
  if (page.data.traces.length) openSequence(Math.min(number, page.data.traces.length - 1), frame, false);
}

// The address names data set, sequence and frame, so that a look can be passed on; writing it is put off while playing.
let remembering = null;
function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => {
    const state = new URLSearchParams({ data: page.data.name, sequence: player.sequence.name, frame: player.frame + 1 });
    history.replaceState(null, "", `#${state}`);
  }, 300);
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  const place = Math.max(0, page.document.datasets.findIndex((data) => data.name === state.get("data")));
  const number = page.document.datasets[place].traces.findIndex((trace) => trace.name === state.get("sequence"));
  show(place, Math.max(0, number), Math.max(0, (Number(state.get("frame")) || 1) - 1));
  if (number >= 0) document.getElementById("player").scrollIntoView();
}

const THEMES = ["system", "light", "dark"];
document.getElementById("theme").addEventListener("click", (event) => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme || "system") + 1) % THEMES.length];
  root.dataset.theme = next;
  event.currentTarget.textContent = `Colours: ${next}`;
});

page.sections.sort((a, b) => ORDER.indexOf(a.id) - ORDER.indexOf(b.id));
document.getElementById("main").append(...page.sections.map(({ id, title }) => el("section", { id, "aria-label": title })),
  el("footer", {}, `trackbench ${page.document.version}`));
document.querySelector("nav").append(...page.sections.map(({ id, title }) => el("a", { href: `#${id}`, on: { click: (event) => {
  event.preventDefault(); // the address holds what is looked at
  const holder = document.getElementById(id);
  const header = document.querySelector("header"); // as high as its trackers need; it must not cover the heading
  const covered = getComputedStyle(header).position === "sticky" ? header.offsetHeight : 0;
  document.documentElement.style.scrollPaddingTop = `${covered}px`;
  holder.scrollIntoView();
  holder.setAttribute("tabindex", "-1");
  holder.focus({ preventScroll: true });
} } }, title)));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
recall();
