// An error as Python writes it: its last line first, since that is what one looks for, and below it the way there, in which
// the frames of libraries are folded away, since the fault is seldom theirs.

import { copyButton } from "./copying.js";
import { h } from "./dom.js";
import { lastLine, plural } from "./words.js";

const FRAME = /^([\s|]*)File "(.+?)", line \d+/;
const LIBRARY = /\/(site|dist)-packages\/|\/lib(64)?\/python3|\/horarium\/tasks\/|^<frozen /;
const FEW = 3; // frames of libraries that are worth no fold, where nothing else is there to read

// Pieces in order: `{ kind: "text" | "own" | "library", lines, frames }`, neighbours of one kind as one.
export function pieces(text) {
  const found = [];
  let frame = null;
  for (const line of text.trimEnd().split("\n")) {
    const head = FRAME.exec(line);
    if (head) frame = { kind: LIBRARY.test(head[2]) ? "library" : "own", indent: head[1].length };
    else if (frame && indentOf(line) <= frame.indent) frame = null;
    const kind = frame?.kind ?? "text";
    const last = found.at(-1);
    if (last?.kind === kind) last.lines.push(line);
    else found.push({ kind, lines: [line], frames: 0 });
    if (head) found.at(-1).frames += 1;
  }
  return found;
}

function indentOf(line) {
  return /^[\s|]*/.exec(line)[0].length;
}

export function errorView(text, what = "the error") {
  const parts = pieces(text);
  const frames = parts.reduce((sum, part) => sum + part.frames, 0);
  const folds = parts.some((part) => part.kind === "own") || frames > FEW;
  return h("div", { key: "error", class: "error" },
    h("div", { class: "error-head" }, h("p", { class: "error-line" }, lastLine(text)), copyButton(what, () => text)),
    frames > 0 && h("div", { class: "code traceback", tabindex: "0", role: "group", "aria-label": "Traceback" }, parts.map((part, place) => piece(part, place, folds))),
    frames === 0 && text.trim().includes("\n") && h("pre", { class: "code", tabindex: "0" }, text));
}

function piece(part, place, folds) {
  const written = part.lines.join("\n");
  if (part.kind !== "library" || !folds) return h("div", { key: place, class: `piece piece-${part.kind}` }, written);
  return h("details", { key: place, class: "piece" }, h("summary", {}, `${plural(part.frames, "frame")} of libraries`), h("div", { class: "piece-library" }, written));
}
