/* The pure parts of the models view: variants in order, words of downloads, the queue, the form, the graph. */
import { describe, expect, it } from "vitest";
import type { CatalogEntry, DownloadSettings, DownloadState, Variant } from "../src/lib/bindings";
import { fromForm, parseAmount, parseClock, toForm } from "../src/lib/download-form";
import * as words from "../src/lib/download-words";
import { dropped, moved, stepped } from "../src/lib/queue";
import { placeAt } from "../src/lib/reorder";
import * as searching from "../src/lib/searching";
import { areaPath, linePath, SLOTS } from "../src/lib/sparkline";
import { bitsOf, distinction, grouped, shortened } from "../src/lib/variants";
import { hasFigures, partsOf } from "../src/lib/verdicts";
import { download, failure, GIB, variant, verdict } from "./fixtures";

describe("variants", () => {
  const bits: [string | null, number | null][] = [
    ["Q4_K_M", 4],
    ["IQ2_XXS", 2],
    ["UD-Q4_K_XL", 4],
    ["TQ1_0", 1],
    ["MXFP4", 4],
    ["NVFP4", 4],
    ["BF16", 16],
    ["f32", 32],
    ["FP8", 8],
    ["INT8", 8],
    ["Q128", null],
    ["best", null],
    [null, null],
  ];
  it.each(bits)("%s has %s bits", (quantization, expected) =>
    expect(bitsOf({ quantization, format: "gguf" })).toBe(expected),
  );

  const all = [
    ...[variant("Q4_0", 3), variant("Q8_0", 8), variant("Q4_K_M", 4), variant("F16", 16)],
    variant("safetensors", 16, { quantization: null, format: "safetensors" }),
  ];
  const shape = (variants: readonly Variant[], most = 99, seen: string | null = null) =>
    shortened(grouped(variants), most, seen).map((group) => [
      group.name,
      ...group.variants.map((one) => one.label),
    ]);
  it("stand in groups from the most bits to the fewest, the largest first", () =>
    expect(shape(all)).toEqual([
      ["16", "F16"],
      ["8", "Q8_0"],
      ["4", "Q4_K_M", "Q4_0"],
      ["–", "safetensors"],
    ]));
  it("are each in one group, however many there are", () => {
    const many = Array.from({ length: 500 }, (_, index) =>
      variant(["Q4_0", "Q8_0", "x"][index % 3]!, index, { key: `${index}` }),
    );
    const keys = grouped(many).flatMap((group) => group.variants.map((one) => one.key));
    expect(new Set(keys).size).toBe(500);
    expect(grouped(many)).toHaveLength(3);
  });
  it("are cut after the first ones, and the chosen one stays in sight", () =>
    expect(shape(all, 2, "m-Q4_0.gguf")).toEqual([
      ["16", "F16"],
      ["8", "Q8_0"],
      ["4", "Q4_0"],
    ]));
  it("are told apart by file name only where the label is not enough", () => {
    const twice = [variant("Q4_0", 1, { key: "a/x.gguf" }), variant("Q4_0", 2, { key: "b/y.gguf" })];
    expect(distinction(twice[0]!, twice)).toBe("x.gguf");
    expect(distinction(all[0]!, all)).toBeNull();
  });
});

describe("a verdict", () => {
  it("has parts that are the whole", () => {
    const one = verdict("x");
    expect(partsOf(one).reduce((sum, part) => sum + part.bytes, 0)).toBe(one.total_bytes);
  });
  it("has figures only where there are some", () => {
    expect(hasFigures(verdict("x", { fit: "too_large" }))).toBe(true);
    expect(hasFigures(verdict("x", { fit: "unknown" }))).toBe(false);
    expect(hasFigures(verdict("x", { total_bytes: 0 }))).toBe(false);
  });
});

