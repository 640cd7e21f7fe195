/** The page: what there is, and what happens when something changes. */

import { Api, lowestPersonScore } from "./api.js";
import { Camera } from "./camera.js";
import { fillCards, fillPipelines, deviceOf, skeletonOf } from "./cards.js";
import { saveCoco, saveJson, savePicture } from "./downloads.js";
import { byId, count, people, percent } from "./elements.js";
import { attachKeys, attachPointer, zoomIn, zoomOut } from "./gestures.js";
import { INSECURE_CAMERA, cameraProblem } from "./hints.js";
import { attachKeyForm, askForKey } from "./key.js";
import { PeopleList } from "./list.js";
import { showCode, showNobody, showProblem, showSummary, showTiming } from "./panels.js";
import { visiblePeople } from "./people.js";
import { Pictures, readPixels } from "./pictures.js";
import { attachSources } from "./sources.js";
import { copyText } from "./snippets.js";
import { Strip, stateOf } from "./strip.js";
import { View } from "./view.js";

const SAY_AFTER_MS = 500;
const NO_MODELS = { defaults: { person: 0.2, joint: 0.3 } };

const api = new Api();
/** `current` is the picture that is looked at or the camera's frame; `pixels` are its, once read. */
const state = {
  models: null,
  pipeline: null,
  ...NO_MODELS,
  thresholds: { ...NO_MODELS.defaults },
  current: null,
  pixels: null,
  selected: null,
};

const view = new View(byId("canvas"), { onSelect: select, onZoom: showZoom });
const list = new PeopleList(byId("people"), { onSelect: select });
const strip = new Strip(byId("strip"), { onChoose: choose, onRemove: remove });
const pictures = new Pictures(
  (file, options) => api.predict(file, { ...options, pipeline: askedPipeline() }),
  onChanged,
);
const camera = new Camera({
  ask: (file, options) =>
    api.predict(file, {
      ...options,
      pipeline: askedPipeline(),
      // Doubtful people would cost frames.
      minPersonScore: state.thresholds.person,
    }),
  onFrame: showFrame,
  onWait: (waitS) => progress(`The service is busy, going on in ${waitS} s`),
  onStop: onCameraStop,
});

/** Null is the default one, which requests need not name. */
function askedPipeline() {
  return state.models && state.pipeline !== state.models.default ? state.pipeline : null;
}

async function loadModels() {
  try {
    const models = await api.models({ onWait: showStart });
    state.models = models;
    if (!models.pipelines[state.pipeline]) state.pipeline = models.default;
    byId("pipeline-field").hidden = byId("open-cards").hidden = false;
    fillPipelines(byId("pipeline"), models, state.pipeline);
    takeDefaults();
    showProblem(null);
    return true;
  } catch (error) {
    onProblem(error, start);
    return false;
  }
}

const showStart = (_waitS, { title }) => showProblem({ title, hint: "This page goes on by itself.", detail: "" });

/** The pipeline's thresholds are where the sliders begin. */
function takeDefaults() {
  const { min_person_score: person, drawn_keypoint_score: joint } = state.models.pipelines[state.pipeline];
  state.defaults = { person, joint };
  state.thresholds = { ...state.defaults };
  byId("person-score").min = lowestPersonScore(person);
  const { keypoints } = state.models.pipelines[state.pipeline];
  byId("joint-count").textContent = skeletonOf(state.models, keypoints).names.length;
  byId("device").textContent = `Runs on ${deviceOf(state.models, state.pipeline)}`;
  showThresholds();
}

function showThresholds() {
  for (const name of ["person", "joint"]) {
    byId(`${name}-score`).value = state.thresholds[name];
    byId(`${name}-value`).textContent = percent(state.thresholds[name]);
    byId(`${name}-score`).setAttribute("aria-valuetext", percent(state.thresholds[name]));
  }
}

