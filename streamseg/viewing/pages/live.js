// A run while it goes on.

import { $, choice, keys, say } from "./elements.js";
import { Objects } from "./objects.js";
import { Stage } from "./stage.js";
import { Gone, json, moment, post } from "./wire.js";

const NAMES = { regions: "Regions", objects: "Objects", panoptic: "Panoptic", depth: "Depth", none: "None" };
const AGAIN = 2000; // milliseconds until a server that is gone is asked again

const about = await json("about");
document.title = $("title").textContent = about.title;

let layer = about.kind;
let paused = false;
let number = 0;
let wish = null; // the k that was asked for, null = what the run says
let kinds = "";

const objects = new Objects($("objects"), about.palette, refresh);
const stage = new Stage($("stage"), $("caption"), about.palette, (id) => { if (id) objects.select(id); else objects.select(objects.selected); });
$("opacity").value = Math.round(100 * about.alpha);
stage.set({ layer, opacity: about.alpha, hidden: objects.hidden });

function refresh() {
  stage.set({ layer, selected: objects.selected });
  if (stage.moment) objects.update(stage.segments, stage.area, stage.moment.head.units);
}

function offer(head) {
  const has = [...head.kinds, ...(head.units ? ["depth"] : []), "none"];
  if (kinds === has.join()) return;
  kinds = has.join();
  if (!has.includes(layer)) layer = has[0];
  choice($("layers"), "layer", Object.entries(NAMES).map(([kind, name]) => [kind, name, !has.includes(kind)]), layer, show);
}

function show(kind) {
  layer = kind;
  for (const input of $("layers").querySelectorAll("input")) input.checked = input.value === kind;
  refresh();
}

function figures(head) {
  $("fps").textContent = head.fps ? head.fps.toFixed(head.fps < 10 ? 1 : 0) : "–";
  $("latency").textContent = `${Math.round(head.latency_ms)} ms`;
  $("k").textContent = head.k;
  $("name").textContent = head.name;
  $("wish").textContent = wish === null ? head.k : wish || "auto";
}

async function watch() {
  for (;;) {
    try {
      if (paused || document.hidden) {
        await new Promise((resolve) => { setTimeout(resolve, 100); });
        continue;
      }
      const found = await moment(`moment?after=${number}&layer=${layer}`);
      if (found.ended) {
        say("the run has ended", true);
        return;
      }
      if (!found.head || paused) continue;
      number = found.head.number;
      say("live");
      offer(found.head);
      figures(found.head);
      stage.show(found);
      objects.update(stage.segments, stage.area, found.head.units);
    } catch {
      say("the run does not answer: it has ended, or the connection is lost", true);
      await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
    }
  }
}

// While paused the page has all layers of its frame: nobody else's page and nothing in the run has to wait for it.
async function pause() {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").textContent = paused ? "Resume" : "Pause";
  say(paused ? "paused here; the run goes on" : "live");
  if (!paused || !number) return;
  try {
    stage.show(await moment(`moment?at=${number}&layer=all`));
    refresh();
  } catch (problem) {
    if (!(problem instanceof Gone)) throw problem; // a slow page: it has the layer that it shows
  }
}

async function steer(change, said) {
  try {
    await post("steer", change);
    say(said);
  } catch (problem) {
    say(problem.message, true);
  }
}

function change(by) {
  const from = wish || stage.moment?.head.k || 1;
  wish = Math.min(about.largest_k, Math.max(1, from + by));
  $("wish").textContent = wish;
  steer({ k: wish }, `k = ${wish}`);
}

function auto() {
  wish = 0;
  $("wish").textContent = "auto";
  steer({ k: 0 }, "k follows the knee");
}

const snapshot = () => { if (stage.moment) stage.snapshot(`streamseg-${stage.moment.head.name}-${layer}`); };

$("pause").addEventListener("click", pause);
$("snapshot").addEventListener("click", snapshot);
$("opacity").addEventListener("input", (event) => stage.set({ opacity: event.target.value / 100 }));
$("fewer").addEventListener("click", () => change(-1));
$("more").addEventListener("click", () => change(1));
$("auto").addEventListener("click", auto);
$("recluster").addEventListener("click", () => steer({ recluster: true }, "clustered anew"));
$("steering").hidden = !about.steerable;

const table = { " ": pause, s: snapshot };
if (about.steerable) Object.assign(table, { "-": () => change(-1), "+": () => change(1), "=": () => change(1) });
Object.keys(NAMES).forEach((kind, i) => { table[i + 1] = () => { if (kinds.split(",").includes(kind)) show(kind); }; });
keys(table);
watch();
