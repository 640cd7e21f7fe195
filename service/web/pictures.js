/** The pictures that were added, and the asking about them: two at a time, the others wait. */

const AT_ONCE = 2;
const THUMB_PX = 144;

export class Pictures {
  #asking = 0;
  #next = 1;
  items = [];

  /** `ask(file, {signal, onWait})` gets an answer; `changed(item)` is told whenever one changes. */
  constructor(ask, changed) {
    this.ask = ask;
    this.changed = changed;
  }

  /** The first of the new items. */
  add(files) {
    const added = [...files].map((file) => ({
      id: this.#next++,
      name: file.name || "pasted picture.png",
      file,
      state: "waiting",
      thumb: null,
    }));
    this.items.push(...added);
    for (const item of added) {
      this.changed(item);
      makeThumb(item).then(() => this.changed(item));
    }
    this.#work();
    return added[0];
  }

  remove(item) {
    item.abort?.abort();
    this.items = this.items.filter((other) => other !== item);
    this.changed(item);
  }

  /** Asks again, e.g. with another key or another pipeline. */
  again(items) {
    for (const item of items) {
      item.abort?.abort();
      Object.assign(item, { state: "waiting", problem: null, result: null });
      this.changed(item);
    }
    this.#work();
  }

  #work() {
    while (this.#asking < AT_ONCE) {
      const item = this.items.find((one) => one.state === "waiting");
      if (!item) return;
      this.#asking += 1;
      this.#askAbout(item).finally(() => {
        this.#asking -= 1;
        this.#work();
      });
    }
  }

  async #askAbout(item) {
    const abort = new AbortController();
    Object.assign(item, { state: "asking", abort, waitS: null });
    this.changed(item);
    const onWait = (waitS) => {
      item.waitS = waitS;
      this.changed(item);
    };
    try {
      const result = await this.ask(item.file, { signal: abort.signal, onWait });
      if (!abort.signal.aborted) Object.assign(item, { state: "done", result });
    } catch (error) {
      // Removed, or asked again in the meantime: the item is no longer this request's.
      if (abort.signal.aborted) return;
      Object.assign(item, { state: "failed", problem: error });
    }
    this.changed(item);
  }
}

/** The upright pixels of a file; null where the browser cannot read it. */
export async function readPixels(file) {
  try {
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return null;
  }
}

async function makeThumb(item) {
  const pixels = await readPixels(item.file);
  if (!pixels) return;
  const scale = THUMB_PX / Math.min(pixels.width, pixels.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = THUMB_PX;
  canvas.ariaHidden = "true";
  const width = pixels.width * scale;
  const height = pixels.height * scale;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(pixels, (THUMB_PX - width) / 2, (THUMB_PX - height) / 2, width, height);
  pixels.close();
  item.thumb = canvas;
}