/** Everything that the rest of the page needs to know of what is looked at; null before the answer. */
function shownNow() {
  const item = state.current;
  if (!item?.result) return null;
  const { answer, requestId, elapsedMs } = item.result;
  const skeleton = skeletonOf(state.models, answer.model.keypoints) ?? {
    names: (answer.persons[0]?.keypoints ?? []).map((joint) => joint.name),
    edges: [],
  };
  const { name, live = false, fps = 0 } = item;
  return { name, answer, requestId, elapsedMs, skeleton, pixels: state.pixels, live, fps };
}

function render() {
  const item = state.current;
  document.body.classList.toggle("at-work", Boolean(item));
  byId("work").hidden = !item;
  strip.update(pictures.items, item, state.thresholds);
  const shown = shownNow();
  for (const id of ["results", "code"]) byId(id).hidden = !shown;
  byId("thresholds").hidden = item?.state === "failed";
  if (!item) return;
  renderPicture(shown);
  renderPeople(shown);
  if (item.live) return;
  progress({ waiting: "Waiting for its turn…", asking: asking(item) }[item.state] ?? "");
  showProblem(item.problem ?? null, () => pictures.again([item]));
}

const asking = (item) => (item.waitS ? `The service is busy, trying again in ${item.waitS} s` : "Looking for people…");

function renderPicture(shown) {
  const { pixels } = state;
  const size = shown?.answer.image ?? pixels;
  const { reading = false } = state.current;
  if (size) view.show({ source: pixels, width: size.width, height: size.height, reading });
  byId("stage").hidden = byId("below-stage").hidden = !size;
}

function renderPeople(shown) {
  const people = shown ? visiblePeople(shown.answer, state.thresholds) : [];
  if (!people.some((one) => one.index === state.selected)) state.selected = null;
  view.setPeople(people, shown?.skeleton ?? null);
  view.select(state.selected);
  const size = shown?.answer.image;
  const source = state.pixels && size ? { pixels: state.pixels, ...size } : null;
  list.update(people, { source, skeleton: shown?.skeleton, selected: state.selected });
  showNobody(people, shown);
  if (!shown) {
    byId("summary").textContent = state.current.state === "failed" ? "No answer" : "…";
    byId("about").textContent = state.current.name;
    return;
  }
  showSummary(people, shown);
  showTiming(shown, state.models);
  showRequest(shown);
  if (!state.pixels && !state.current.reading) byId("about").textContent += " · this browser cannot show the picture";
}

function showRequest(shown) {
  const { name, file } = state.current;
  const pipeline = askedPipeline();
  const withKey = Boolean(api.key);
  showCode({ name, type: file.type, pipeline, thresholds: state.thresholds, withKey, live: shown.live });
}

function onChanged(item) {
  if (!state.current && pictures.items.includes(item)) choose(item);
  else render();
  if (item.problem?.wantsKey) askForKey(item.problem, Boolean(api.key));
  if (item.state === "done") say(`${item.name}: ${stateOf(item, state.thresholds)}`);
}

async function choose(item) {
  if (camera.isRunning) camera.stop();
  if (state.current === item) return;
  setPixels(null);
  Object.assign(state, { current: item, selected: null });
  item.reading = true;
  render();
  const pixels = await readPixels(item.file);
  item.reading = false;
  if (state.current !== item) {
    pixels?.close();
    return;
  }
  setPixels(pixels);
  render();
}

/** Large pictures are given back at once: the collector takes its time. */
function setPixels(pixels) {
  view.clear();
  state.pixels?.close?.();
  state.pixels = pixels;
}

function remove(item) {
  pictures.remove(item);
  if (state.current !== item) return;
  setPixels(null);
  Object.assign(state, { current: null, selected: null });
  showProblem(null);
  if (pictures.items.length) choose(pictures.items[0]);
  else render();
}

function add(files) {
  const first = pictures.add(files);
  if (first) choose(first);
}

function select(index) {
  state.selected = index;
  render();
  const person = index === null ? null : visiblePeople(shownNow().answer, state.thresholds).find((one) => one.index === index);
  if (person) say(`Person ${index + 1}, ${percent(person.score)}, ${count(person.joints.length, "joint", "joints")}`);
}

