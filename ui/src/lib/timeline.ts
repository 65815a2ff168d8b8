/* The past as columns of numbers beside a column of times: how new columns are joined to those that are here.
   It asks nothing and draws nothing.
   Invariant: all columns of a timeline are equally long, and its times rise. */
import type { Span, Timeline } from "./bindings";

/** How far back each span looks, in milliseconds. */
export const SPAN_MS: Record<Span, number> = {
  five_minutes: 300_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
};

/** How often each span is asked for. In the long ones nothing changes for a minute. */
export const POLL_MS: Record<Span, number> = { five_minutes: 250, hour: 1000, day: 20_000, week: 60_000 };

/** Spans whose newest part can be asked for alone; the others are means that still change. */
export const GROWS: Record<Span, boolean> = { five_minutes: true, hour: true, day: false, week: false };

export type Column = number | null;

/** `newer` behind `older`, less what has become older than the span. */
export function joined(older: Timeline, newer: Timeline, span: Span): Timeline {
  const last = newer.at_ms.at(-1) ?? older.at_ms.at(-1) ?? 0;
  const oldest = last - SPAN_MS[span];
  const first = firstNewer(older.at_ms, oldest);
  // A clock that was set back: what Rust gave up is given up here.
  const end = newer.at_ms.length > 0 ? firstNewer(older.at_ms, newer.at_ms[0]! - 1) : older.at_ms.length;
  const join = <T>(old: readonly T[], more: readonly T[]): T[] => [...old.slice(first, end), ...more];
  return {
    at_ms: join(older.at_ms, newer.at_ms),
    weights_bytes: join(older.weights_bytes, newer.weights_bytes),
    kv_cache_bytes: join(older.kv_cache_bytes, newer.kv_cache_bytes),
    app_bytes: join(older.app_bytes, newer.app_bytes),
    other_bytes: join(older.other_bytes, newer.other_bytes),
    page_cache_bytes: join(older.page_cache_bytes, newer.page_cache_bytes),
    decode_tokens_per_second: join(older.decode_tokens_per_second, newer.decode_tokens_per_second),
    gpu_utilization: join(older.gpu_utilization, newer.gpu_utilization),
    power_watts: join(older.power_watts, newer.power_watts),
    celsius: join(older.celsius, newer.celsius),
    events: [...older.events.filter((event) => event.at_ms > oldest), ...newer.events],
  };
}

/** The index of the first time after `ms`. */
function firstNewer(times: readonly number[], ms: number): number {
  const index = times.findIndex((time) => time > ms);
  return index < 0 ? times.length : index;
}

/** What to ask for next: all after this. Events may be newer than the last reading. */
export function newest(timeline: Timeline): number {
  return Math.max(timeline.at_ms.at(-1) ?? 0, timeline.events.at(-1)?.at_ms ?? 0);
}

/** The last number of a column, if it is of now. */
export function lastOf(column: readonly Column[]): Column {
  return column.at(-1) ?? null;
}

export function hasNumbers(column: readonly Column[]): boolean {
  return column.some((value) => value !== null);
}

/** Sums of the columns from the first to each: what a stacked chart draws. Absent counts as nothing beside a number. */
export function stacked(columns: readonly (readonly Column[])[]): Column[][] {
  let below: readonly Column[] = [];
  return columns.map((column) => {
    const sum = column.map((value, index) => {
      const base = below[index] ?? null;
      return value === null && base === null ? null : (value ?? 0) + (base ?? 0);
    });
    below = sum;
    return sum;
  });
}
