/** The canvas: the picture, the people over it, what the pointer is on. */

import { percent, readable } from "./elements.js";
import { colourOf, drawPeople } from "./skeleton.js";
import { Viewport } from "./viewport.js";

const LEAST_LINE_PX = 1.5;
const NEAR_PX = 12;
const MOST_HEIGHT_OF_WINDOW = 0.68;
const LEAST_HEIGHT_PX = 200;

export class View {
  #viewport = new Viewport();
  #shown = null;
  #people = [];
  #skeleton = null;
  #pointer = null;
  #selected = null;
  #planned = false;

  /** `onSelect(index)` is told who was clicked, or null; `onZoom(zoom)` how large the picture is. */
  constructor(canvas, { onSelect, onZoom }) {
    this.canvas = canvas;
    this.onSelect = onSelect;
    this.onZoom = onZoom;
    new ResizeObserver(() => this.#resize()).observe(canvas.parentElement);
    window.addEventListener("resize", () => this.#resize());
  }

  /** `source` is null where the browser cannot show the picture, or has not yet read it. */
  show({ source, width, height, reading }) {
    this.#shown = { source, width, height, reading };
    this.#resize();
  }

  /** Lets go of the picture, which may be closed then. */
  clear() {
    this.#shown = null;
  }

  setPeople(people, skeleton) {
    this.#people = people;
    this.#skeleton = skeleton;
    this.canvas.dataset.people = people.length;
    this.canvas.dataset.joints = people.reduce((sum, one) => sum + one.joints.length, 0);
    this.#plan();
  }

  select(index) {
    this.#selected = index;
    this.#plan();
  }

  /** `at` is the place that stays; unless given, the chosen person comes to the middle. */
  zoomBy(factor, at) {
    if (!this.#shown) return;
    this.#viewport.zoomBy(factor, at);
    if (!at && this.#chosen) this.#viewport.centreOn(this.#chosen.box);
    this.#zoomed();
  }

  fit() {
    if (!this.#shown) return;
    this.#viewport.fit();
    this.#zoomed();
  }

  panBy(x, y) {
    if (!this.#shown) return;
    this.#viewport.panBy(x, y);
    this.#plan();
  }

  get isZoomed() {
    return Boolean(this.#shown) && this.#viewport.zoom > 1;
  }

  /** The place in CSS pixels of the canvas, or null once the pointer has left. */
  point(at) {
    this.#pointer = at;
    this.#plan();
  }

  click(at) {
    if (this.#shown) this.onSelect(this.#personAt(at)?.index ?? null);
  }

  get #chosen() {
    return this.#people.find((one) => one.index === this.#selected);
  }

  #zoomed() {
    this.canvas.dataset.zoom = this.#viewport.zoom.toFixed(2);
    this.onZoom(this.#viewport.zoom);
    this.#plan();
  }

  #resize() {
    if (!this.#shown) return;
    const width = this.canvas.parentElement.clientWidth;
    const most = Math.max(window.innerHeight * MOST_HEIGHT_OF_WINDOW, LEAST_HEIGHT_PX);
    const wanted = (width * this.#shown.height) / this.#shown.width;
    const height = Math.round(Math.min(Math.max(wanted, LEAST_HEIGHT_PX), most));
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.#viewport.resize(this.#shown, { width, height });
    this.#zoomed();
    // Without waiting: a canvas that changed its size is empty.
    this.#draw();
  }

  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw();
    });
  }

  #draw() {
    if (!this.#shown) return;
    const context = this.canvas.getContext("2d");
    const { scale, offset } = this.#viewport;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.scale(devicePixelRatio, devicePixelRatio);
    context.save();
    context.translate(offset.x, offset.y);
    context.scale(scale, scale);
    this.#drawPicture(context, scale);
    if (this.#skeleton) this.#drawPeople(context, scale);
    context.restore();
    this.#drawLabels(context);
  }

  #drawPicture(context, scale) {
    const { source, width, height, reading } = this.#shown;
    if (source) {
      context.imageSmoothingEnabled = scale < 3;
      context.imageSmoothingQuality = "high";
      context.drawImage(source, 0, 0, width, height);
    } else if (!reading) {
      context.fillStyle = "rgb(40 44 52)";
      context.fillRect(0, 0, width, height);
    }
  }

  #drawPeople(context, scale) {
    const chosen = this.#chosen;
    const others = this.#people.filter((one) => one !== chosen);
    context.globalAlpha = chosen ? 0.35 : 1;
    drawPeople(context, others, this.#skeleton, LEAST_LINE_PX / scale);
    context.globalAlpha = 1;
    if (chosen) drawPeople(context, [chosen], this.#skeleton, LEAST_LINE_PX / scale);
  }

  /** Boxes and scores of who is chosen and who is pointed at, in sizes of the screen. */
  #drawLabels(context) {
    const pointed = this.#pointer && this.#personAt(this.#pointer);
    const chosen = this.#chosen;
    this.canvas.dataset.pointed = pointed ? pointed.index : "";
    for (const person of new Set([chosen, pointed])) if (person) this.#drawBox(context, person);
    const joint = this.#pointer && this.#jointAt(this.#pointer, pointed ? [pointed] : this.#people);
    if (!joint) return;
    const { x, y } = this.#viewport.toCanvas(joint);
    context.beginPath();
    context.arc(x, y, 7, 0, 2 * Math.PI);
    context.lineWidth = 2;
    context.strokeStyle = "white";
    context.stroke();
    this.#label(context, `${readable(joint.name)}  ${percent(joint.score)}`, x + 12, y, colourOf(joint.name));
  }

  #drawBox(context, person) {
    const { box } = person;
    const { x, y } = this.#viewport.toCanvas(box);
    const { scale, canvas } = this.#viewport;
    const [right, bottom] = [x + box.width * scale, y + box.height * scale];
    if (right < 0 || bottom < 0 || x > canvas.width || y > canvas.height) return;
    for (const [width, colour] of [[4, "rgb(20 20 20 / 70%)"], [2, "white"]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.strokeRect(x, y, box.width * scale, box.height * scale);
    }
    this.#label(context, `Person ${person.index + 1}  ${percent(person.score)}`, Math.max(x, 0), Math.max(y + 14, 14));
  }

  #label(context, text, x, y, colour = null) {
    context.font = "600 13px system-ui, sans-serif";
    context.textBaseline = "middle";
    const width = context.measureText(text).width + (colour ? 28 : 16);
    const left = Math.max(Math.min(x, this.#viewport.canvas.width - width - 2), 2);
    context.fillStyle = "rgb(20 20 20 / 88%)";
    context.beginPath();
    context.roundRect(left, y - 12, width, 24, 5);
    context.fill();
    if (colour) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(left + 12, y, 4, 0, 2 * Math.PI);
      context.fill();
    }
    context.fillStyle = "white";
    context.fillText(text, left + (colour ? 22 : 8), y + 0.5);
  }

  /** The smallest box under a place of the canvas: large ones often lie behind. */
  #personAt(at) {
    const { x, y } = this.#viewport.toPicture(at);
    return this.#people
      .filter(({ box }) => x >= box.x && x <= box.x + box.width && y >= box.y && y <= box.y + box.height)
      .sort((one, other) => one.box.width * one.box.height - other.box.width * other.box.height)[0];
  }

  #jointAt(at, people) {
    const distance = (joint) => {
      const { x, y } = this.#viewport.toCanvas(joint);
      return Math.hypot(x - at.x, y - at.y);
    };
    const joints = people.flatMap((person) => person.joints);
    const nearest = joints.sort((one, other) => distance(one) - distance(other))[0];
    return nearest && distance(nearest) <= NEAR_PX ? nearest : null;
  }
}
