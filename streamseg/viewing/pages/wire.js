// What the server sends: JSON, and moments: one frame with its pictures in one answer.

export class Gone extends Error {}

export async function json(path) {
  const answer = await fetch(path);
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
  const answer = await fetch(path, { signal });
  if (answer.status === 410) throw new Gone();
  if (!answer.ok) throw new Error(await answer.text());
  if (answer.headers.get("Content-Type") === "application/json") return answer.json();
  const bytes = await answer.arrayBuffer();
  const length = new DataView(bytes).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  const found = { head, masks: {} };
  let start = 4 + length;
  const work = head.pictures.map(async ([name, size]) => {
    const type = name === "colour" || name === "depth" ? "image/jpeg" : "image/png";
    const blob = new Blob([new Uint8Array(bytes, start, size)], { type });
    start += size;
    if (type === "image/jpeg") found[name] = await createImageBitmap(blob);
    else found.masks[name] = await ids(blob);
  });
  await Promise.all(work);
  return found;
}

const reader = document.createElement("canvas");

// The gray levels of a PNG: exact, for no colour profile is applied.
async function ids(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const { width, height } = bitmap;
  reader.width = width;
  reader.height = height;
  const context = reader.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, width, height).data;
  const found = new Uint8Array(width * height);
  for (let i = 0; i < found.length; i += 1) found[i] = pixels[4 * i];
  return { ids: found, width, height };
}
