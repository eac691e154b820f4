// The list of the ids in the image, and the details of the selected one.

import { distance, element, extent, percent } from "./elements.js";

export class Objects {
  // panel: the element to fill. colours: by id. changed(): called when the user selects or hides an id.
  // hidden: ids that are not drawn; the stage uses the same set.
  constructor(panel, colours, changed) {
    this.colours = colours;
    this.changed = changed;
    this.hidden = new Set();
    this.selected = 0;
    this.heading = element("h2", {}, "In the picture");
    this.details = element("div", { class: "details", "aria-live": "polite" });
    this.head = element("tr");
    this.body = element("tbody");
    this.all = element("button", { type: "button", class: "small", hidden: true, on: { click: () => this.showAll() } }, "Show all");
    const table = element("table", {}, element("thead", {}, this.head), this.body);
    panel.replaceChildren(this.heading, this.details, element("div", { class: "scroll" }, table), this.all);
    this.rows = new Map();
    this.columns = "";
  }

  select(id) {
    this.selected = this.selected === id ? 0 : id;
    this.changed();
  }

  hide(id) {
    if (!this.hidden.delete(id)) this.hidden.add(id);
    this.changed();
  }

  forget() {
    this.selected = 0;
    this.hidden.clear();
  }

  showAll() {
    this.hidden.clear();
    this.changed();
  }

  // Show a frame. segments: its ids, with area, mean_depth, centroid, size, and maybe a score. area: pixels of the frame.
  // units: of depth, "m", "unknown" or "" = no depth. extra: {heading, cell(id), ids, facts(id)}: a further column,
  // further ids, which are not in this frame, and further details.
  update(segments, area, units, extra = null) {
    const scored = segments.some((segment) => segment.score !== undefined && segment.score !== null);
    const headings = ["id", "area", ...(units ? ["distance"] : []), ...(scored ? ["score"] : [])];
    if (extra) headings.push(extra.heading);
    if (this.columns !== headings.join()) {
      this.columns = headings.join();
      this.head.replaceChildren(...headings.map((text) => element("th", { scope: "col", class: `of-${text}` }, text)), element("th", {}, ""));
      this.rows.clear();
    }
    const byId = new Map(segments.map((segment) => [segment.id, segment]));
    const ids = [...new Set([...byId.keys(), ...(extra?.ids ?? [])])].sort((a, b) => a - b);
    for (const id of this.rows.keys()) if (!ids.includes(id)) this.rows.delete(id);
    const rows = ids.map((id) => {
      if (!this.rows.has(id)) this.rows.set(id, this.makeRow(id, headings.length - 1));
      const row = this.rows.get(id), segment = byId.get(id);
      const cells = [segment ? percent(segment.area / area) : "–"];
      if (units) cells.push(distance(segment?.mean_depth, units));
      if (scored) cells.push(segment?.score?.toFixed(2) ?? "–");
      cells.forEach((text, i) => { if (row.cells[i].textContent !== text) row.cells[i].textContent = text; });
      if (extra) row.cells[cells.length].replaceChildren(extra.cell(id));
      row.line.className = [id === this.selected ? "selected" : "", this.hidden.has(id) ? "hidden" : ""].join(" ").trim();
      row.pick.setAttribute("aria-pressed", id === this.selected);
      row.hide.textContent = this.hidden.has(id) ? "Show" : "Hide";
      row.hide.setAttribute("aria-label", `${row.hide.textContent} ${id}`);
      return row.line;
    });
    const same = rows.length === this.body.children.length && rows.every((row, i) => this.body.children[i] === row);
    if (!same) this.body.replaceChildren(...rows);
    if (!rows.length) this.body.replaceChildren(element("tr", {}, element("td", { colspan: headings.length + 1, class: "empty" }, "nothing")));
    this.all.hidden = !this.hidden.size;
    this.describe(byId.get(this.selected), area, units, extra?.facts(this.selected) ?? []);
  }

  makeRow(id, count) {
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = this.colours[id];
    const pick = element("button", { type: "button", class: "id", on: { click: () => this.select(id) } }, swatch, String(id));
    const hide = element("button", { type: "button", class: "small", on: { click: () => this.hide(id) } });
    const cells = Array.from({ length: count }, () => element("td"));
    return { pick, hide, cells, line: element("tr", {}, element("td", {}, pick), ...cells, element("td", {}, hide)) };
  }

  // Show the details of the selected id. segment: of this frame, undefined = not in it. more: further [name, text].
  describe(segment, area, units, more) {
    if (!this.selected) {
      this.setDetails("", [element("p", { class: "hint" }, `Click the picture or an id for its ${units ? "size and distance" : "area and box"}.`)], units);
      return;
    }
    const facts = segment
      ? [["area", `${percent(segment.area / area)}, ${segment.area.toLocaleString("en")} pixels`],
         ["box", `${segment.box[2]} × ${segment.box[3]} pixels at ${segment.box[0]}, ${segment.box[1]}`]]
      : [["area", "not in this frame"]];
    if (segment && units) {
      facts.push(["distance", distance(segment.mean_depth, units)], ["size", extent(segment.size, units)]);
      if (segment.centroid) facts.push(["position", segment.centroid.map((value) => distance(value, units)).join(", ")]);
    }
    if (segment?.score !== undefined && segment?.score !== null) facts.push(["score", segment.score.toFixed(2)]);
    facts.push(...more);
    const list = element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    this.setDetails(`${this.selected}`, [element("h2", {}, `Id ${this.selected}`), list], JSON.stringify(facts));
  }

  // Replace the details if they have changed. A screen reader reads them if another id is selected, not in every frame.
  // key: a text that differs if the content does.
  setDetails(id, content, key = id) {
    if (this.shownKey === `${id} ${key}`) return;
    this.details.setAttribute("aria-live", this.shownId === id ? "off" : "polite");
    [this.shownKey, this.shownId] = [`${id} ${key}`, id];
    this.details.replaceChildren(...content);
  }
}
