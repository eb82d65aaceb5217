// Small plots by hand: a line with its area, and marks for the worst.

import { h } from "./dom.js";

const fine = (number) => Math.round(number * 10) / 10;

// `values`: numbers, or null where there are none. `worst`: the like, drawn as dots above the line.
export function spark(values, { label, worst = [], width = 220, height = 44 }) {
  const most = Math.max(1e-9, ...values.map((value) => value ?? 0), ...worst.map((value) => value ?? 0));
  const step = width / Math.max(1, values.length - 1);
  const y = (value) => fine(height - 2 - (value / most) * (height - 8));
  const pieces = [];
  let piece = [];
  values.forEach((value, place) => {
    if (value === null) {
      if (piece.length) pieces.push(piece);
      piece = [];
    } else piece.push([fine(place * step), y(value)]);
  });
  if (piece.length) pieces.push(piece);
  return h("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
    h("line", { x1: 0, x2: width, y1: height - 1.5, y2: height - 1.5, class: "ground-line" }),
    pieces.map((points) => [
      h("path", { class: "spark-area", d: `M${points[0][0]} ${height - 2}L${points.map((point) => point.join(" ")).join("L")}L${points.at(-1)[0]} ${height - 2}Z` }),
      h("path", { class: "spark-line", d: `M${points.map((point) => point.join(" ")).join("L")}${points.length === 1 ? "h1" : ""}` }),
    ]),
    worst.map((value, place) => value !== null && value > 0 && h("line", { x1: fine(place * step), x2: fine(place * step + 0.01), y1: y(value), y2: y(value), class: "spark-worst" })));
}

// How an attempt's time went: each stage a bar on a common scale. `stages`: { name, from, to, kind, note }.
export function waterfall(stages, told) {
  const known = stages.filter((stage) => stage.from !== null);
  const first = Math.min(...known.map((stage) => stage.from));
  const last = Math.max(...known.map((stage) => stage.to ?? stage.from), first + 1);
  const share = (at) => `${fine(((at - first) / (last - first)) * 1000) / 10}%`;
  return h("ol", { class: "waterfall" }, known.map((stage) => h("li", { key: stage.name },
    h("span", { class: "stage-name" }, stage.name),
    h("span", { class: "stage-track", "aria-hidden": "true" }, h("span", {
      class: "stage-bar", "data-kind": stage.kind, style: { "--from": share(stage.from), "--to": share(stage.to ?? stage.from) },
    })),
    h("span", { class: "stage-note" }, told(stage)))));
}
