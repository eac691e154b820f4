// The page of a run in progress.

import { $, breakable, choice, keys, say } from "./elements.js";
import { Objects } from "./objects.js";
import { Stage } from "./stage.js";
import { Gone, json, moment, post } from "./wire.js";

const NAMES = { regions: "Regions", objects: "Objects", panoptic: "Panoptic", depth: "Depth", none: "None" };
const RETRY = 2000; // milliseconds until the next request if the server did not answer
const LOST = "the run does not answer";

const about = await json("about");
document.title = about.title;
$("title").replaceChildren(...breakable(about.title));

let layer = about.kind;
let paused = false;
let number = 0; // of the frame that is shown
let waiting = null; // the AbortController of a request for the end
let wantedK = null; // the k that the user chose: 0 = by the knee, null = no choice yet
let available = ""; // the layers that can be chosen
let listed = about.kind; // the kind of masks whose ids are listed

const objects = new Objects($("objects"), about.palette, refresh);
const stage = new Stage($("stage"), $("caption"), about.palette, (id) => { if (id) objects.select(id); else objects.select(objects.selected); });
$("opacity").value = Math.round(100 * about.alpha);
choice($("layers"), "layer", Object.entries(NAMES).map(([kind, name]) => [kind, name, true]), layer, show);
stage.set({ layer, kind: about.kind, opacity: about.alpha, hidden: objects.hidden });

function refresh() {
  stage.set({ layer, selected: objects.selected });
  if (stage.moment) objects.update(stage.segments, stage.area, stage.moment.head.units);
}

// Offer these layers.
function offer(layers) {
  if (available === layers.join()) return;
  available = layers.join();
  if (!layers.includes(layer)) layer = layers[0];
  choice($("layers"), "layer", Object.entries(NAMES).map(([kind, name]) => [kind, name, !layers.includes(kind)]), layer, show);
}

function show(kind) {
  layer = kind;
  const masks = stage.moment?.head.kinds.includes(kind) ? kind : about.kind;
  if (masks !== listed) objects.forget(); // the same id means another thing in other masks
  listed = masks;
  for (const input of $("layers").querySelectorAll("input")) input.checked = input.value === kind;
  refresh();
}

function updateFigures(head) {
  $("fps").textContent = head.fps ? head.fps.toFixed(head.fps < 10 ? 1 : 0) : "–";
  $("latency").textContent = `${Math.round(head.latency_ms)} ms`;
  $("k").textContent = head.k;
  $("name").textContent = head.name;
  $("wish").textContent = wantedK === null ? head.k : wantedK || "auto";
}

// Offer the layers that the page has itself, because the server does not answer.
function offerOwn() {
  const { masks, depth } = stage.moment ?? { masks: {} };
  offer([...Object.keys(masks), ...(depth ? ["depth"] : []), "none"]);
}

// The run has ended: its last frame stays, and nothing can be changed any more.
function end() {
  offerOwn();
  for (const button of document.querySelectorAll("#pause, #steering button")) button.disabled = true;
  say("the run has ended", true);
}

const sleep = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// Request the last frame, which comes when the run ends: later there is no server. Returns {} if the page has to request
// other frames again before that.
async function lastMoment() {
  waiting = new AbortController();
  try {
    return await moment("moment?end=1", waiting.signal);
  } catch (problem) {
    if (waiting.signal.aborted) return {};
    throw problem;
  }
}

// Request and show one frame after the other, until the run ends. A page that is hidden or paused gets the last one only.
async function watch() {
  for (;;) {
    try {
      const idle = paused || document.hidden;
      const before = stage.moment?.head, kind = before?.kinds.includes(layer) ? layer : about.kind;
      const hasFigures = before?.segments[kind];
      const path = `moment?after=${number}&layer=${layer}&figures=${hasFigures ? 0 : 1}`;
      const next = await (idle ? lastMoment() : moment(path));
      if (next.ended) {
        end(); // without a frame
        return;
      }
      if (!next.head || (paused && !next.head.ended)) continue;
      if (paused) say("paused here; the run has ended");
      while (paused) await sleep(100);
      number = next.head.number;
      next.head.segments = { ...before?.segments, ...next.head.segments }; // ids are not measured in every frame
      say("live");
      offer([...next.head.kinds, ...(next.head.units ? ["depth"] : []), "none"]);
      updateFigures(next.head);
      stage.show(next);
      objects.update(stage.segments, stage.area, next.head.units);
      if (next.head.ended) {
        end();
        return;
      }
    } catch {
      say(LOST, true);
      offerOwn();
      await sleep(RETRY);
    }
  }
}

// Pause or resume. A paused page requests all layers of its frame, because the server does not keep the frame for long.
async function pause() {
  paused = !paused;
  waiting?.abort();
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Resume" : "Pause";
  say(paused ? "paused here; the run goes on" : "live");
  if (!paused || !number) return;
  try {
    stage.show(await moment(`moment?at=${number}&layer=all`));
    refresh();
  } catch (problem) {
    if (!(problem instanceof Gone)) throw problem; // then the page has only the layer that it shows
  }
}

// Change the run, and show `done` as the status.
async function steer(change, done) {
  try {
    await post("steer", change);
    say(done);
  } catch (problem) {
    say(problem instanceof TypeError ? LOST : problem.message, true); // TypeError: of fetch, without an answer
  }
}

function change(by) {
  const from = wantedK || stage.moment?.head.k || 1;
  wantedK = Math.min(about.largest_k, Math.max(1, from + by));
  $("wish").textContent = wantedK;
  steer({ k: wantedK }, `k = ${wantedK}`);
}

function auto() {
  wantedK = 0;
  $("wish").textContent = "auto";
  steer({ k: 0 }, "k follows the knee");
}

const snapshot = () => { if (stage.moment) stage.snapshot(`streamseg-${stage.moment.head.name}-${layer}`); };

document.addEventListener("visibilitychange", () => waiting?.abort());
$("pause").addEventListener("click", pause);
$("snapshot").addEventListener("click", snapshot);
$("opacity").addEventListener("input", (event) => stage.set({ opacity: event.target.value / 100 }));
$("fewer").addEventListener("click", () => change(-1));
$("more").addEventListener("click", () => change(1));
$("auto").addEventListener("click", auto);
$("recluster").addEventListener("click", () => steer({ recluster: true }, "clustered anew"));
$("steering").hidden = !about.steerable;

const table = { " ": () => $("pause").click(), s: snapshot };
if (about.steerable) Object.assign(table, { "-": () => $("fewer").click(), "+": () => $("more").click(), "=": () => $("more").click() });
Object.keys(NAMES).forEach((kind, i) => { table[i + 1] = () => { if (available.split(",").includes(kind)) show(kind); }; });
$("keys").textContent += about.steerable ? ", − and + change k." : ".";
keys(table);
watch();