describe("searching", () => {
  const { asRepoId, authorOf, byPurpose, isIdle, licenceName, matchingEntries, nameOf, NO_QUERY, taskName } =
    searching;
  it("is idle while nothing is asked for", () => {
    expect(isIdle({ ...NO_QUERY, text: "  " })).toBe(true);
    for (const part of [{ text: "a" }, { author: "a" }, { task: "a" }, { sort: "likes" as const }])
      expect(isIdle({ ...NO_QUERY, ...part })).toBe(false);
    expect(isIdle({ ...NO_QUERY, format: "gguf" })).toBe(false);
  });
  const names: [string, string | null][] = [
    ["unsloth/Qwen3-8B-GGUF", "unsloth/Qwen3-8B-GGUF"],
    [" ada/m_1.5 ", "ada/m_1.5"],
    ["https://huggingface.co/ada/m", "ada/m"],
    ["huggingface.co/ada/m/tree/main?x=1", "ada/m"],
    ["hf.co/ada/m#files", "ada/m"],
    ["qwen3", null],
    ["ada/", null],
    ["ada/m/tree", null],
    ["ada/-m", null],
    ["two words/m", null],
    ["../etc", null],
    ["https://example.com/ada/m", null],
    ["", null],
  ];
  it.each(names)("%s names %s", (text, expected) => expect(asRepoId(text)).toBe(expected));

  const entry = (name: string, purpose: CatalogEntry["purpose"], about: string): CatalogEntry => ({
    ...{ repo: `ada/${name}`, purpose, about, parameters: 1 },
    ...{ quantization: "Q8_0", machine_gb: 64 },
  });
  const shelf = [
    entry("B", "code", "Writes programs"),
    entry("A", "chat", "Talks"),
    entry("C", "chat", "Sings"),
  ];
  it("puts the catalog on shelves and leaves out empty ones", () =>
    expect(byPurpose(shelf).map((group) => [group.name, group.entries.length])).toEqual([
      ["Chat", 2],
      ["Code", 1],
    ]));
  it("finds entries by all words, in any place", () => {
    expect(matchingEntries(shelf, "CODE writes").map((one) => searching.titleOf(one.repo))).toEqual(["B"]);
    expect(matchingEntries(shelf, "talks programs")).toEqual([]);
    expect(matchingEntries(shelf, " ")).toHaveLength(3);
  });
  it("names authors, repositories, licences and tasks", () => {
    expect([authorOf("ada/m"), authorOf("gpt2")]).toEqual(["ada", null]);
    expect([nameOf("ada/m"), nameOf("gpt2")]).toEqual(["m", "gpt2"]);
    expect(["apache-2.0", "llama3.3", "cc-by-4.0", "", null].map(licenceName)).toEqual([
      ...["Apache-2.0", "Llama3.3", "cc-by-4.0", null, null],
    ]);
    expect(taskName("text-generation")).toBe("Chat and text");
    expect(taskName("zero-shot-thing")).toBe("zero shot thing");
    expect(taskName(null)).toBeNull();
  });
});

describe("words of downloads", () => {
  const { actFor, hasEnded, queueWords, stateWords, togetherRate } = words;
  const states: [DownloadState, string, string | null][] = [
    [{ type: "queued" }, "Queued", "pause"],
    [{ type: "outside_hours", from_minute: 1320 }, "Waits until 22:00", "pause"],
    [{ type: "starting" }, "Starting", "pause"],
    [{ type: "fetching" }, "Downloading", "pause"],
    [{ type: "waiting", reason: "x", retry_in_ms: 9 }, "Waiting", "pause"],
    [{ type: "verifying" }, "Verifying", null],
    [{ type: "paused", error: null }, "Paused", "resume"],
    [{ type: "failed", error: failure("internal") }, "Failed", "retry"],
    [{ type: "complete" }, "Complete and verified", null],
  ];
  it.each(states)("%j is %s and can %s", (state, said, act) => {
    expect(stateWords(state).words).toBe(said);
    expect(actFor(state)).toBe(act);
  });
  it("counts the queue by what it does", () => {
    const all = states.map(([state], index) => download(index, state));
    expect(queueWords(all)).toBe("3 running, 3 waiting, 1 paused, 1 failed");
    expect(queueWords([])).toBe("");
  });
  it("adds up only what is being fetched", () => {
    const rates = { rate_bytes_per_second: 5 };
    const all = [download(1, "fetching", rates), download(2, "queued", rates), download(3, "fetching")];
    expect(togetherRate(all)).toBe(5);
  });
  it("hears an end once, and not of what was over when the window opened", () => {
    const over = download(1, "complete");
    expect(hasEnded(download(1, "verifying"), over)).toBe(true);
    expect(hasEnded(over, over)).toBe(false);
    expect(hasEnded(undefined, over)).toBe(false);
    expect(hasEnded(download(1, "queued"), download(1, "fetching"))).toBe(false);
  });
});

