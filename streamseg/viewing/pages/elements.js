// Elements from text: what a name or a label holds is shown, never obeyed.

export const $ = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A row of radio buttons: [[value, label, disabled]]; act(value) when another one is chosen.
export function choice(fieldset, name, options, chosen, act) {
  const legend = fieldset.querySelector("legend");
  const labels = options.map(([value, label, disabled]) => {
    const input = element("input", { type: "radio", name, value, disabled, on: { change: () => act(value) } });
    input.checked = value === chosen;
    return element("label", {}, input, label);
  });
  fieldset.replaceChildren(legend, ...labels);
}

export function say(text, bad = false) {
  const status = $("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("bad", bad);
}

// Keys of the page; those that belong to the control in focus are left to it.
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
  return units === "m" ? `${value.toFixed(2)} m` : value.toPrecision(3);
}

export function extent(size, units) {
  if (!size) return "–";
  const side = (one) => (units === "m" ? Math.round(100 * one) : Number(one.toPrecision(2)));
  return `${size.map(side).join(" × ")}${units === "m" ? " cm" : ""}`;
}
