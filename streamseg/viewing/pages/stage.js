// The image of a frame: colour, with depth or masks drawn over it. A click selects the id at that place.

const DARK = [20, 20, 20], LIGHT = [255, 255, 255];

export class Stage {
  // colours: "#rrggbb" by id. pick(id): called when the user clicks the image; 0 = no id there.
  // tall: the largest height of the image, in percent of the height of the window.
  constructor(canvas, caption, colours, pick, tall = 72) {
    this.canvas = canvas;
    this.tall = tall;
    this.caption = caption;
    this.colours = colours.map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
    this.context = canvas.getContext("2d");
    this.layer = document.createElement("canvas");
    this.look = { layer: "regions", kind: "", opacity: 0.5, hidden: new Set(), selected: 0, track: [] };
    this.moment = null;
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      pick(this.idAt(x, y));
    });
  }

  // The kind of masks that is shown or, if none is, that clicks refer to: `kind` of the look, if the frame has it.
  get kind() {
    const kinds = Object.keys(this.moment?.masks ?? {});
    return [this.look.layer, this.look.kind].find((kind) => kinds.includes(kind)) ?? kinds[0];
  }

  get segments() {
    return this.moment?.head.segments[this.kind] ?? [];
  }

  get area() {
    return this.moment ? this.moment.head.width * this.moment.head.height : 1;
  }

  // The id at x, y, which are relative to width and height, 0 ... 1; 0 = none.
  idAt(x, y) {
    const mask = this.moment?.masks[this.kind];
    if (!mask) return 0;
    const column = Math.min(mask.width - 1, Math.max(0, Math.floor(x * mask.width)));
    const row = Math.min(mask.height - 1, Math.max(0, Math.floor(y * mask.height)));
    const id = mask.ids[row * mask.width + column];
    return id === 255 ? 0 : id;
  }

  show(moment) {
    for (const old of [this.moment?.colour, this.moment?.depth]) {
      if (old && old !== moment.colour && old !== moment.depth) old.close();
    }
    this.moment = moment;
    this.draw();
  }

  // Show a text instead of an image.
  clear(text) {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.moment = null;
    this.caption.textContent = text;
    this.canvas.setAttribute("aria-label", text);
  }

  set(look) {
    Object.assign(this.look, look);
    this.draw();
  }

  draw() {
    if (!this.moment) return;
    const { colour, depth, masks, head } = this.moment;
    const { layer, opacity } = this.look;
    if (this.canvas.width !== colour.width || this.canvas.height !== colour.height) {
      this.canvas.width = colour.width;
      this.canvas.height = colour.height;
      this.canvas.style.width = `min(100%, ${(this.tall * colour.width) / colour.height}vh)`;
    }
    this.context.drawImage(colour, 0, 0);
    if (layer === "depth" && depth) {
      this.context.globalAlpha = opacity;
      this.context.drawImage(depth, 0, 0);
      this.context.globalAlpha = 1;
    }
    const mask = masks[this.kind];
    if (mask && (layer === this.kind || this.look.selected)) {
      this.paint(mask, layer === this.kind ? opacity : 0);
      this.context.drawImage(this.layer, 0, 0, this.canvas.width, this.canvas.height);
    }
    this.trace();
    this.describe(head);
  }

  // Tint the ids and draw their borders as a double line, dark on one side and light on the other. If another layer is
  // shown, only the border of the selected id is drawn.
  paint(mask, opacity) {
    const { ids, width, height } = mask;
    const { hidden, selected } = this.look;
    if (this.layer.width !== width || this.layer.height !== height) {
      this.layer.width = width;
      this.layer.height = height;
    }
    const context = this.layer.getContext("2d");
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const tint = new Uint32Array(256), drawn = new Uint8Array(256); // drawn: the id itself, 0 = it is not drawn
    for (let id = 1; id < 256; id += 1) {
      drawn[id] = !hidden.has(id) && (this.look.layer === this.kind || id === selected) ? id : 0;
      const alpha = selected && id !== selected ? 0.45 * opacity : opacity;
      if (drawn[id]) tint[id] = packed(this.colours[id], alpha);
    }
    const dark = packed(DARK, 1), light = packed(LIGHT, 1);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0, at = y * width; x < width; x += 1, at += 1) {
        const id = drawn[ids[at]];
        const right = x + 1 < width ? drawn[ids[at + 1]] : id;
        const below = y + 1 < height ? drawn[ids[at + width]] : id;
        if (id !== right || id !== below) {
          pixels[at] = light;
          if (x) pixels[at - 1] = dark;
        } else pixels[at] = tint[id];
      }
    }
    context.putImageData(image, 0, 0);
  }

  // Draw the track of the selected id: [[x, y]] in pixels of the frame.
  trace() {
    const { track } = this.look;
    if (track.length < 2) return;
    const scale = this.canvas.width / this.moment.head.width;
    for (const [width, style] of [[4, "#000000"], [2, "#ffffff"]]) {
      this.context.lineWidth = width;
      this.context.strokeStyle = style;
      this.context.lineJoin = "round";
      this.context.beginPath();
      track.forEach(([x, y], i) => this.context[i ? "lineTo" : "moveTo"](x * scale, y * scale));
      this.context.stroke();
    }
  }

  describe(head) {
    const names = { none: "colour", depth: "depth" };
    const shown = names[this.look.layer] ?? this.look.layer;
    const count = this.segments.length;
    this.canvas.setAttribute("aria-label", `frame ${head.name}, ${shown}, ${count} ids`);
    if (this.look.layer !== "depth") this.caption.textContent = "";
    else if (head.depth) {
      const unit = head.units === "m" ? " m" : "";
      const ramp = document.createElement("span");
      ramp.className = "ramp";
      const [near, far] = head.depth.map((end) => `${Number(end.toPrecision(3))}${unit}`);
      this.caption.replaceChildren(near, ramp, far, ", black = no reading");
    } else this.caption.textContent = `no depth in this frame${head.no_depth ? `: ${head.no_depth}` : ""}`;
  }

  snapshot(name) {
    this.canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${name.replace(/[^\w.-]+/g, "_")}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }, "image/png");
  }
}

// Return R, G, B and A as one 32-bit number, in the byte order of this machine.
const order = new Uint32Array(1), bytes = new Uint8Array(order.buffer);
function packed([r, g, b], alpha) {
  bytes.set([r, g, b, Math.round(255 * alpha)]);
  return order[0];
}
