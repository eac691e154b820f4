// What the server sends: JSON, and moments: one frame with its pictures in one answer.

export class Gone extends Error {}

// A page of one of several recordings says in each request which: recorded.html?of=NAME.
const own = (path) => (location.search ? path + (path.includes("?") ? "&" : "?") + location.search.slice(1) : path);

export async function json(path) {
  const answer = await fetch(own(path));
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

export async function post(path, content) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(content),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

// A moment: {head, colour, depth, masks: {kind: {ids: Uint8Array, width, height}}}, pictures decoded;
// or {ended}, where there is none.
export async function moment(path, signal) {
  const answer = await fetch(own(path), { signal });
  if (answer.status === 410) throw new Gone();
  if (!answer.ok) throw new Error(await answer.text());
  if (answer.headers.get("Content-Type") === "application/json") return answer.json();
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const found = { head, masks: {} };
  let start = 4 + length;
  const work = head.pictures.map(async ([name, size]) => {
    const type = name === "colour" || name === "depth" ? "image/jpeg" : "";
    const blob = new Blob([new Uint8Array(bytes, start, size)], { type });
    start += size;
    if (type) found[name] = await createImageBitmap(blob);
    else found.masks[name] = { ids: await inflated(blob), width: head.shown[0], height: head.shown[1] };
  });
  await Promise.all(work);
  return found;
}

// The ids of a mask, row by row.
async function inflated(blob) {
  const stream = blob.stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
