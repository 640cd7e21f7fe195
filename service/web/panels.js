/** What stands around the picture: summary, time, problem, code. */

import { deviceOf } from "./cards.js";
import { byId, count, make, percent } from "./elements.js";
import { hintFor, mayPass } from "./hints.js";
import { curlFor, pythonFor } from "./snippets.js";

const STAGES = ["queue", "decode", "detect", "keypoints"];

export function showSummary(people, shown) {
  const hidden = shown.answer.persons.length - people.length;
  byId("summary").textContent = people.length ? count(people.length, "person", "people") : "Nobody";
  const { width, height } = shown.answer.image;
  const facts = [shown.live ? `${shown.fps.toFixed(1)} frames per second` : shown.name, `${width} × ${height}`];
  if (hidden) facts.push(`${hidden} below the limit`);
  byId("about").textContent = facts.join(" · ");
  byId("canvas").setAttribute("aria-label", describe(people, shown.name));
}

/** Why the list is empty. */
export function showNobody(people, shown) {
  const hidden = shown?.answer.persons.length;
  byId("nobody").hidden = !shown || people.length > 0;
  byId("nobody").textContent = hidden
    ? `${count(hidden, "doubtful person is", "doubtful people are")} below the limit: move “people from” to the left.`
    : "Nobody was found in this picture.";
}

/** The picture in words, for those who do not see it. */
function describe(people, name) {
  const each = people.map(
    (one) => `Person ${one.index + 1}: ${percent(one.score)}, ${count(one.joints.length, "joint", "joints")}.`,
  );
  return [`${name}: ${count(people.length, "person", "people")}.`, ...each].join(" ");
}

export function showTiming(shown, models) {
  const { timings_ms: times, model } = shown.answer;
  const bar = make("div", { className: "bar", "aria-hidden": true });
  for (const stage of STAGES) {
    const part = make("span", { className: stage });
    part.style.flexGrow = times[stage];
    bar.append(part);
  }
  const facts = STAGES.flatMap((stage) => [
    make("dt", { className: stage, textContent: stage }),
    make("dd", { textContent: milliseconds(times[stage]) }),
  ]);
  facts.push(
    make("dt", { textContent: "in the service" }),
    make("dd", { textContent: milliseconds(times.total) }),
    make("dt", { textContent: "with the way there and back" }),
    make("dd", { textContent: milliseconds(shown.elapsedMs) }),
  );
  const device = models ? deviceOf(models, model.pipeline) : "";
  byId("timing").replaceChildren(
    bar,
    make("dl", { className: "times" }, ...facts),
    make("p", {
      className: "quiet",
      textContent: `${device ? `On ${device}, by` : "By"} ${model.detector} and ${model.keypoints}.`,
    }),
    make("p", { className: "quiet id", textContent: `Request ${shown.requestId}` }),
  );
}

function milliseconds(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function showCode(request) {
  byId("curl").textContent = curlFor(request);
  byId("python").textContent = pythonFor(request);
  byId("key-hint").hidden = !request.withKey;
}

let told = null;

/** A problem with what to do about it; `again` is offered as a button. Null takes it away. */
export function showProblem(problem, again = null) {
  const box = byId("problem");
  // Screen readers would read it out again.
  if (problem === told) return;
  told = problem;
  box.hidden = !problem;
  if (!problem) return box.replaceChildren();
  const facts = [problem.status && `Status ${problem.status}`, problem.instance && `request ${problem.instance}`];
  box.replaceChildren(
    make("h2", { textContent: problem.title ?? "The page failed" }),
    make("p", { className: "hint", textContent: problem.hint ?? hintFor(problem) }),
    make("p", { className: "quiet", textContent: problem.detail ?? problem.message }),
    make("p", { className: "quiet id", textContent: facts.filter(Boolean).join(", ") }),
    ...(again && mayPass(problem) ? [make("button", { type: "button", textContent: "Try again", onclick: again })] : []),
  );
}
