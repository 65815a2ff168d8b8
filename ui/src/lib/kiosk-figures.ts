/* What is told of the visitors of some days: the same figures for the operator at the screen and for Settings. */
import type { KioskLog } from "./bindings";
import { count, duration, rate } from "./format";

/** Names and values in their order; none before they are known. */
export function visitorFigures(log: KioskLog | null): [string, string][] {
  if (!log) return [];
  return [
    ["Visitors", count(log.count)],
    ["Questions", count(log.turns)],
    ["Tokens", count(log.tokens)],
    ["Median length", duration(log.median_duration_ms)],
    ["tok/s", rate(log.decode_tokens_per_second)],
    ["Faults", count(log.faults)],
  ];
}
