/** Finding and making elements; text is always set as text, never as HTML. */

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const percent = (score) => `${Math.round(score * 100)} %`;

export const readable = (name) => name.replaceAll("_", " ");

export const people = (number) => (number ? count(number, "person", "people") : "nobody");

export function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}
