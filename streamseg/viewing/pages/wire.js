// Requests to the server. Answers are JSON, or a moment: one frame with its images.

// The server does not keep this frame any more.
export class Gone extends Error {}

// In a batch the page of a run is recorded.html?of=NAME. Each of its requests has the same parameter.
const withName = (path) => (location.search ? path + (path.includes("?") ? "&" : "?") + location.search.slice(1) : path);

export async function json(path) {
  const answer = await fetch(withName(path));
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

// Request a moment. Returns {head, colour, depth, masks: {kind: {ids: Uint8Array, width, height}}} with decoded images,
// or the JSON answer if there is no frame, such as {ended} or {problem}. For the format see `Moment.packed` in moment.py.
// signal: of an AbortController.
export async function moment(path, signal) {
  const answer = await fetch(withName(path), { signal });
  if (answer.status === 410) throw new Gone();
  if (!answer.ok) throw new Error(await answer.text());
  if (answer.headers.get("Content-Type") === "application/json") return answer.json();
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const result = { head, masks: {} };
  let start = 4 + length;
  const work = head.pictures.map(async ([name, size]) => {
    const type = name === "colour" || name === "depth" ? "image/jpeg" : "";
    const blob = new Blob([new Uint8Array(bytes, start, size)], { type });
    start += size;
    if (type) result[name] = await createImageBitmap(blob);
    else result.masks[name] = { ids: await inflate(blob), width: head.shown[0], height: head.shown[1] };
  });
  await Promise.all(work);
  return result;
}

// Return the ids of a mask, row by row.
async function inflate(blob) {
  const stream = blob.stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
