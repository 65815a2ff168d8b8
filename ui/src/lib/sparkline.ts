/* A row of rates as the path of a small graph. Drawing only: no axis, no unit.
   Invariant: every number in the path is finite and within the box. */

/** How many rates fill the width: the last minute. */
export const SLOTS = 60;

/** The points of the line, the newest at the right edge, scaled to the highest of them. Empty for fewer than two. */
export function linePath(rates: readonly number[], width: number, height: number): string {
  const shown = rates.slice(-SLOTS).map((rate) => (Number.isFinite(rate) && rate > 0 ? rate : 0));
  if (shown.length < 2) return "";
  const highest = Math.max(...shown, 1);
  const step = width / (SLOTS - 1);
  const first = width - step * (shown.length - 1);
  const tenth = (value: number) => Math.round(value * 10) / 10;
  const points = shown.map((rate, index) => {
    const x = tenth(first + index * step);
    // The line is a unit wide: half of it would be cut off at the edges.
    return `${x} ${tenth(height - 0.5 - (rate / highest) * (height - 1))}`;
  });
  return `M${points.join("L")}`;
}

/** The same line closed along the ground. */
export function areaPath(line: string, width: number, height: number): string {
  const start = /^M([\d.]+)/.exec(line)?.[1];
  return start === undefined ? "" : `${line}L${width} ${height}L${start} ${height}Z`;
}
