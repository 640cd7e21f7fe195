/** The people beside the picture, each with a cut-out; the chosen one with all joints. */

import { make, percent, readable } from "./elements.js";
import { drawPerson, sideOf } from "./skeleton.js";

const CUT = { width: 104, height: 128 };
const MARGIN = 1.1;

export class PeopleList {
  #people = [];
  #selected = null;

  constructor(list, { onSelect }) {
    Object.assign(this, { list, onSelect });
    list.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** `source` is what cut-outs are taken from, or null. */
  update(people, { source, skeleton, selected }) {
    const focused = this.list.contains(document.activeElement);
    this.#people = people;
    this.#selected = selected;
    const rows = people.map((person) => this.#row(person, source, skeleton));
    this.list.replaceChildren(...rows);
    if (focused) this.#focus(selected);
  }

  #row(person, source, skeleton) {
    const chosen = person.index === this.#selected;
    const hidden = person.all.length - person.joints.length;
    const button = make(
      "button",
      {
        type: "button",
        className: "person",
        "aria-expanded": chosen,
        onclick: () => this.onSelect(chosen ? null : person.index),
      },
      cutOut(person, source, skeleton),
      make(
        "span",
        { className: "facts" },
        make("strong", { textContent: `Person ${person.index + 1}` }),
        make("span", { className: "meter", "aria-hidden": true }, meter(person.score)),
        make("span", { className: "score", textContent: percent(person.score) }),
        make("span", {
          className: "quiet",
          textContent: `${person.joints.length} of ${person.all.length} joints${hidden ? "" : ", all"}`,
        }),
      ),
    );
    button.dataset.index = person.index;
    return make("li", {}, button, ...(chosen ? [jointTable(person)] : []));
  }

  #onKey(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const index = event.target.dataset?.index;
    if (event.key === "Escape") this.onSelect(null);
    if (!step || index === undefined) return;
    event.preventDefault();
    const at = this.#people.findIndex((person) => person.index === Number(index));
    const next = this.#people[at + step];
    if (!next) return;
    this.onSelect(next.index);
    this.#focus(next.index);
  }

  #focus(index) {
    const row = this.list.querySelector(`[data-index="${index}"]`) ?? this.list.querySelector("button");
    row?.focus();
  }
}

function meter(score) {
  const bar = make("span");
  bar.style.width = `${Math.round(score * 100)}%`;
  return bar;
}

function cutOut(person, source, skeleton) {
  const canvas = make("canvas", { ...CUT, className: "cut", "aria-hidden": true });
  const { box } = person;
  const scale = Math.min(CUT.width / box.width, CUT.height / box.height) / MARGIN;
  const context = canvas.getContext("2d");
  context.translate(CUT.width / 2, CUT.height / 2);
  context.scale(scale, scale);
  context.translate(-box.x - box.width / 2, -box.y - box.height / 2);
  if (source) context.drawImage(source.pixels, 0, 0, source.width, source.height);
  if (skeleton) drawPerson(context, person, skeleton, 2.5 / scale);
  return canvas;
}

function jointTable(person) {
  const shown = new Set(person.joints);
  const head = ["Joint", "x", "y", "Score"].map((text) => make("th", { scope: "col", textContent: text }));
  const rows = person.all.map((joint) =>
    make(
      "tr",
      { className: shown.has(joint) ? "" : "below" },
      make("th", { scope: "row", className: sideOf(joint.name), textContent: readable(joint.name) }),
      make("td", { textContent: Math.round(joint.x) }),
      make("td", { textContent: Math.round(joint.y) }),
      make("td", { textContent: percent(joint.score) }),
    ),
  );
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}
