// The list of what is in the picture, and the details of the one that was chosen.

import { distance, element, extent, percent } from "./elements.js";

export class Objects {
  // hidden: ids that are not drawn; shared with the stages. changed(): somebody selected or hid one.
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

  showAll() {
    this.hidden.clear();
    this.changed();
  }

  // segments: of the frame, with id, area, mean_depth, centroid, size, and score where there is one. area: pixels of
  // the frame. extra: {heading, cell(id), ids, facts(id)}: a column more, ids that are listed though they are not seen
  // now, and details.
  update(segments, area, units, extra = null) {
    const scored = segments.some((one) => one.score !== undefined && one.score !== null);
    const headings = ["id", "area", ...(units ? ["distance"] : []), ...(scored ? ["score"] : [])];
    if (extra) headings.push(extra.heading);
    if (this.columns !== headings.join()) {
      this.columns = headings.join();
      this.head.replaceChildren(...headings.map((text) => element("th", { scope: "col" }, text)), element("th", {}, ""));
      this.rows.clear();
    }
    const now = new Map(segments.map((one) => [one.id, one]));
    const ids = [...new Set([...now.keys(), ...(extra?.ids ?? [])])].sort((a, b) => a - b);
    for (const id of this.rows.keys()) if (!ids.includes(id)) this.rows.delete(id);
    const rows = ids.map((id) => {
      if (!this.rows.has(id)) this.rows.set(id, this.makeRow(id, headings.length - 1));
      const row = this.rows.get(id), one = now.get(id);
      const cells = [one ? percent(one.area / area) : "–"];
      if (units) cells.push(distance(one?.mean_depth, units));
      if (scored) cells.push(one?.score?.toFixed(2) ?? "–");
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
    this.describe(now.get(this.selected), area, units, extra?.facts(this.selected) ?? []);
  }

  makeRow(id, count) {
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = this.colours[id];
    const pick = element("button", { type: "button", class: "id", on: { click: () => this.select(id) } }, swatch, String(id));
    const hide = element("button", { type: "button", class: "small", on: { click: () => this.hide(id) } });
    const cells = Array.from({ length: count }, () => element("td"));
    return { pick, hide, cells, line: element("tr", {}, element("td", {}, pick), ...cells, element("td", {}, hide)) };
  }

  describe(one, area, units, more) {
    if (!this.selected) {
      this.say("", [element("p", { class: "hint" }, "Click the picture or an id for its size and distance.")]);
      return;
    }
    const facts = one
      ? [["area", `${percent(one.area / area)}, ${one.area.toLocaleString("en")} pixels`],
         ["box", `${one.box[2]} × ${one.box[3]} pixels at ${one.box[0]}, ${one.box[1]}`]]
      : [["area", "not in this frame"]];
    if (one && units) {
      facts.push(["distance", distance(one.mean_depth, units)], ["size", extent(one.size, units)]);
      if (one.centroid) facts.push(["position", one.centroid.map((value) => distance(value, units)).join(", ")]);
    }
    if (one?.score !== undefined && one?.score !== null) facts.push(["score", one.score.toFixed(2)]);
    facts.push(...more);
    const list = element("dl", {}, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
    this.say(`${this.selected}`, [element("h2", {}, `Id ${this.selected}`), list], JSON.stringify(facts));
  }

  // A screen reader hears the details when another one is selected, not at every frame.
  say(id, content, key = id) {
    if (this.said === `${id} ${key}`) return;
    this.details.setAttribute("aria-live", this.saidId === id ? "off" : "polite");
    [this.said, this.saidId] = [`${id} ${key}`, id];
    this.details.replaceChildren(...content);
  }
}
