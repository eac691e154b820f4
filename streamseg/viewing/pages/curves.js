// Small curves over the frames of a recording. A line marks the frame that is shown, and a click shows another frame.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 400, HEIGHT = 90;

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export class Curve {
  // go(place): called when the user clicks the curve. write(value): returns a value as text.
  constructor(parent, go, write) {
    this.go = go;
    this.write = write;
    this.length = 1;
    this.figure = document.createElement("figure");
    this.figure.className = "curve";
    this.caption = document.createElement("figcaption");
    this.title = document.createElement("span");
    this.value = document.createElement("span");
    this.caption.append(this.title, this.value);
    this.svg = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
    this.axis = svg("path", { class: "axis", d: `M0,${HEIGHT} H${WIDTH}` });
    this.lines = [svg("path", { class: "line" }), svg("path", { class: "line second" })];
    this.now = svg("line", { class: "now", y1: 0, y2: HEIGHT });
    this.svg.append(this.axis, ...this.lines, this.now);
    this.figure.append(this.caption, this.svg);
    this.svg.addEventListener("click", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.go(Math.round(((event.clientX - box.left) / box.width) * (this.length - 1)));
    });
    parent.append(this.figure);
  }

  // series: one or two lists with a number or null for each frame. length: number of frames.
  draw(title, series, length) {
    this.series = series;
    this.length = length;
    const known = series.flat().filter((value) => value !== null && value !== undefined);
    this.figure.hidden = !known.length;
    if (!known.length) return;
    const low = Math.min(0, ...known), high = Math.max(...known);
    const x = (place) => (WIDTH * place) / Math.max(1, length - 1);
    const y = (value) => HEIGHT - (HEIGHT * (value - low)) / (high - low || 1);
    this.lines.forEach((line, i) => {
      let path = "", down = false;
      (series[i] ?? []).forEach((value, place) => {
        const isKnown = value !== null && value !== undefined;
        if (isKnown) path += `${down ? "L" : "M"}${x(place).toFixed(1)},${y(value).toFixed(1)} `;
        if (isKnown && !down) path += `l0.01,0 `; // so that a single value is visible
        down = isKnown;
      });
      line.setAttribute("d", path);
    });
    this.title.textContent = title;
    this.most = this.write(high);
    this.svg.setAttribute("aria-label", `${title}, at most ${this.most}`);
  }

  at(place) {
    if (!this.series) return;
    const x = (WIDTH * place) / Math.max(1, this.length - 1);
    this.now.setAttribute("x1", x);
    this.now.setAttribute("x2", x);
    const here = this.series.map((values) => values[place]);
    const text = here.map((value) => (value === null || value === undefined ? "–" : this.write(value))).join(" | ");
    this.value.textContent = `${text} (most ${this.most})`;
  }
}

// Draw a strip that shows the frames with an id. places: of these frames, sorted. length: number of frames.
export function presence(places, length, colour) {
  const strip = svg("svg", { class: "presence", viewBox: `0 0 ${length} 1`, preserveAspectRatio: "none", role: "img" });
  strip.setAttribute("aria-label", `in ${places.length} of ${length} frames`);
  strip.append(svg("rect", { x: 0, y: 0.42, width: length, height: 0.16, fill: "currentColor", opacity: 0.25 }));
  for (let i = 0; i < places.length; ) {
    let end = i;
    while (end + 1 < places.length && places[end + 1] === places[end] + 1) end += 1;
    strip.append(svg("rect", { x: places[i], y: 0.1, width: places[end] - places[i] + 1, height: 0.8, fill: colour }));
    i = end + 1;
  }
  return strip;
}