function step(by) {
  const shown = shownNow();
  const people = shown ? visiblePeople(shown.answer, state.thresholds) : [];
  if (!people.length) return;
  const at = people.findIndex((one) => one.index === state.selected);
  const next = at < 0 ? (by > 0 ? 0 : people.length - 1) : (at + by + people.length) % people.length;
  select(people[next].index);
}

function showFrame({ pixels, file, result, fps }) {
  const live = { name: "frame.jpg", file, result, fps, state: "done", live: true };
  setPixels(pixels);
  state.current = live;
  progress("");
  byId("canvas").dataset.frames = Number(byId("canvas").dataset.frames ?? 0) + 1;
  render();
}

async function toggleCamera() {
  if (camera.isRunning) return camera.stop();
  if (!Camera.isAllowed) return showProblem({ ...INSECURE_CAMERA, hint: "" });
  showProblem(null);
  byId("camera").textContent = "Stop the camera";
  byId("canvas").dataset.frames = 0;
  await camera.start();
}

function onCameraStop(error) {
  if (state.current?.live) {
    state.current.live = false;
    render();
  }
  byId("camera").textContent = "Use the camera";
  progress("");
  if (!error) return;
  if (error.status === undefined) showProblem({ ...cameraProblem(error), hint: "" });
  else onProblem(error, toggleCamera);
}

function onProblem(problem, again) {
  // The field says what is wrong with the key.
  showProblem(problem.wantsKey ? null : problem, again);
  if (problem.wantsKey) askForKey(problem, Boolean(api.key));
}

function progress(text) {
  byId("progress").textContent = text;
  byId("progress").hidden = !text;
}

function showZoom(zoom) {
  byId("zoom-fit").textContent = percent(zoom);
  byId("stage").classList.toggle("zoomed", zoom > 1);
}

/** For screen readers; sliders that move fast are told of once they rest. */
let sayTimer = 0;
function say(text) {
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => (byId("said").textContent = text), SAY_AFTER_MS);
}

function onThreshold() {
  state.thresholds = { person: Number(byId("person-score").value), joint: Number(byId("joint-score").value) };
  showThresholds();
  render();
  const shown = shownNow();
  if (shown) say(people(visiblePeople(shown.answer, state.thresholds).length));
}

async function onKey(key) {
  api.key = key;
  if (!(await loadModels())) return;
  byId("key-form").hidden = true;
  byId("open-key").hidden = false;
  pictures.again(pictures.items.filter((item) => item.state === "failed"));
  render();
}

function attach() {
  attachSources({ add, onProblem });
  attachPointer(view);
  attachKeys(byId("stage"), view, { step, clear: () => select(null) });
  attachKeyForm(onKey);
  byId("zoom-in").onclick = () => zoomIn(view);
  byId("zoom-out").onclick = () => zoomOut(view);
  byId("zoom-fit").onclick = () => view.fit();
  byId("camera").onclick = toggleCamera;
  for (const name of ["person", "joint"]) byId(`${name}-score`).oninput = onThreshold;
  byId("defaults").onclick = () => {
    state.thresholds = { ...state.defaults };
    showThresholds();
    render();
  };
  byId("save-png").onclick = () => savePicture(shownNow(), state.thresholds);
  byId("save-json").onclick = () => saveJson(shownNow(), state.thresholds);
  byId("save-coco").onclick = () => saveCoco(shownNow(), state.thresholds);
  byId("open-cards").onclick = () => {
    fillCards(byId("card-list"), state.models, state.pipeline);
    byId("cards").showModal();
  };
  byId("pipeline").onchange = (event) => {
    state.pipeline = event.target.value;
    takeDefaults();
    pictures.again(pictures.items);
  };
  for (const button of document.querySelectorAll("[data-copies]")) button.onclick = () => copy(button);
}

async function copy(button) {
  const copied = await copyText(byId(button.dataset.copies));
  button.textContent = copied ? "Copied" : "Select and copy";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

async function start() {
  await loadModels();
  document.body.dataset.ready = true;
}

attach();
start();
