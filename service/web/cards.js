/** What is loaded: pipelines to choose from, and the cards of their networks. */

import { make } from "./elements.js";

const DEVICES = {
  CPUExecutionProvider: "CPU",
  CUDAExecutionProvider: "NVIDIA GPU (CUDA)",
  TensorrtExecutionProvider: "NVIDIA GPU (TensorRT)",
};

/** What really runs the networks of a pipeline, in words. */
export function deviceOf(models, pipeline) {
  const { detector, keypoints } = models.pipelines[pipeline] ?? {};
  const providers = [detector, keypoints].map((name) => models.models[name]?.provider).filter(Boolean);
  return [...new Set(providers)].map((name) => DEVICES[name] ?? name).join(" and ");
}

/** The skeleton that a pipeline's joints have. */
export function skeletonOf(models, reference) {
  return models?.models[reference]?.card.skeleton ?? null;
}

export function fillPipelines(select, models, chosen) {
  const options = Object.keys(models.pipelines).map((name) =>
    make("option", { value: name, textContent: name, selected: name === chosen }),
  );
  select.replaceChildren(...options);
  select.disabled = options.length < 2;
}

export function fillCards(container, models, chosen) {
  const sections = Object.entries(models.pipelines).map(([name, pipeline]) =>
    make(
      "section",
      {},
      make(
        "h3",
        { textContent: name },
        ...(name === models.default ? [make("span", { className: "badge", textContent: "default" })] : []),
        ...(name === chosen ? [make("span", { className: "badge", textContent: "chosen" })] : []),
      ),
      make("p", {
        className: "quiet",
        textContent: `Runs on ${deviceOf(models, name)}. People below ${pipeline.min_person_score} are left out unless a request says otherwise.`,
      }),
      make(
        "div",
        { className: "pair" },
        ...[pipeline.detector, pipeline.keypoints].map((reference) => card(reference, models.models[reference])),
      ),
    ),
  );
  container.replaceChildren(...sections);
}

function card(reference, { card: facts, provider }) {
  const task = facts.task === "detection" ? "finds people" : "finds joints";
  const { input, other_inputs: others, skeleton } = facts;
  const sizes = [input, ...others].map(({ width, height }) => `${width} × ${height}`);
  return make(
    "article",
    { className: "card" },
    make("h4", { textContent: reference }),
    make("p", { className: "quiet", textContent: task }),
    list({
      Input: `${sizes.join(", ")} pixels`,
      Precision: facts.precision,
      "Runs on": provider,
      Recipe: facts.recipe,
      ...(skeleton && { Joints: `${skeleton.names.length}: ${skeleton.names.join(", ").replaceAll("_", " ")}` }),
    }),
    details("Measured on the shipped file", list(mapValues(facts.metrics, number))),
    details(
      "Trained on",
      make("ul", {}, ...facts.data.map((set) =>
        make("li", { textContent: `${set.name}: ${set.samples.toLocaleString("en")} samples. ${set.licence}` }),
      )),
    ),
  );
}

function list(facts) {
  const rows = Object.entries(facts).flatMap(([name, value]) => [
    make("dt", { textContent: name }),
    make("dd", { textContent: value }),
  ]);
  return make("dl", {}, ...rows);
}

function details(title, body) {
  return make("details", {}, make("summary", { textContent: title }), body);
}

const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));

const number = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(3));
