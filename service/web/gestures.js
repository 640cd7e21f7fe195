/** Pointer, wheel and keys over the picture. */

const CLICK_PX = 4;
const STEP = 1.4;
const PAN_PX = 60;

export function attachPointer(view) {
  const { canvas } = view;
  const down = new Map();
  let travelled = 0;
  const place = (event) => {
    const frame = canvas.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (down.size === 0) travelled = 0;
    down.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const at = place(event);
    const before = down.get(event.pointerId);
    if (before) {
      travelled += Math.hypot(at.x - before.x, at.y - before.y);
      move(view, down, event.pointerId, at);
    }
    view.point(at);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (down.size === 1 && travelled < CLICK_PX) view.click(place(event));
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => down.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", () => view.point(null));
  canvas.addEventListener("dblclick", (event) => view.zoomBy(STEP * STEP, place(event)));
  canvas.addEventListener(
    "wheel",
    (event) => {
      // Pinching a trackpad comes as a wheel with Ctrl; the wheel alone scrolls the page.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      view.zoomBy(Math.exp(-event.deltaY * 0.01), place(event));
    },
    { passive: false },
  );
}

/** One finger pans, two zoom about their middle. */
function move(view, down, id, at) {
  const before = down.get(id);
  const other = [...down].find(([key]) => key !== id)?.[1];
  if (other) {
    const middle = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
    const was = Math.hypot(before.x - other.x, before.y - other.y);
    const is = Math.hypot(at.x - other.x, at.y - other.y);
    if (was > 0) view.zoomBy(is / was, middle);
  }
  const share = other ? 0.5 : 1;
  view.panBy((at.x - before.x) * share, (at.y - before.y) * share);
  down.set(id, at);
}

/** `step(-1 | 1)` chooses the person before or after, `clear()` nobody. */
export function attachKeys(element, view, { step, clear }) {
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      "+": () => view.zoomBy(STEP),
      "=": () => view.zoomBy(STEP),
      "-": () => view.zoomBy(1 / STEP),
      0: () => view.fit(),
      Escape: clear,
      ArrowLeft: () => (event.shiftKey ? view.panBy(PAN_PX, 0) : step(-1)),
      ArrowRight: () => (event.shiftKey ? view.panBy(-PAN_PX, 0) : step(1)),
      ArrowUp: () => (event.shiftKey ? view.panBy(0, PAN_PX) : step(-1)),
      ArrowDown: () => (event.shiftKey ? view.panBy(0, -PAN_PX) : step(1)),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export const zoomIn = (view) => view.zoomBy(STEP);
export const zoomOut = (view) => view.zoomBy(1 / STEP);
