/* Words for figures, as tables. */
import { describe, expect, it } from "vitest";
import * as format from "../src/lib/format";

const GIB = 2 ** 30;
const check = <T>(name: string, words: (value: T) => string, table: [T, string][]) =>
  describe(name, () => {
    it.each(table)("%s → %s", (value, expected) => expect(words(value)).toBe(expected));
  });

check("count", format.count, [
  [0, "0"],
  [1904, "1,904"],
  [131072, "131,072"],
  [null, "–"],
  [Number.NaN, "–"],
]);
check("gib", format.gib, [
  [78.4 * GIB, "78.4"],
  [0, "0.0"],
  [1024 * GIB, "1,024.0"],
  [null, "–"],
]);
check("size", format.size, [
  [17.3 * GIB, "17.3 GiB"],
  [96_468_992, "92 MiB"],
  [10_240, "10 KiB"],
  [null, "–"],
]);
check("rate", format.rate, [
  [58.68, "58.7"],
  [9, "9.0"],
  [1904.4, "1,904"],
  [null, "–"],
  [Infinity, "–"],
]);
check("bigRate", format.bigRate, [
  [58.68, "59"],
  [9.94, "9.9"],
  [9.96, "10"],
  [1904.4, "1,904"],
  [null, "–"],
]);
check("moment", format.moment, [
  [new Date(2026, 11, 1, 4, 5).getTime(), "1 Dec, 04:05"],
  [null, "–"],
]);
check("duration", format.duration, [
  [3, "3 ms"],
  [420, "0.42 s"],
  [9_990, "9.99 s"],
  [12_340, "12.3 s"],
  [59_949, "59.9 s"],
  [125_000, "2 min 5 s"],
  [null, "–"],
]);

check("gap", format.gap, [
  [8.42, "8.4 ms"],
  [99.94, "99.9 ms"],
  [142.3, "142 ms"],
  [999.4, "999 ms"],
  [999.6, "1.00 s"],
  [1204, "1.20 s"],
  [null, "–"],
]);
check("joules", format.joules, [
  [0.0042, "4.2 mJ"],
  [0.0994, "99.4 mJ"],
  [0.25, "0.25 J"],
  [9.949, "9.95 J"],
  [12.4, "12 J"],
  [null, "–"],
]);
check("ofLimit", format.ofLimit as (share: number | null) => string, [
  [0.891, "89 % of this machine’s limit"],
  [1.12, "112 % of this machine’s limit"],
  [0, "0 % of this machine’s limit"],
]);
check("byteRate", format.byteRate, [
  [148 * 2 ** 20, "148 MiB/s"],
  [1.2 * GIB, "1.2 GiB/s"],
  [0, "0 KiB/s"],
  [null, "–"],
]);
check("remaining", format.remaining, [
  [0, "1 s"],
  [45_300, "45 s"],
  [59_700, "1 min 0 s"],
  [125_000, "2 min 5 s"],
  [599_400, "9 min 59 s"],
  [600_000, "10 min"],
  [12 * 60_000, "12 min"],
  [(59 * 60 + 40) * 1000, "1 h 0 min"],
  [200 * 60_000, "3 h 20 min"],
  [50 * 3_600_000, "2 days"],
  [null, "–"],
  [Infinity, "–"],
]);
check("brief", format.brief, [
  [0, "0"],
  [812, "812"],
  [999, "999"],
  [34_400, "34k"],
  [999_499, "999k"],
  [999_950, "1M"],
  [1_240_033, "1.2M"],
  [135e6, "135M"],
  [8e9, "8B"],
  [30.5e9, "30.5B"],
  [235e9, "235B"],
  [1.04e12, "1T"],
  [null, "–"],
]);
check("clock", format.clock, [
  [0, "00:00"],
  [425, "07:05"],
  [1320, "22:00"],
  [1440, "00:00"],
  [null, "–"],
]);
describe("ago", () => {
  const now = Date.parse("2026-03-29T12:00:00Z");
  const table: [string | number | null, string][] = [
    ["2026-03-29T01:00:00Z", "today"],
    ["2026-03-30T01:00:00Z", "today"],
    ["2026-03-28T11:00:00Z", "1 day ago"],
    ["2026-03-16T11:00:00Z", "13 days ago"],
    ["2026-03-08T11:00:00Z", "3 weeks ago"],
    ["2026-01-20T11:00:00Z", "2 months ago"],
    ["2024-01-20T11:00:00Z", "2 years ago"],
    [now - 86_400_000, "1 day ago"],
    ["nonsense", "–"],
    [null, "–"],
  ];
  it.each(table)("%s → %s", (then, expected) => expect(format.ago(then, now)).toBe(expected));
});
describe("counted", () => {
  it("has a form for one and one for all others", () => {
    const words = [0, 1, 2, 1904].map((number) => format.counted(number, "file"));
    expect(words).toEqual(["0 files", "1 file", "2 files", "1,904 files"]);
    expect(format.counted(2, "repository", "repositories")).toBe("2 repositories");
  });
});

describe("percent", () => {
  const table: [number | null, number | null, string][] = [
    [43, 100, "43 %"],
    [999, 1000, "99 %"],
    [1000, 1000, "100 %"],
    [0, 10, "0 %"],
    [1, 0, "–"],
    [null, 10, "–"],
    [10, null, "–"],
  ];
  it.each(table)("%s of %s → %s", (part, whole, expected) =>
    expect(format.percent(part, whole)).toBe(expected),
  );
});

describe("turnFigures", () => {
  const timings = {
    ...{ prompt_tokens: 120, reused_tokens: 100, prefilled_tokens: 20, generated_tokens: 96 },
    ...{ queue_ms: 0, prefill_ms: 10, ttft_ms: 420, decode_ms: 1600 },
    ...{ prefill_tokens_per_second: 1904, decode_tokens_per_second: 58.7, inter_token: null },
  };
  it("names them in reading order", () => {
    expect(format.turnFigures(timings)).toEqual([
      ...["58.7 tok/s", "TTFT 0.42 s", "96 tokens", "prefill 1,904", "100 reused"],
    ]);
  });
  it("leaves out what there was not", () => {
    const cold = { ...timings, reused_tokens: 0, prefill_tokens_per_second: null };
    expect(format.turnFigures(cold)).toEqual(["58.7 tok/s", "TTFT 0.42 s", "96 tokens"]);
  });
  it("say more on request, each with its name", () => {
    const inter_token = { median_ms: 8.4, p95_ms: 12.1, worst_ms: 142 };
    const measured = { energy_joules_per_token: 0.25, limit_share: 0.9 };
    expect(format.turnDetails({ ...timings, queue_ms: 3, inter_token }, measured)).toEqual([
      ["Queued", "3 ms"],
      ...[
        ["Between tokens, median", "8.4 ms"],
        ["p95", "12.1 ms"],
        ["worst", "142 ms"],
        ["Energy per token", "0.25 J"],
      ],
    ]);
  });
  it("say that energy is not reported, never that it is zero", () => {
    const energy = (measured: Parameters<typeof format.turnDetails>[1]) =>
      format.turnDetails(timings, measured).find(([name]) => name === "Energy per token")?.[1];
    expect(energy(null)).toBe("not reported here");
    expect(energy({ energy_joules_per_token: null, limit_share: 0.5 })).toBe("not reported here");
    expect(format.ofLimit(null)).toBeNull();
  });
});
