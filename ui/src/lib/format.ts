/* The one place where bytes, milliseconds and counts become words. It rounds; it never computes a new quantity.
   Invariant: a missing number is an en dash, never 0 and never NaN. */
import type { Timings } from "./bindings";

type Figure = number | null | undefined;
const ABSENT = "–";
const GIB = 2 ** 30;
const MIB = 2 ** 20;

function given(value: Figure): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function fixed(value: number, digits: number): string {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** 1904 → "1,904". */
export function count(value: Figure): string {
  return given(value) ? fixed(Math.round(value), 0) : ABSENT;
}

/** Bytes as GiB without the unit, one decimal: for figures that stand in a row. */
export function gib(bytes: Figure): string {
  return given(bytes) ? fixed(bytes / GIB, 1) : ABSENT;
}

/** Bytes with the unit that suits them: "92 MiB", "17.3 GiB". */
export function size(bytes: Figure): string {
  if (!given(bytes)) return ABSENT;
  if (bytes >= GIB) return `${fixed(bytes / GIB, 1)} GiB`;
  return bytes >= MIB ? `${fixed(bytes / MIB, 0)} MiB` : `${fixed(bytes / 1024, 0)} KiB`;
}

/** A rate in tokens per second: 58.7, but 1,904 from a hundred up, where decimals say nothing. */
export function rate(perSecond: Figure): string {
  if (!given(perSecond)) return ABSENT;
  return fixed(perSecond, perSecond >= 100 ? 0 : 1);
}

/** Milliseconds as "8 ms", "0.42 s", "12.3 s" or "2 min 5 s". */
export function duration(ms: Figure): string {
  if (!given(ms)) return ABSENT;
  if (ms < 10) return `${fixed(ms, 0)} ms`;
  if (ms < 9_995) return `${fixed(ms / 1000, 2)} s`;
  if (ms < 59_950) return `${fixed(ms / 1000, 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** part of whole between 0 and 1; 0 where there is no whole. */
export function share(part: Figure, whole: Figure): number {
  if (!given(part) || !given(whole) || whole <= 0) return 0;
  return Math.min(1, Math.max(0, part / whole));
}

/** "43 %": whole percents, and 100 only when all of it is there. */
export function percent(part: Figure, whole: Figure): string {
  if (!given(part) || !given(whole) || whole <= 0) return ABSENT;
  const exact = share(part, whole) * 100;
  return `${exact < 100 ? Math.min(99, Math.round(exact)) : 100} %`;
}

/** The figures under an answer, in reading order. Absent ones are left out. */
export function turnFigures(timings: Timings): string[] {
  const figures = [
    `${rate(timings.decode_tokens_per_second)} tok/s`,
    `TTFT ${duration(timings.ttft_ms)}`,
    `${count(timings.generated_tokens)} tokens`,
  ];
  if (given(timings.prefill_tokens_per_second))
    figures.push(`prefill ${rate(timings.prefill_tokens_per_second)}`);
  if (timings.reused_tokens > 0) figures.push(`${count(timings.reused_tokens)} reused`);
  return figures;
}
