// Elements, made of text alone: nothing that the document or an answer says is ever read as HTML.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// A piece of the page that is drawn when it is first opened: the whole contract at once would be thousands of rows.
export function drawer(title, draw, attributes = {}) {
  const summary = element("summary", {}, ...[title].flat());
  const made = element("details", attributes, summary);
  made.addEventListener("toggle", () => made.open && made.append(...[draw()].flat()), { once: true });
  return made;
}

// Text as the document has it: paragraphs, and `code` between backticks.
export function prose(text) {
  const paragraphs = (text ?? "").split(/\n{2,}/).filter(Boolean);
  return paragraphs.map((paragraph) => element("p", {}, ...phrases(paragraph)));
}

export function phrases(text) {
  return text.replaceAll(/\s+/g, " ").split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}