describe("the queue", () => {
  const order = [1, 2, 3, 4];
  const after = (before: number | null | undefined, id: number) =>
    before === undefined ? "stays" : moved(order, id, before).join("");
  const steps: [number, -1 | 1, string][] = [
    [1, -1, "stays"],
    [2, -1, "2134"],
    [4, -1, "1243"],
    [1, 1, "2134"],
    [3, 1, "1243"],
    [4, 1, "stays"],
    [9, 1, "stays"],
  ];
  it.each(steps)("%i by %i → %s", (id, step, expected) =>
    expect(after(stepped(order, id, step), id)).toBe(expected),
  );
  const drops: [number, number, string][] = [
    [1, 3, "2341"],
    [4, 0, "4123"],
    [2, 2, "1324"],
    [2, 1, "stays"],
    [3, 99, "1243"],
    [9, 0, "stays"],
  ];
  it.each(drops)("%i dropped at %i → %s", (id, at, expected) =>
    expect(after(dropped(order, id, at), id)).toBe(expected),
  );
  it("keeps everyone, wherever one is put", () => expect(moved(order, 2, 77)).toEqual(order));
  it("finds the row under the pointer, and the ends beyond them", () => {
    const rows = [0, 10, 20].map((top) => ({ top, bottom: top + 10 }));
    expect([-5, 0, 9, 10, 25, 99].map((y) => placeAt(y, rows))).toEqual([0, 0, 0, 1, 2, 2]);
  });
});

describe("the form of settings", () => {
  const settings: DownloadSettings[] = [
    { parallel: 2, segments: 4, speed_limit_bytes: null, hours: null, budget_bytes: null, reserve_bytes: 0 },
    {
      ...{ parallel: 1, segments: 16, speed_limit_bytes: 1_500_000, budget_bytes: 500 * GIB },
      ...{ hours: { from_minute: 1320, until_minute: 420 }, reserve_bytes: 5_000_000_000 },
    },
  ];
  it.each(settings)("brings them back unchanged: %j", (one) =>
    expect(fromForm(toForm(one))).toEqual({ settings: one }),
  );
  const form = { ...toForm(settings[0]!), limited: true, timed: true, budgeted: true };
  const wrong: [Partial<typeof form>, string][] = [
    [{ parallel: "0" }, "parallel"],
    [{ segments: "2.5" }, "segments"],
    [{ limitMib: "0" }, "limitMib"],
    [{ budgetGib: "much" }, "budgetGib"],
    [{ reserveGib: "-1" }, "reserveGib"],
    [{ from: "25:00" }, "from"],
    [{ from: "07:00", until: "7" }, "until"],
  ];
  it.each(wrong)("refuses %j", (part, field) => {
    const read = fromForm({ ...form, ...part });
    expect("mistakes" in read && Object.keys(read.mistakes)).toEqual([field]);
  });
  it("does not look at what is switched off", () =>
    expect("settings" in fromForm({ ...form, limited: false, limitMib: "?" })).toBe(true));
  it("reads times and amounts as people write them", () => {
    expect(["22:00", "7", "7:30", "0730", "24:00", "7:5", "7:75", "x"].map(parseClock)).toEqual([
      ...[1320, 420, 450, 450, null, null, null, null],
    ]);
    expect(["1,5", "2.", " 10 ", "-1", "1e3", ""].map(parseAmount)).toEqual([1.5, 2, 10, null, null, null]);
  });
});

describe("the graph", () => {
  it("ends at the right and scales to the highest", () => {
    expect(linePath([0, 5, 10], 59, 11)).toBe("M57 10.5L58 5.5L59 0.5");
    expect(areaPath("M57 10.5L59 0.5", 59, 11)).toBe("M57 10.5L59 0.5L59 11L57 11Z");
  });
  it.each([[[]], [[7]]])("is nothing for %j", (rates) => {
    expect(linePath(rates, 60, 10)).toBe("");
    expect(areaPath("", 60, 10)).toBe("");
  });
  it("shows the last minute and nothing that is no number", () => {
    const path = linePath([...Array<number>(200).fill(3), Number.NaN, -4, Infinity, 1], 120, 24);
    expect(path.split("L")).toHaveLength(SLOTS);
    // The highest of the last minute is at the top, the newest a third as high.
    expect(path).toMatch(/^M0 0\.5L.*L120 15\.8$/);
    expect(path).not.toMatch(/NaN|Infinity|-/);
  });
});
