// The page of a batch: a table of its recordings, with links to the pages of their runs.

import { $, choice, element, say } from "./elements.js";
import { json } from "./wire.js";

const MAX_ROWS = 500;
const COLUMNS = { name: "name", status: "status", frames: "frames", fps: "frames/s", ids: "ids", seconds: "seconds", error: "what went wrong" };

const { title, rows } = await json("recordings");
const bad = rows.filter((row) => row.status !== "done").length;
let which = "all", by = "name", down = false;

document.title = $("title").textContent = title;
say(`${rows.length} recordings, ${rows.length - bad} done${bad ? `, ${bad} not` : ""}`, bad > 0);
choice($("which"), "which", [["all", "All", false], ["done", "Done", false], ["bad", "Not done", !bad]], which, (value) => { which = value; draw(); });
$("filter").addEventListener("input", draw);

// Compare two rows by the column that the table is sorted by.
function compare(first, second) {
  const [a, b] = [first[by], second[by]];
  const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return down ? -order : order;
}

function cell(row, key) {
  if (key === "name" && row.status === "done") return element("a", { href: `recorded.html?of=${encodeURIComponent(row.name)}` }, row.name);
  if (row.status !== "done" && ["frames", "fps", "ids"].includes(key)) return "";
  return typeof row[key] === "number" && !Number.isInteger(row[key]) ? row[key].toFixed(1) : String(row[key]);
}

function heading(key) {
  const act = () => { down = by === key && !down; by = key; draw(); };
  const sorted = by === key ? (down ? "descending" : "ascending") : false;
  return element("th", { scope: "col", "aria-sort": sorted }, element("button", { type: "button", class: "small", on: { click: act } }, COLUMNS[key]));
}

function draw() {
  const text = $("filter").value.toLowerCase();
  const fits = (row) => row.name.toLowerCase().includes(text) && (which === "all" || (row.status === "done") === (which === "done"));
  const matches = rows.filter(fits).sort(compare);
  const keys = Object.keys(COLUMNS).filter((key) => key !== "error" || bad);
  const lines = matches.slice(0, MAX_ROWS).map((row) => element("tr", {}, ...keys.map((key) => element("td", { class: key }, cell(row, key)))));
  $("table").replaceChildren(element("thead", {}, element("tr", {}, ...keys.map(heading))), element("tbody", {}, ...lines));
  const more = matches.length - MAX_ROWS;
  $("more").textContent = more > 0 ? `and ${more} more: type a part of the name` : matches.length ? "" : "none";
}

draw();
