// The few drawings, as paths on a square of 24.

import { h } from "./dom.js";

const PATHS = {
  bell: "M12 2a1.600 1.600 0 0 1 1.600 1.800c3.200.800 4.900 3.300 4.900 6.500 0 3.900.900 5.300 2 6.600.500.600.100 1.500-.700 1.500H4.200c-.8 0-1.200-.9-.7-1.500 1.100-1.300 2-2.700 2-6.600 0-3.200 1.700-5.700 4.900-6.500A1.600 1.600 0 0 1 12 2zM9.400 19.800h5.200a2.600 2.600 0 0 1-5.200 0z",
  now: "M4 12h3l2.500-7 5 14 2.500-7h3",
  configs: "M4 6h10M18 6h2M4 12h4M12 12h8M4 18h9M17 18h3M14 4v4M8 10v4M13 16v4",
  executions: "M4 6h16M4 12h16M4 18h10",
  tree: "M12 4v5M12 9H6v5M12 9h6v5M4 14h4v5H4zM16 14h4v5h-4zM10 2h4v3h-4z",
  workers: "M5 9a7 7 0 0 1 14 0M5 9h14M3 13h18M6 13v6h12v-6M12 2v3",
  told: "M4 5h16v12H9l-5 4zM8 9.500h8M8 13h5",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20c.5-4 3-6 6.500-6s6 2 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2 .8 3.200 2.700 3.500 5.500",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  audit: "M7 3h10v18l-2.500-1.700L12 21l-2.500-1.700L7 21zM10 8h4M10 12h4",
};

export function icon(name) {
  return h("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: PATHS[name] }));
}
