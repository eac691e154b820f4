// Elements and controls of the pages. Text is inserted as text only, so that HTML in a name has no effect.

export const $ = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

// Return a path as text that a narrow page breaks after a separator.
export const breakable = (path) => path.split(/(?<=[/\\_])/).flatMap((part) => [part, element("wbr")]);

// Fill a fieldset with radio buttons. options: [[value, label, disabled]]. act(value): called when the user chooses one.
export function choice(fieldset, name, options, chosen, act) {
  const legend = fieldset.querySelector("legend");
  const labels = options.map(([value, label, disabled]) => {
    const input = element("input", { type: "radio", name, value, disabled, on: { change: () => act(value) } });
    input.checked = value === chosen;
    return element("label", {}, input, label);
  });
  fieldset.replaceChildren(legend, ...labels);
}

// Show a text as the status of the page. bad: as a warning.
export function say(text, bad = false) {
  const status = $("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("bad", bad);
}

// Define the keys of the page: {key: function}. Keys that the focused control uses itself do not reach the page.
export function keys(table) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const busy = event.target.closest?.("input, button, select, textarea");
    if (busy && (event.key === " " || event.key === "Enter" || event.key.startsWith("Arrow"))) return;
    const act = table[event.key] ?? table[event.key.toLowerCase()];
    if (act) {
      event.preventDefault();
      act();
    }
  });
}

export const percent = (share) => (share >= 0.1 ? `${Math.round(100 * share)} %` : `${(100 * share).toFixed(1)} %`);

export function distance(value, units) {
  if (value === null || value === undefined) return "–";
  return units === "m" ? `${value.toFixed(2).replace(/^-0.00$/, "0.00")} m` : value.toPrecision(3);
}

export function extent(size, units) {
  if (!size) return "–";
  const side = (length) => (units === "m" ? Math.round(100 * length) : Number(length.toPrecision(2)));
  return `${size.map(side).join(" × ")}${units === "m" ? " cm" : ""}`;
}
