// Controls made from the parameter table: one for each row, in as many places as wanted.

let serial = 0;

function element(name, properties = {}, ...children) {
  const found = Object.assign(document.createElement(name), properties);
  found.append(...children);
  return found;
}

export function shown(row, value) {
  if (row.kind === "float") return Number(value).toFixed(row.high - row.low > 50 ? 0 : row.high - row.low > 6 ? 1 : 2).replace(/\.?0+$/, "");
  return String(value);
}

const PITCHES = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

// A value as it is shown, and its unit.
function words(row, value) {
  if (row.unit === "MIDI pitch") return [`${PITCHES[value % 12]}${Math.floor(value / 12) - 1}`, ""];
  if (row.name === "density" && value < 0) return ["auto", ""];
  if (row.name === "velocity" && !value) return ["auto", ""];
  return [shown(row, value), row.unit && row.unit !== "bar" ? row.unit : ""];
}

export class Controls {
  // set(name, value): somebody moved a control.
  constructor(table, set) {
    this.table = table;
    this.set = set;
    this.made = new Map(); // name -> functions that show a value
    this.values = {};
    for (const [name, row] of Object.entries(table.parameters)) row.name = name;
  }

  // large: for the few that matter most; a menu instead of a row of choices.
  make(name, large = false) {
    const row = this.table.parameters[name], id = `c${serial++}`;
    const [node, show] = (large && row.kind === "choice" ? this.menu.bind(this) : this.kind(row))(row, id);
    this.made.set(name, [...(this.made.get(name) || []), show]);
    show(name in this.values ? this.values[name] : row.default);
    node.title = row.doc + (row.cc === null ? "" : `  (CC ${row.cc})`);
    node.dataset.parameter = name;
    return node;
  }

  kind(row) {
    if (row.name === "preset") return this.presets.bind(this);
    if (row.kind === "bool") return this.toggle.bind(this);
    if (row.kind === "choice") return row.choices.length <= 5 ? this.segments.bind(this) : this.menu.bind(this);
    return row.kind === "text" ? this.text.bind(this) : this.slider.bind(this);
  }

  show(name, value) {
    this.values[name] = value;
    for (const each of this.made.get(name) || []) each(value);
  }

  head(row, id, value) { return element("div", { className: "head" }, element("label", { htmlFor: id, textContent: row.label.replace(/ \(.*\)/, "") }), ...(value ? [value] : [])); }

  slider(row, id) {
    const value = element("output", { className: "value", htmlFor: id });
    const input = element("input", { id, type: "range", min: row.low, max: row.high, step: row.kind === "int" ? 1 : Math.max((row.high - row.low) / 400, 0.01).toPrecision(1) });
    const paint = () => {
      const number = Number(input.value);
      const [text, unit] = words(row, number);
      value.replaceChildren(text, ...(unit ? [element("small", { textContent: ` ${unit}` })] : []));
      input.setAttribute("aria-valuetext", `${text} ${unit}`.trim());
      input.style.setProperty("--at", `${(100 * (number - row.low)) / (row.high - row.low)}%`);
    };
    let held = false, due = 0;
    input.addEventListener("pointerdown", () => { held = true; });
    input.addEventListener("pointerup", () => { held = false; });
    input.addEventListener("input", () => {
      paint();
      cancelAnimationFrame(due);
      due = requestAnimationFrame(() => this.set(row.name, Number(input.value)));
    });
    return [element("div", { className: "field" }, this.head(row, id, value), input), (now) => { if (!held) { input.value = now; paint(); } }];
  }

  toggle(row, id) {
    const input = element("input", { id, type: "checkbox" });
    input.setAttribute("role", "switch");
    input.addEventListener("change", () => this.set(row.name, input.checked));
    return [element("div", { className: "field switch" }, element("label", { htmlFor: id, textContent: row.label }), input), (now) => { input.checked = Boolean(now); }];
  }

  segments(row, id) {
    const inputs = row.choices.map((choice) => {
      const input = element("input", { type: "radio", name: id, value: choice });
      input.addEventListener("change", () => this.set(row.name, choice));
      return input;
    });
    const labels = inputs.map((input) => element("label", {}, input, element("span", { textContent: input.value })));
    const box = element("fieldset", { className: "field" }, element("legend", { textContent: row.label }), element("div", { className: "segments" }, ...labels));
    return [box, (now) => { for (const input of inputs) input.checked = input.value === now; }];
  }

  menu(row, id) {
    const input = element("select", { id }, ...row.choices.map((choice) => element("option", { value: choice, textContent: choice })));
    input.addEventListener("change", () => this.set(row.name, input.value));
    return [element("div", { className: "field" }, this.head(row, id), input), (now) => { input.value = now; }];
  }

  presets(row, id) {
    const input = element("select", { id }, ...this.table.presets.map(({ name, description }) => element("option", { value: name, textContent: name, title: description })));
    const about = element("small");
    input.addEventListener("change", () => this.set(row.name, input.value));
    const show = (now) => {
      if (![...input.options].some((option) => option.value === now)) input.append(element("option", { value: now, textContent: now }));
      input.value = now;
      about.textContent = (this.table.presets.find(({ name }) => name === now) || { description: "" }).description;
    };
    return [element("div", { className: "field" }, this.head(row, id), input, about), show];
  }

  text(row, id) {
    const input = element("input", { id, type: "text", placeholder: row.default || "none", spellcheck: false, autocomplete: "off" });
    input.addEventListener("change", () => this.set(row.name, input.value || "off"));
    return [element("div", { className: "field" }, this.head(row, id), input), (now) => { if (document.activeElement !== input) input.value = now; }];
  }
}
