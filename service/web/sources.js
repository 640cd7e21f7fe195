/** Where pictures come from: chosen, dropped, pasted, or the one that ships. */

import { Problem } from "./api.js";
import { byId } from "./elements.js";

const EXAMPLE = "web/example.jpg";

/** `add(files)` takes them; `onProblem(problem, again)` is told if the example does not come. */
export function attachSources({ add, onProblem }) {
  byId("files").addEventListener("change", (event) => {
    add(event.target.files);
    // The same file may be chosen again.
    event.target.value = "";
  });
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData?.files ?? [];
    if (files.length) add(files);
  });
  attachDrop(add);
  const example = async () => {
    try {
      const response = await fetch(EXAMPLE);
      const blob = await response.blob();
      add([new File([blob], "astronaut.jpg", { type: "image/jpeg" })]);
    } catch {
      const problem = new Problem({ title: "The service cannot be reached" });
      onProblem(problem, example);
    }
  };
  byId("example").onclick = byId("sample").onclick = example;
}

/** The whole window takes files; without this, a browser would open them instead of the page. */
function attachDrop(add) {
  const over = byId("over");
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    over.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) over.hidden = true;
  });
  window.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    over.hidden = true;
    if (event.dataTransfer.files.length) add(event.dataTransfer.files);
  });
}
