// One run or recording on the page: its image, its list of ids, its facts.

import { presence } from "./curves.js";
import { element, extent } from "./elements.js";
import { Objects } from "./objects.js";
import { Stage } from "./stage.js";
import { Survey, typicalSize } from "./survey.js";
import { moment } from "./wire.js";

// A sample of the line with which the curves of a run are drawn.
const key = (number) => element("span", { class: number ? "key second" : "key" });

export class Run {
  // changed(): called when the user selects or hides an id. grown(): called when the survey has more rows.
  // compared: whether there is a second run.
  constructor(about, number, colours, { changed, grown, compared }) {
    Object.assign(this, { about, number, colours, grown, place: 0, units: "", survey: null });
    const canvas = element("canvas", { tabindex: "0", role: "img", "aria-label": "no frame yet" });
    const caption = element("figcaption");
    this.column = element("figure", { class: "stage" }, element("h2", {}, key(number), about.title), canvas, caption);
    this.panel = element("aside", { "aria-label": `What is in ${about.title}` });
    this.objects = new Objects(this.panel, colours, changed);
    this.stage = new Stage(canvas, caption, colours, (id) => this.objects.select(id || this.objects.selected), 60);
    this.stage.set({ hidden: this.objects.hidden });
    this.layers = [...about.kinds, ...(about.depth ? ["depth"] : [])];
    this.panel.hidden = !about.kinds.length;
    if (compared) this.objects.heading.replaceChildren(about.title);
    this.heading = compared ? about.title : about.run ? "The run" : "The recording";
    this.byName = new Map(about.names.map((name, i) => [name, i]));
  }

  get length() {
    return this.about.names.length;
  }

  // The frame of this run to show beside frame `place` of `main`: the one with the same name, or else the one at the
  // same relative position.
  partner(place, main) {
    if (this === main) return place;
    const same = this.byName.get(main.about.names[place]);
    return same ?? Math.round((place / Math.max(1, main.length - 1)) * (this.length - 1));
  }

  // Reorder values, one for each frame of this run, to the frames of `main`.
  matched(values, main) {
    if (this === main) return values;
    return Array.from({ length: main.length }, (_, place) => values[this.partner(place, main)] ?? null);
  }

  // The kind of masks whose ids are tracked while `layer` is shown.
  kindOf(layer) {
    return this.about.kinds.includes(layer) ? layer : this.about.kinds[0] ?? "";
  }

  follow(layer) {
    const kind = this.kindOf(layer);
    if (this.survey?.layer === kind) return;
    if (this.survey) this.survey.stopped = true;
    this.objects.forget();
    this.survey = new Survey(this.number, kind, this.grown);
  }

  async show(place, layer) {
    const answer = await moment(`moment?run=${this.number}&at=${place}&layer=${layer}`);
    this.place = place;
    if (answer.head) {
      this.units = answer.head.units;
      this.stage.look.layer = layer;
      this.stage.show(answer);
    } else this.stage.clear(`frame ${this.about.names[place]} cannot be shown: ${answer.problem}`);
  }

  refresh(layer) {
    if (!this.stage.moment) return;
    const id = this.objects.selected, track = id && this.survey ? this.survey.track(id) : [];
    this.stage.set({ layer, selected: id, track: track.map((entry) => [entry[3], entry[4]]) });
    const extra = this.survey && {
      heading: "seen",
      ids: [...this.survey.tracks.keys()],
      cell: (listed) => presence(this.survey.track(listed).map((entry) => entry[0]), this.length, this.colours[listed]),
      facts: (chosen) => this.trackFacts(chosen),
    };
    this.objects.update(this.stage.segments, this.stage.area, this.units, extra);
  }

  trackFacts(id) {
    const track = this.survey.track(id);
    if (!track.length) return [];
    const name = (entry) => this.about.names[entry[0]];
    const facts = [["seen in", `${track.length} of ${this.survey.rows.length} frames`], ["first", name(track[0])], ["last", name(track.at(-1))]];
    const size = typicalSize(track);
    if (size) facts.push(["usual size", extent(size, this.units || "m")]);
    return facts;
  }

  // The area of an id in each frame, as a share of the frame.
  share(id) {
    return (this.survey?.series(id, 1) ?? []).map((area) => (area === null ? null : area / this.stage.area));
  }

  // k in each frame: from the survey, or else from the history in run.json.
  ks() {
    const rows = this.survey?.rows ?? [];
    if (rows.some((row) => row.k)) return rows.map((row) => row.k ?? null);
    const history = this.about.k;
    if (!history.length) return [];
    let next = 0, k = history[0].k;
    return this.about.numbers.map((number, place) => {
      while (next < history.length && history[next].frame <= (number ?? place)) { k = history[next].k; next += 1; }
      return k;
    });
  }

  facts() {
    const rows = this.about.facts.map(([name, text]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, text)));
    const notes = [...this.about.notes, ...(this.survey?.missing() ?? [])];
    const list = notes.length ? element("ul", { class: "notes" }, ...notes.map((text) => element("li", text.startsWith("to do: ") ? { class: "to-do" } : {}, text))) : null;
    return element("div", { class: "card" }, element("h2", {}, this.heading), element("table", { class: "facts" }, element("tbody", {}, ...rows)), list);
  }
}
