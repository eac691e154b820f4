// The page of one run or recording, or of two side by side.

import { Curve } from "./curves.js";
import { $, breakable, choice, distance, keys, percent, say } from "./elements.js";
import { Run } from "./run.js";
import { json } from "./wire.js";

const NAMES = { regions: "Regions", objects: "Objects", panoptic: "Panoptic", truth: "Ground truth", depth: "Depth", none: "Colour" };

const about = await json("about");
const runs = about.runs.map((run, i) => new Run(run, i, about.palette, { changed: refresh, grown, compared: about.runs.length > 1 }));
const main = runs[0]; // the scrubber goes over the frames of this one
const length = main.length;
const layers = Object.keys(NAMES).filter((layer) => layer === "none" || runs.some((run) => run.layers.includes(layer)));

let place = 0;
let layer = main.about.kinds[0] ?? "none";
let playing = false;

document.title = runs.length > 1 ? "Two runs" : main.about.title;
$("title").replaceChildren(...breakable(document.title));
$("main").classList.toggle("compare", runs.length > 1);
$("stages").replaceChildren(...runs.map((run) => run.column));
$("panels").replaceChildren(...runs.map((run) => run.panel));
$("place").max = length - 1;
choice($("layers"), "layer", layers.map((kind) => [kind, NAMES[kind], false]), layer, show);

const go = (to) => { stop(); seek(to); };
const ms = (value) => `${(1000 * value).toFixed(0)} ms`;
const curves = {
  count: new Curve($("curves"), go, (value) => value.toFixed(0)),
  k: new Curve($("curves"), go, (value) => value.toFixed(0)),
  area: new Curve($("curves"), go, percent),
  distance: new Curve($("curves"), go, (value) => distance(value, main.units || "m")),
  interval: new Curve($("curves"), go, ms),
  depth: new Curve($("curves"), go, percent),
};

function draw() {
  const selected = runs.map((run) => run.objects.selected);
  const any = selected.some(Boolean), ids = selected.filter(Boolean).join(" and ");
  const hasMasks = runs.map((run) => Boolean(run.survey?.layer));
  const forRuns = (values) => runs.map((run, i) => run.matched(values(run, i), main));
  curves.count.draw("ids in the frame", forRuns((run, i) => (hasMasks[i] ? run.survey.rows.map((row) => row.ids?.length ?? null) : [])), length);
  curves.k.draw("k, the number of regions", forRuns((run) => run.ks()), length);
  curves.area.draw(`area of id ${ids}`, any ? forRuns((run, i) => run.share(selected[i])) : [], length);
  curves.distance.draw(`distance of id ${ids}`, any ? forRuns((run, i) => run.survey?.series(selected[i], 2) ?? []) : [], length);
  curves.interval.draw("time from frame to frame", hasMasks[0] ? [] : forRuns((run) => run.survey?.intervals() ?? []), length);
  curves.depth.draw("pixels with a depth reading", hasMasks[0] ? [] : forRuns((run) => run.survey?.depths() ?? []), length);
  for (const curve of Object.values(curves)) curve.at(place);
}

// Called when a survey has more rows.
function grown() {
  draw();
  refresh();
  $("about").replaceChildren(...runs.map((run) => run.facts()));
  const left = runs.map((run) => run.length - (run.survey?.rows.length ?? 0)).filter((_, i) => !runs[i].survey?.done);
  const gone = runs.some((run) => run.survey?.stopped);
  if (!gone) say(left.length ? `going through the recording: ${Math.max(...left)} frames to go` : "");
}

function refresh() {
  for (const run of runs) run.refresh(layer);
  draw();
}

let wanted = null, busy = false;

// Show the frame `to`. If the scrubber moves on meanwhile, only its last position is requested next.
async function seek(to) {
  wanted = Math.min(length - 1, Math.max(0, to));
  if (busy) return;
  busy = true;
  while (wanted !== null) {
    place = wanted;
    wanted = null;
    try {
      await Promise.all(runs.map((run) => run.show(run.partner(place, main), layer)));
    } catch {
      say("the server does not answer: is streamseg view still running?", true);
      stop();
    }
    $("place").value = place;
    const name = main.about.names[place];
    $("place").setAttribute("aria-valuetext", `frame ${place + 1} of ${length}, ${name}`);
    $("now").textContent = `${place + 1} / ${length} · ${name}`;
    refresh();
  }
  busy = false;
}

async function show(kind) {
  layer = kind;
  for (const input of $("layers").querySelectorAll("input")) input.checked = input.value === kind;
  for (const run of runs) run.follow(layer);
  await seek(place);
  grown();
}

function stop() {
  playing = false;
  $("play").setAttribute("aria-pressed", "false");
  $("play").textContent = "Play";
}

async function play() {
  if (playing) {
    stop();
    return;
  }
  playing = true;
  $("play").setAttribute("aria-pressed", "true");
  $("play").textContent = "Pause";
  if (place === length - 1) await seek(0);
  while (playing && place < length - 1) {
    const began = performance.now();
    await seek(place + 1);
    const rest = 1000 / Math.min(60, Math.max(1, main.about.fps)) - (performance.now() - began);
    await new Promise((resolve) => { setTimeout(resolve, Math.max(0, rest)); });
  }
  stop();
}

const snapshot = () => { for (const run of runs) run.stage.snapshot(`streamseg-${run.about.names[run.place]}-${layer}`); };

$("play").addEventListener("click", play);
$("before").addEventListener("click", () => go(place - 1));
$("after").addEventListener("click", () => go(place + 1));
$("place").addEventListener("input", (event) => go(Number(event.target.value)));
$("opacity").addEventListener("input", (event) => { for (const run of runs) run.stage.set({ opacity: event.target.value / 100 }); });
$("snapshot").addEventListener("click", snapshot);

const table = { " ": play, s: snapshot, ArrowLeft: () => go(place - 1), ArrowRight: () => go(place + 1), Home: () => go(0), End: () => go(length - 1) };
layers.forEach((kind, i) => { table[i + 1] = () => show(kind); });
keys(table);
show(layer);
