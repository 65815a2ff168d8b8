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
check("duration", format.duration, [
  [3, "3 ms"],
  [420, "0.42 s"],
  [9_990, "9.99 s"],
  [12_340, "12.3 s"],
  [59_949, "59.9 s"],
  [125_000, "2 min 5 s"],
  [null, "–"],
]);

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
    ...{ prefill_tokens_per_second: 1904, decode_tokens_per_second: 58.7 },
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
});
