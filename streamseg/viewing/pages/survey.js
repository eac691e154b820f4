// What is known of all frames of a run so far: rows that come in while the server goes through the recording.

import { json } from "./wire.js";

const AGAIN = 400; // milliseconds between two questions

export class Survey {
  // run: 0 or 1; layer: kind of masks, "" for none; grown(): there are more rows.
  constructor(run, layer, grown) {
    Object.assign(this, { run, layer, grown, rows: [], places: new Map(), done: false, stopped: false });
    this.watch();
  }

  async watch() {
    while (!this.done && !this.stopped) {
      try {
        const found = await json(`survey?run=${this.run}&layer=${this.layer}&from=${this.rows.length}`);
        for (const row of found.rows) this.add(row);
        this.done = found.done;
        if (!this.stopped) this.grown();
      } catch {
        this.stopped = true; // the server has gone; the page says so when it asks for a picture
      }
      await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
    }
  }

  add(row) {
    const place = this.rows.length;
    this.rows.push(row);
    for (const one of row.ids ?? []) {
      if (!this.places.has(one[0])) this.places.set(one[0], []);
      this.places.get(one[0]).push([place, ...one.slice(1)]);
    }
  }

  // [[place, area, distance, x, y, size]] of an id.
  track(id) {
    return this.places.get(id) ?? [];
  }

  // Of an id by place: what = 1 area, 2 distance.
  series(id, what) {
    const values = new Array(this.rows.length).fill(null);
    for (const entry of this.track(id)) values[entry[0]] = entry[what];
    return values;
  }

  // Seconds from each frame to the one before it.
  intervals() {
    return this.rows.map((row, i) => (i && row.time != null && this.rows[i - 1].time != null ? row.time - this.rows[i - 1].time : null));
  }

  depths() {
    return this.rows.map((row) => (typeof row.depth === "number" ? row.depth : row.depth ? 0 : null));
  }

  // What is missing, with counts.
  missing() {
    const counts = new Map();
    for (const row of this.rows) {
      const reasons = [row.problem && `broken: ${row.problem}`, typeof row.depth === "string" && `without depth: ${row.depth}`];
      for (const reason of reasons.filter(Boolean)) counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
    const gaps = this.intervals().filter((value) => value !== null);
    const usual = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)];
    const long = gaps.filter((value) => usual > 0 && value > 2.5 * usual).length;
    const back = gaps.filter((value) => value <= 0).length;
    if (long) counts.set(`gap of more than 2.5 times the usual ${(1000 * usual).toFixed(0)} ms`, long);
    if (back) counts.set("time stamp that is not later than the one before", back);
    return [...counts].map(([reason, count]) => `${count} × ${reason}`);
  }
}

// Typical size of an id: the median of each side.
export function typicalSize(track) {
  const sizes = track.map((entry) => entry[5]).filter(Boolean);
  if (!sizes.length) return null;
  return [0, 1, 2].map((axis) => sizes.map((size) => size[axis]).sort((a, b) => a - b)[Math.floor(sizes.length / 2)]);
}
