/** The field for the API key. */

import { byId } from "./elements.js";

/** `use(key)` is told what was entered. */
export function attachKeyForm(use) {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    use(byId("key").value.trim());
  });
  byId("open-key").onclick = () => open("Enter another key for this service.");
}

/** Opens the field for a service that refused a request, with a key or without one. */
export function askForKey(problem, hadKey) {
  const known = problem.status === 403 ? "This key does not allow that." : "This key is not known.";
  open(hadKey ? known : "This service asks for an API key.");
  byId("key").setAttribute("aria-invalid", hadKey);
}

function open(message) {
  byId("key-message").textContent = message;
  byId("key-form").hidden = false;
  byId("key").focus();
  byId("key").select();
}
