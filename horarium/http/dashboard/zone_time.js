// Times as a clock on the wall of some zone shows them, and back: what `datetime-local` fields hold.

const formats = new Map();

function parts(at, zone) {
  if (!formats.has(zone)) {
    formats.set(zone, new Intl.DateTimeFormat("en-GB", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    }));
  }
  return Object.fromEntries(formats.get(zone).formatToParts(at).map(({ type, value }) => [type, value]));
}

// `2026-11-03T09:00`.
export function onTheWall(at, zone) {
  const { year, month, day, hour, minute } = parts(at, zone);
  return `${year}-${month}-${day}T${hour}:${minute}`;
}

function offset(at, zone) {
  const { year, month, day, hour, minute, second } = parts(at, zone);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1000) * 1000;
}

// The instant at which that clock shows `wall`: the first of two, and where clocks are put forward over it what follows.
export function instantOf(wall, zone) {
  const asUtc = Date.parse(`${wall}Z`);
  const [before, after] = [asUtc - 86_400_000, asUtc + 86_400_000].map((at) => offset(at, zone));
  const found = [asUtc - before, asUtc - after].find((at) => offset(at, zone) === asUtc - at);
  return new Date(found ?? asUtc - before).toISOString();
}
