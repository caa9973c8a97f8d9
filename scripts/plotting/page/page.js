// Draws the charts of the page. A chart's controls choose among its rows; each run has a plot of its
// own; the rows that are shown can be read as a table, and stand in the command below.

const config = JSON.parse(document.getElementById("chart-config").textContent);

// The chart of a figure: its JSON, with rows as objects.
function read(figure) {
  const chart = JSON.parse(figure.querySelector("script").textContent);
  chart.rows = chart.rows.map((row) =>
    Object.fromEntries(chart.columns.map((name, place) => [name, row[place]])));
  return chart;
}

// What the rows have in a column, each once, in their order.
const valuesOf = (rows, column) =>
  new Set(rows.map((row) => row[column]).filter((value) => value !== null && value !== ""));

// A row whose cell is empty belongs to every value.
const fits = (row, column, value) => row[column] === null || String(row[column]) === value;

// Fills the controls and returns the rows that they choose. A control offers what there is for those
// before it, and keeps its value where it can.
function choose(chart, controls) {
  let rows = chart.rows;
  for (const { column, first } of chart.choices) {
    const select = controls[column];
    const texts = [...valuesOf(rows, column)].map(String);
    const wanted = [select.value, ...first].find((value) => texts.includes(value));
    if (String([...select.options].map((option) => option.value)) !== String(texts)) {
      select.replaceChildren(...texts.map((text) => new Option(text, text)));
    }
    select.value = wanted ?? texts[0] ?? "";
    if (texts.length) rows = rows.filter((row) => fits(row, column, select.value));
  }
  return rows;
}

// A labelled select for each choice.
function addControls(figure, chart) {
  const controls = {};
  for (const { column, label } of chart.choices) {
    const select = document.createElement("select");
    const name = document.createElement("label");
    select.name = column;
    name.append(label, select);
    figure.querySelector("form").append(name);
    controls[column] = select;
  }
  return controls;
}

function tableOf(chart, rows) {
  const columns = Object.entries(chart.headings);
  if (chart.several) columns.unshift(["run", "run"]);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const [, heading] of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = heading;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const [name] of columns) line.insertCell().textContent = row[name] ?? "–";
  }
  return table;
}

// In a shell's quotes, where it needs them.
const quoted = (text) => /^[\w.,:+/-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

// What is beside the plots: the values of the rows in the command, and the rows where their fold is open.
function describe(figure, chart, controls, rows) {
  for (const word of figure.querySelectorAll("[data-column]")) {
    const { column } = word.dataset;
    const values = controls[column] ? [controls[column].value] : [...valuesOf(rows, column)];
    if (values.length) word.textContent = quoted(values.join(","));
  }
  const list = figure.querySelector(".rows");
  if (list.open) list.querySelector(".scroll").replaceChildren(tableOf(chart, rows));
}

// In pixels, of a chart that has a line for each value of a column.
function heightOf({ usermeta, height }, rows) {
  return usermeta ? usermeta.pixels * valuesOf(rows, usermeta.column).size : height;
}

// Draws rows into a place; without rows it says so instead.
async function plot(chart, place, rows) {
  place.element.hidden = rows.length === 0;
  place.element.nextElementSibling.hidden = rows.length > 0;
  if (rows.length === 0) return;
  const height = heightOf(chart.spec, rows);
  if (place.view) {
    await place.view.height(height).data("rows", rows).runAsync();
    return;
  }
  const spec = { ...chart.spec, height, datasets: { rows } };
  const options = { mode: "vega-lite", renderer: "svg", actions: false, config,
                    tooltip: { theme: "custom" } };
  place.view = (await vegaEmbed(place.element, spec, options)).view;
}

async function draw(figure) {
  const chart = read(figure);
  const controls = addControls(figure, chart);
  const places = [...figure.querySelectorAll(".plot")].map((element) => ({ element }));
  let rows = choose(chart, controls);
  const update = async () => {
    describe(figure, chart, controls, rows);
    for (const place of places) {
      await plot(chart, place, rows.filter((row) => row.run === place.element.dataset.run));
    }
  };
  figure.querySelector("form").addEventListener("change", () => {
    rows = choose(chart, controls);
    figure.querySelector(".state").textContent = `${rows.length} values shown.`;
    update();
  });
  figure.querySelector(".rows").addEventListener("toggle", () =>
    describe(figure, chart, controls, rows));
  await update();
  figure.dataset.drawn = "yes";
}

// Each when it first comes near the window, which one in a closed box does not.
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    draw(target).catch((error) => {
      target.querySelector(".state").textContent = `This chart cannot be drawn: ${error.message}`;
      console.error(error);
    });
  }
}, { rootMargin: "600px" });
for (const figure of document.querySelectorAll("figure.chart")) seen.observe(figure);

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  getSelection().selectAllChildren(code);
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
  }
}
for (const button of document.querySelectorAll(".command button")) {
  button.addEventListener("click", () => copy(button));
}
