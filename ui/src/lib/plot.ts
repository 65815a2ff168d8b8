/* The one place that knows uPlot: a chart of lines over time, with what happened marked on it.
   What is drawn is the caller's; here is how. Colours come from the theme's tokens when the chart is made. */
import "./language";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { MonitorEvent } from "./bindings";
import { clockOf } from "./format";
import type { Column } from "./timeline";

export interface Line {
  name: string;
  /** A colour token: "--moss". */
  color: string;
  values: readonly Column[];
  /** Filled down to the ground. */
  filled?: boolean;
}

export interface Plot {
  /** The least that the scale shows; it grows with the values. */
  top: number;
  /** The scale does not grow above `top`. */
  fixed?: boolean;
  /** The steps that the figures at the left may have, ascending; round numbers without. */
  steps?: readonly number[];
  /** The figures at the left. */
  format: (value: number) => string;
}

export interface Drawing {
  at_ms: readonly number[];
  lines: readonly Line[];
  events: readonly MonitorEvent[];
  from_ms: number;
  to_ms: number;
}

/** A chart in an element: `draw` shows other numbers, `resize` fits it to the element, `destroy` removes it. */
export interface Chart {
  draw(drawing: Drawing): void;
  resize(): void;
  destroy(): void;
}

export function chart(element: HTMLElement, plot: Plot, first: Drawing): Chart {
  let shown = first;
  const sized = () => ({ width: element.clientWidth, height: element.clientHeight });
  const hooks = { drawClear: [(u: uPlot) => mark(u, shown)] };
  const options = { ...sized(), ...look(plot, first.lines), hooks } satisfies Partial<uPlot.Options>;
  const made = new uPlot(options, data(first), element);
  range(made, first);
  return {
    draw(drawing) {
      shown = drawing;
      made.batch(() => {
        made.setData(data(drawing), false);
        range(made, drawing);
      });
    },
    resize: () => made.setSize(sized()),
    destroy: () => made.destroy(),
  };
}

function data(drawing: Drawing): uPlot.AlignedData {
  const seconds = drawing.at_ms.map((ms) => ms / 1000);
  return [seconds, ...drawing.lines.map((line) => [...line.values])];
}

function range(made: uPlot, drawing: Drawing): void {
  made.setScale("x", { min: drawing.from_ms / 1000, max: drawing.to_ms / 1000 });
}

const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

function look(plot: Plot, lines: readonly Line[]): Omit<uPlot.Options, "width" | "height"> {
  const top = (_: uPlot, __: number | null, most: number | null): [number, number] => [
    0,
    plot.fixed ? plot.top : Math.max(plot.top, (most ?? 0) * 1.08),
  ];
  return {
    // Room at the right for half of the last time.
    padding: [rem() * 0.5, rem() * 2.2, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true }, y: { range: top } },
    axes: [timeAxis(), valueAxis(plot)],
    series: [{}, ...lines.map(series)],
  };
}

function series(line: Line): uPlot.Series {
  const color = token(line.color);
  const width = line.filled ? 1 : 1.6;
  return {
    label: line.name,
    stroke: color,
    width,
    points: { show: false },
    ...(line.filled && { fill: color }),
  };
}

function axis(): uPlot.Axis {
  const grid = { stroke: token("--line"), width: 1 };
  return {
    font: `${rem() * 0.72}px ${token("--mono")}`,
    stroke: token("--muted"),
    grid,
    ticks: { show: false },
  };
}

const timeAxis = (): uPlot.Axis => ({
  ...axis(),
  size: rem() * 1.7,
  gap: rem() * 0.3,
  space: rem() * 6,
  grid: { show: false },
  values: (u, splits) => splits.map((second) => clockOf(second * 1000, spanOf(u))),
});

const valueAxis = (plot: Plot): uPlot.Axis => ({
  ...axis(),
  size: rem() * 4.4,
  gap: rem() * 0.4,
  space: rem() * 2,
  ...(plot.steps && { incrs: [...plot.steps] }),
  values: (_, splits) => splits.map((value) => plot.format(value)),
});

function spanOf(u: uPlot): number {
  return ((u.scales.x?.max ?? 0) - (u.scales.x?.min ?? 0)) * 1000;
}

/** A dashed line at each moment at which something happened. */
function mark(u: uPlot, drawing: Drawing): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = token("--field-line");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const event of drawing.events) {
    const x = Math.round(u.valToPos(event.at_ms / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
