/** The row of small pictures, each with what became of it. */

import { make, people } from "./elements.js";
import { visiblePeople } from "./people.js";

export class Strip {
  #cells = new Map();

  constructor(list, { onChoose, onRemove }) {
    Object.assign(this, { list, onChoose, onRemove });
  }

  update(items, current, thresholds) {
    this.list.hidden = items.length === 0;
    for (const [item, cell] of this.#cells) {
      if (items.includes(item)) continue;
      cell.row.remove();
      this.#cells.delete(item);
    }
    for (const item of items) {
      if (!this.#cells.has(item)) this.#cells.set(item, this.#cell(item));
      this.#fill(this.#cells.get(item), item, item === current, thresholds);
    }
  }

  #cell(item) {
    const frame = make("span", { className: "thumb" });
    const state = make("span", { className: "state" });
    const name = make("span", { className: "name", textContent: item.name, title: item.name });
    const choose = make(
      "button",
      { type: "button", className: "choose", onclick: () => this.onChoose(item) },
      frame,
      name,
      state,
    );
    const remove = make("button", {
      type: "button",
      className: "remove",
      textContent: "×",
      title: "Remove",
      "aria-label": `Remove ${item.name}`,
      onclick: () => this.#remove(item),
    });
    choose.addEventListener("keydown", (event) => {
      if (event.key === "Delete") this.#remove(item);
    });
    const row = make("li", {}, choose, remove);
    this.list.append(row);
    return { row, frame, state, choose };
  }

  /** The focus goes to a neighbour: it would be lost with the button. */
  #remove(item) {
    const row = this.#cells.get(item).row;
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    this.onRemove(item);
    neighbour?.querySelector(".choose").focus();
  }

  #fill(cell, item, isCurrent, thresholds) {
    if (item.thumb && !item.thumb.isConnected) cell.frame.replaceChildren(item.thumb);
    const text = stateOf(item, thresholds);
    if (cell.state.textContent !== text) cell.state.textContent = text;
    cell.row.dataset.state = item.state;
    cell.choose.setAttribute("aria-current", isCurrent);
  }
}

export function stateOf(item, thresholds) {
  switch (item.state) {
    case "waiting":
      return "waiting";
    case "asking":
      return item.waitS ? `busy, again in ${item.waitS} s` : "looking…";
    case "done":
      return people(visiblePeople(item.result.answer, thresholds).length);
    default:
      return "problem";
  }
}
