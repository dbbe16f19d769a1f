// What all sections share: the document, the data set that is shown, the trackers that are switched off.

const page = {
  document: JSON.parse(document.getElementById("document").textContent),
  place: 0, // of the data set that is shown
  hidden: new Set(), // labels of trackers that are switched off
  sections: [],
  get data() {
    return this.document.datasets[this.place];
  },
  get rows() {
    return this.data.rows;
  },
  get shown() {
    return this.rows.filter((row) => !this.hidden.has(row.tracker));
  },
};

function lookOf(label) {
  return page.document.looks[label] || { colour: "#777777", dashes: [], marker: "o" };
}

function rowOf(label) {
  return page.rows.find((row) => row.tracker === label);
}

// A section is drawn again whenever the data set or the trackers change; without content it is not there.
function section(id, title, draw) {
  page.sections.push({ id, title, draw });
}
