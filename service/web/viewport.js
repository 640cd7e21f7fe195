/** Where the picture lies in its canvas: zoom and pan, in CSS pixels. */

const MOST_ZOOM = 16;

export class Viewport {
  #zoom = 1;
  #centre = { x: 0, y: 0 };

  /** The picture's size in its pixels and the canvas's in CSS pixels. */
  resize(picture, canvas) {
    const changed = picture.width !== this.picture?.width || picture.height !== this.picture?.height;
    this.picture = picture;
    this.canvas = canvas;
    if (changed) this.fit();
    else this.#keepInside();
  }

  fit() {
    this.#zoom = 1;
    this.#centre = { x: this.picture.width / 2, y: this.picture.height / 2 };
  }

  get zoom() {
    return this.#zoom;
  }

  /** CSS pixels for a pixel of the picture. */
  get scale() {
    const { picture, canvas } = this;
    return Math.min(canvas.width / picture.width, canvas.height / picture.height) * this.#zoom;
  }

  /** The canvas's place of the picture's upper left corner. */
  get offset() {
    return {
      x: this.canvas.width / 2 - this.#centre.x * this.scale,
      y: this.canvas.height / 2 - this.#centre.y * this.scale,
    };
  }

  toPicture({ x, y }) {
    return { x: (x - this.offset.x) / this.scale, y: (y - this.offset.y) / this.scale };
  }

  toCanvas({ x, y }) {
    return { x: x * this.scale + this.offset.x, y: y * this.scale + this.offset.y };
  }

  /** Zooms so that what lies at a place of the canvas stays there. */
  zoomBy(factor, at = { x: this.canvas.width / 2, y: this.canvas.height / 2 }) {
    const before = this.toPicture(at);
    this.#zoom = Math.min(Math.max(this.#zoom * factor, 1), MOST_ZOOM);
    const after = this.toPicture(at);
    this.#centre.x += before.x - after.x;
    this.#centre.y += before.y - after.y;
    this.#keepInside();
  }

  panBy(x, y) {
    this.#centre.x -= x / this.scale;
    this.#centre.y -= y / this.scale;
    this.#keepInside();
  }

  /** Brings a box of the picture to the middle, as far as the picture goes. */
  centreOn({ x, y, width, height }) {
    this.#centre = { x: x + width / 2, y: y + height / 2 };
    this.#keepInside();
  }

  #keepInside() {
    for (const [axis, side] of [["x", "width"], ["y", "height"]]) {
      const half = Math.min(this.canvas[side] / this.scale, this.picture[side]) / 2;
      const least = half;
      const most = this.picture[side] - half;
      this.#centre[axis] = Math.min(Math.max(this.#centre[axis], least), most);
    }
  }
}
