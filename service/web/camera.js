/** The camera: one frame at a time goes to the service, the next when its answer has come. */

const MOST_SIDE_PX = 640;
const JPEG_QUALITY = 0.85;
const RATE_FRAMES = 12;

export class Camera {
  #stream = null;
  #abort = null;
  #times = [];
  #canvases = [];

  /**
   * `ask(blob, {signal, onWait})` gets an answer, `onFrame({pixels, file, result, fps})` is told of each,
   * `onWait(seconds)` that the service is busy, `onStop(error)` that it ended, by itself or by an error.
   */
  constructor({ ask, onFrame, onWait, onStop }) {
    Object.assign(this, { ask, onFrame, onWait, onStop });
  }

  static get isAllowed() {
    return window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get isRunning() {
    return this.#abort !== null;
  }

  async start() {
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const wanted = { width: { ideal: 1280 }, height: { ideal: 720 } };
      const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      if (abort.signal.aborted) return release(stream);
      this.#stream = stream;
      this.#times = [];
      const video = await play(stream);
      stream.getVideoTracks()[0].addEventListener("ended", () => this.stop());
      await this.#loop(video, abort.signal);
    } catch (error) {
      if (!abort.signal.aborted) this.stop(error);
    }
  }

  stop(error = null) {
    if (!this.#abort) return;
    this.#abort.abort();
    this.#abort = null;
    if (this.#stream) release(this.#stream);
    this.#stream = null;
    this.onStop(error);
  }

  async #loop(video, signal) {
    while (!signal.aborted) {
      await visible();
      const pixels = this.#grab(video);
      const file = await new Promise((resolve) => pixels.toBlob(resolve, "image/jpeg", JPEG_QUALITY));
      const result = await this.ask(file, { signal, onWait: this.onWait });
      if (signal.aborted) return;
      this.onFrame({ pixels, file, result, fps: this.#rate() });
      // Gives the page a moment to draw, also where the service is faster than the screen.
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }

  /** Two canvases take turns: one is shown while the other is sent. */
  #grab(video) {
    const canvas = this.#canvases.length < 2 ? document.createElement("canvas") : this.#canvases.shift();
    this.#canvases.push(canvas);
    const scale = Math.min(1, MOST_SIDE_PX / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  /** Answers per second over the last frames; 0 before there are two. */
  #rate() {
    this.#times = [...this.#times.slice(1 - RATE_FRAMES), performance.now()];
    const spanMs = this.#times.at(-1) - this.#times[0];
    return spanMs > 0 ? ((this.#times.length - 1) * 1000) / spanMs : 0;
  }
}

async function play(stream) {
  const video = document.createElement("video");
  Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
  await video.play();
  return video;
}

function release(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** A hidden page asks nothing. */
function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) =>
    document.addEventListener("visibilitychange", resolve, { once: true }),
  );
}
