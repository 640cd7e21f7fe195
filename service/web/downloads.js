/** What is seen, as files. */

import { make } from "./elements.js";
import { cocoResults, filteredAnswer, visiblePeople } from "./people.js";
import { drawPeople } from "./skeleton.js";

/** `shown` holds the name, the answer, its pixels or null, and the skeleton. */
export function saveJson(shown, thresholds) {
  save(jsonFile(filteredAnswer(shown.answer, thresholds)), shown.name, "json");
}

export function saveCoco(shown, thresholds) {
  const results = cocoResults(shown.answer, thresholds, shown.skeleton.names);
  save(jsonFile(results), shown.name, "coco.json");
}

/** The picture in all its pixels, with the people as they are seen. */
export async function savePicture(shown, thresholds) {
  const { width, height } = shown.answer.image;
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (shown.pixels) context.drawImage(shown.pixels, 0, 0, width, height);
  drawPeople(context, visiblePeople(shown.answer, thresholds), shown.skeleton);
  const file = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save(file, shown.name, "pose.png");
}

const jsonFile = (value) => new Blob([JSON.stringify(value, null, 2)], { type: "application/json" });

function save(file, name, suffix) {
  const href = URL.createObjectURL(file);
  const download = `${name.replace(/\.[^.]*$/, "") || "picture"}.${suffix}`;
  make("a", { href, download }).click();
  // The browser reads the file after the click has been handled.
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
