/** Exactly what the page shows, asked from a terminal and from Python. */

import { mediaType } from "./api.js";

const KEY_VARIABLE = "STANCE_API_KEY";

/** `request` holds name, type, pipeline (null is the default one), thresholds, and whether a key is sent. */
export function curlFor(request) {
  const { pipeline, thresholds } = request;
  const query = new URLSearchParams({
    ...(pipeline && { pipeline }),
    min_person_score: thresholds.person,
    min_keypoint_score: thresholds.joint,
  });
  const lines = [
    `curl --data-binary @${quoted(request.name)}`,
    `-H 'Content-Type: ${mediaType(request.type)}'`,
    ...(request.withKey ? [`-H "X-API-Key: $${KEY_VARIABLE}"`] : []),
    quoted(`${serviceUrl()}/predict?${query}`),
  ];
  return lines.join(" \\\n  ");
}

export function pythonFor(request) {
  const { pipeline, thresholds } = request;
  const key = request.withKey ? `, api_key=os.environ["${KEY_VARIABLE}"]` : "";
  return [
    ...(request.withKey ? ["import os", ""] : []),
    "from service.client import Client",
    "",
    `with Client(${JSON.stringify(serviceUrl())}${key}) as client:`,
    "    answer = client.predict(",
    `        ${JSON.stringify(request.name)},`,
    `        min_person_score=${thresholds.person},`,
    `        min_keypoint_score=${thresholds.joint},`,
    ...(pipeline ? [`        pipeline=${JSON.stringify(pipeline)},`] : []),
    "    )",
    "for person in answer.persons:",
    "    print(person.score, person.keypoints)",
  ].join("\n");
}

const serviceUrl = () => new URL(".", location.href).href.replace(/\/$/, "");

/** For a POSIX shell. */
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Returns whether it worked: without https, browsers have no clipboard for pages. */
export async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}
