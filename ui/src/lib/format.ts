/* The one place where bytes, milliseconds and counts become words. It rounds; it never computes a new quantity.
   Invariant: a missing number is an en dash, never 0 and never NaN. */
import type { Measured, Timings } from "./bindings";

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

/** A rate that is written as large as a hand, where a decimal would only tremble: 59, but 8.4 below ten. */
export function bigRate(perSecond: Figure): string {
  return given(perSecond) ? fixed(perSecond, perSecond >= 9.95 ? 0 : 1) : ABSENT;
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

/** The short time from one token to the next: "8.4 ms", "142 ms", "1.20 s". */
export function gap(ms: Figure): string {
  if (!given(ms)) return ABSENT;
  return ms < 999.5 ? `${fixed(ms, ms < 99.95 ? 1 : 0)} ms` : `${fixed(ms / 1000, 2)} s`;
}

/** Energy: "4.2 mJ", "0.25 J", "12 J". */
export function joules(value: Figure): string {
  if (!given(value)) return ABSENT;
  if (value < 0.0995) return `${fixed(value * 1000, 1)} mJ`;
  return `${fixed(value, value < 9.95 ? 2 : 0)} J`;
}

/** Bytes a second: "148 MiB/s". */
export function byteRate(perSecond: Figure): string {
  return given(perSecond) ? `${size(perSecond)}/s` : ABSENT;
}

/** How long something still takes: "45 s", "2 min 5 s", "12 min", "3 h 20 min", "2 days". */
export function remaining(ms: Figure): string {
  if (!given(ms)) return ABSENT;
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${count(minutes / 1440)} days`;
}

/** A count where its size matters and not its digits: "812", "34k", "1.2M", "30.5B". */
export function brief(value: Figure): string {
  if (!given(value)) return ABSENT;
  const steps: [number, string][] = [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ];
  // 999,950 is 1M: what would be rounded up to a thousand of one step is one of the next.
  const step = steps.find(([unit]) => value >= unit * 0.9995);
  if (!step) return count(value);
  const scaled = value / step[0];
  return `${fixed(scaled, scaled < 100 && step[0] > 1e3 ? 1 : 0).replace(/\.0$/, "")}${step[1]}`;
}

const DAY_MS = 86_400_000;

/** How long ago something was, in the coarsest words that still tell something. */
export function ago(then: number | string | null | undefined, now: number = Date.now()): string {
  const time = typeof then === "string" ? Date.parse(then) : then;
  if (!given(time)) return ABSENT;
  const days = Math.floor((now - time) / DAY_MS);
  const words = (number: number, unit: string) => `${number} ${unit}${number === 1 ? "" : "s"} ago`;
  if (days < 1) return "today";
  if (days < 14) return words(days, "day");
  if (days < 60) return words(Math.floor(days / 7), "week");
  return days < 730 ? words(Math.floor(days / 30.5), "month") : words(Math.floor(days / 365.25), "year");
}

/** Minutes after midnight as a clock shows them: 1320 → "22:00". */
export function clock(minute: Figure): string {
  if (!given(minute)) return ABSENT;
  const two = (number: number) => String(number).padStart(2, "0");
  return `${two(Math.floor(minute / 60) % 24)}:${two(Math.floor(minute) % 60)}`;
}

/** A moment as a clock shows it: with seconds within minutes, with the day beyond one. */
export function clockOf(ms: Figure, spanMs: number): string {
  if (!given(ms)) return ABSENT;
  const two = (number: number) => String(number).padStart(2, "0");
  const at = new Date(ms);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (spanMs <= 600_000) return `${time}:${two(at.getSeconds())}`;
  return spanMs <= DAY_MS * 1.5 ? time : `${WEEKDAYS[at.getDay()]} ${time}`;
}
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

/** A moment with its day: "1 Dec, 14:02". */
export function moment(ms: Figure): string {
  if (!given(ms)) return ABSENT;
  const at = new Date(ms);
  return `${at.getDate()} ${MONTHS[at.getMonth()]}, ${clock(at.getHours() * 60 + at.getMinutes())}`;
}

/** Watts: "71 W", below ten "8.4 W". */
export function watts(value: Figure): string {
  return given(value) ? `${fixed(value, value < 10 ? 1 : 0)} W` : ABSENT;
}

/** Degrees Celsius: "64 °C". */
export function celsius(value: Figure): string {
  return given(value) ? `${fixed(value, 0)} °C` : ABSENT;
}

/** A share between 0 and 1 in whole percents: "96 %". */
export function wholePercent(value: Figure): string {
  return given(value) ? `${fixed(value * 100, 0)} %` : ABSENT;
}

/** "1 file", "3 files". */
export function counted(number: number, one: string, many: string = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
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

/** What is known of an answer beside the figures under it, each with its name. Energy that no meter tells is said so. */
export function turnDetails(timings: Timings, measured: Measured | null): [string, string][] {
  const gaps = timings.inter_token ?? null;
  const energy = measured?.energy_joules_per_token ?? null;
  const between: [string, string][] = gaps
    ? [
        ["Between tokens, median", gap(gaps.median_ms)],
        ["p95", gap(gaps.p95_ms)],
        ["worst", gap(gaps.worst_ms)],
      ]
    : [];
  return [
    ["Queued", duration(timings.queue_ms)],
    ...between,
    ["Energy per token", energy === null ? "not reported here" : joules(energy)],
  ];
}

/** The share of the memory's limit that an answer reached, if that is known: "89 % of this machine’s limit". */
export function ofLimit(share: Figure): string | null {
  return given(share) ? `${wholePercent(share)} of this machine’s limit` : null;
}
