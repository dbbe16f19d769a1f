// All trackers on all data sets, by the main metric of each.

section("overview", "Overview", () => {
  const { datasets } = page.document;
  if (datasets.length < 2) return null;
  const labels = [...new Set(datasets.flatMap((data) => data.rows.map((row) => row.tracker)))];
  const found = (data, label) => data.rows.find((row) => row.tracker === label);
  const names = new Map(datasets.flatMap((data) => data.rows.map((row) => [row.tracker, row.title.replace(/ \(\d+\/\d+\)$/, "")])));
  const columns = datasets.map((data, place) => {
    const main = data.columns.find(({ key }) => key === data.main);
    const marks = main ? places(data.rows, main) : new Map();
    const value = (row) => (found(data, row.label) && main ? found(data, row.label).metrics[main.key] : null);
    return {
      title: [`${data.title} `, ...(main ? titled(main.title) : [])], name: data.title, number: true,
      first: main && main.higher === false ? 1 : -1, value,
      cell: (row) => {
        const own = found(data, row.label);
        if (!own || !main) return "–";
        const share = own.complete ? "" : ` (${own.sequences}/${own.of})`;
        return button([placed(scaled(value(row), main), marks.get(row.label)), share], () => show(place), { class: "link" });
      },
    };
  });
  return sortableTable({
    caption: "Main metric of each data set; a number opens its data set",
    columns: [{ title: "tracker", value: (row) => row.name, cell: (row) => [swatch(row.label), " ", row.name] }, ...columns],
    rows: labels.map((label) => ({ label, name: names.get(label) })),
  });
});
