/** People drawn as `?format=image` draws them: left blue, right orange, what joins them green. */

const COLOURS = { left: "rgb(0 158 255)", right: "rgb(255 140 0)", centre: "rgb(64 220 120)" };
const OUTLINE = "rgb(20 20 20)";
const SIZE_PER_THICKNESS = 110;
const MOST_THICKNESS = 12;

/** The side of the body that a joint's name tells. */
export function sideOf(name) {
  if (name.startsWith("left")) return "left";
  return name.startsWith("right") ? "right" : "centre";
}

export const colourOf = (name) => COLOURS[sideOf(name)];

/** Draws people in pixels of the picture, the best one on top; `leastWidth` is in these pixels too. */
export function drawPeople(context, people, skeleton, leastWidth = 1) {
  for (const person of [...people].reverse()) drawPerson(context, person, skeleton, leastWidth);
}

export function drawPerson(context, person, skeleton, leastWidth = 1) {
  const width = Math.max(thicknessOf(person.box), leastWidth);
  const outline = Math.max(width / 3, leastWidth / 2);
  const joints = new Map(person.joints.map((joint) => [joint.name, joint]));
  const edges = skeleton.edges
    .map(([start, end]) => [joints.get(skeleton.names[start]), joints.get(skeleton.names[end])])
    .filter(([start, end]) => start && end);
  context.lineCap = "round";
  // A dark outline first: the colours then stand out against any picture.
  for (const [start, end] of edges) line(context, start, end, width + 2 * outline, OUTLINE);
  for (const [start, end] of edges) line(context, start, end, width, edgeColour(start, end));
  for (const joint of joints.values()) {
    dot(context, joint, width + leastWidth + outline, OUTLINE);
    dot(context, joint, width + leastWidth, colourOf(joint.name));
  }
}

function thicknessOf(box) {
  const size = Math.round(Math.hypot(box.width, box.height) / SIZE_PER_THICKNESS);
  return Math.min(Math.max(size, 1), MOST_THICKNESS);
}

/** The colour of the side; where it has none or both, that of the centre. */
function edgeColour(first, second) {
  const sides = new Set([sideOf(first.name), sideOf(second.name)]);
  sides.delete("centre");
  return COLOURS[sides.size === 1 ? [...sides][0] : "centre"];
}

function line(context, start, end, width, colour) {
  context.beginPath();
  context.moveTo(start.x, start.y);
  context.lineTo(end.x, end.y);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}

function dot(context, { x, y }, radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}
