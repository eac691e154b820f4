// Figures of all frames of a run. The rows arrive while the server reads the recording, see survey.py.

import { json } from "./wire.js";

const INTERVAL = 400; // milliseconds between two requests

export class Survey {
  // run: 0 or 1. layer: kind of masks, "" = none. grown(): called when there are more rows.
  constructor(run, layer, grown) {
    Object.assign(this, { run, layer, grown, rows: [], tracks: new Map(), done: false, stopped: false });
    this.watch();
  }

  async watch() {
    while (!this.done && !this.stopped) {
      try {
        const answer = await json(`survey?run=${this.run}&layer=${this.layer}&from=${this.rows.length}`);
        for (const row of answer.rows) this.add(row);
        this.done = answer.done;
        if (!this.stopped) this.grown();
      } catch {
        this.stopped = true; // the server has ended; the page reports that with its next request for a frame
      }
      await new Promise((resolve) => { setTimeout(resolve, INTERVAL); });
    }
  }

  add(row) {
    const place = this.rows.length;
    this.rows.push(row);
    for (const [id, ...values] of row.ids ?? []) {
      if (!this.tracks.has(id)) this.tracks.set(id, []);
      this.tracks.get(id).push([place, ...values]);
    }
  }

  // The track of an id: [[place, area, distance, x, y, size]].
  track(id) {
    return this.tracks.get(id) ?? [];
  }

  // The values of an id in all frames, null where it is not. column: 1 = area, 2 = distance.
  series(id, column) {
    const values = new Array(this.rows.length).fill(null);
    for (const entry of this.track(id)) values[entry[0]] = entry[column];
    return values;
  }

  // The seconds between each frame and the one before it.
  intervals() {
    return this.rows.map((row, i) => (i && row.time != null && this.rows[i - 1].time != null ? row.time - this.rows[i - 1].time : null));
  }

  // The share of pixels with a depth reading in each frame, null = unknown.
  depths() {
    return this.rows.map((row) => (typeof row.depth === "number" ? row.depth : row.depth ? 0 : null));
  }

  // What is missing, one text for each reason, with the number of frames.
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

// The typical size of an id: the median of each side.
export function typicalSize(track) {
  const sizes = track.map((entry) => entry[5]).filter(Boolean);
  if (!sizes.length) return null;
  return [0, 1, 2].map((axis) => sizes.map((size) => size[axis]).sort((a, b) => a - b)[Math.floor(sizes.length / 2)]);
}
