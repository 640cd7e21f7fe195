/** What the page asks of the service, and what goes wrong with it. */

const KEY_STORE = "stance.api-key";
const BUSY = new Set([429, 503]);
const MOST_TRIES = 6;
const LONGEST_WAIT_S = 30;
/** People below this are noise, and each of them would cost a run of the keypoint network. */
const PERSON_FLOOR = 0.05;

/** A problem document (RFC 9457), or its likeness where no answer came. */
export class Problem extends Error {
  constructor({ title, detail = "", status = 0, instance = "", retryAfterS = null }) {
    super(title);
    Object.assign(this, { title, detail, status, instance, retryAfterS });
  }

  get wantsKey() {
    return this.status === 401 || this.status === 403;
  }
}

export class Api {
  #key = storedKey();

  get key() {
    return this.#key;
  }

  set key(value) {
    this.#key = value;
    storeKey(value);
  }

  /** The loaded pipelines and the cards of their networks. */
  async models({ onWait } = {}) {
    const { body } = await this.#patiently("models", {}, onWait);
    return body;
  }

  /**
   * The people in a picture, also doubtful ones: thresholds are for the page to apply.
   *
   * `onWait(seconds)` is told when the service is busy and the picture will be sent again.
   */
  async predict(picture, { pipeline, minPersonScore, signal, onWait }) {
    const query = new URLSearchParams({
      min_person_score: minPersonScore ?? PERSON_FLOOR,
      min_keypoint_score: 0,
    });
    if (pipeline) query.set("pipeline", pipeline);
    const options = {
      method: "POST",
      body: picture,
      headers: { "Content-Type": mediaType(picture.type) },
      signal,
    };
    const started = performance.now();
    const { body, headers } = await this.#patiently(`predict?${query}`, options, onWait);
    return {
      answer: body,
      requestId: headers.get("X-Request-Id") ?? "",
      elapsedMs: performance.now() - started,
    };
  }

  async #patiently(path, options, onWait) {
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#once(path, options);
      } catch (error) {
        const again = error instanceof Problem && BUSY.has(error.status) && tries < MOST_TRIES;
        if (!again) throw error;
        const waitS = Math.min(error.retryAfterS ?? tries, LONGEST_WAIT_S);
        onWait?.(waitS, error);
        await pause(waitS * 1000, options.signal);
      }
    }
  }

  async #once(path, options) {
    const headers = { ...options.headers, ...(this.key && { "X-API-Key": this.key }) };
    let response;
    try {
      response = await fetch(path, { ...options, headers, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
    if (!response.ok) throw await problemOf(response);
    try {
      return { body: await response.json(), headers: response.headers };
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw unreachable();
    }
  }
}

export const lowestPersonScore = (pipelineDefault) => Math.min(PERSON_FLOOR, pipelineDefault);

/** The type that the service is told; what it does not know it looks at itself. */
export function mediaType(type) {
  const known = ["image/jpeg", "image/png", "image/webp", "image/bmp"];
  return known.includes(type) ? type : "application/octet-stream";
}

/** For this tab only: gone when it is closed. */
function storedKey() {
  try {
    return sessionStorage.getItem(KEY_STORE) ?? "";
  } catch {
    return "";
  }
}

function storeKey(key) {
  try {
    sessionStorage.setItem(KEY_STORE, key);
  } catch {
    // A browser that stores nothing: the key is known until the page is left.
  }
}

function unreachable() {
  return new Problem({
    title: "The service cannot be reached",
    detail: "No answer came. It may have been stopped, or the network is down.",
  });
}

async function problemOf(response) {
  let document = {};
  try {
    document = await response.json();
  } catch {
    // A proxy in between answers in HTML.
  }
  return new Problem({
    title: document.title ?? `The answer was ${response.status} ${response.statusText}`,
    detail: document.detail ?? "",
    status: response.status,
    instance: document.instance ?? response.headers.get("X-Request-Id") ?? "",
    retryAfterS: Number(response.headers.get("Retry-After")) || null,
  });
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
