/* How fast answers came: the card of the monitor, the table by model with its export, the line under an answer. */
import { flushSync, mount, unmount, type Component } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Message, MonitorNow, Status, Timings } from "../src/lib/bindings";
import { showFailuresWith } from "../src/lib/errors";
import { monitor } from "../src/state/monitor.svelte";
import { status } from "../src/state/status.svelte";
import { throughput } from "../src/state/throughput.svelte";
import MessageFooter from "../src/views/chat/MessageFooter.svelte";
import { paletteItems } from "../src/views/frame/palette-items";
import Decode from "../src/views/monitor/Decode.svelte";
import Throughput from "../src/views/monitor/Throughput.svelte";
import { failure, GIB } from "./fixtures";

const rust = vi.hoisted(() => ({
  throughputByModel: vi.fn<() => Promise<unknown>>(),
  exportThroughput: vi.fn<(format: string) => Promise<unknown>>(),
  measureBandwidth: vi.fn<() => Promise<unknown>>(),
}));
vi.mock("../src/lib/bindings", () => ({ commands: rust, events: {} }));

const timings: Timings = {
  ...{ prompt_tokens: 120, reused_tokens: 100, prefilled_tokens: 20, generated_tokens: 96 },
  ...{ queue_ms: 3, prefill_ms: 10, ttft_ms: 420, decode_ms: 1600 },
  ...{ prefill_tokens_per_second: 1904, decode_tokens_per_second: 58.7 },
  inter_token: { median_ms: 8.4, p95_ms: 12.1, worst_ms: 142 },
};
const limit = {
  ...{ bandwidth_bytes_per_second: 40 * GIB, bytes_per_token: GIB / 2, tokens_per_second: 80 },
  live_share: null as number | null,
};
const last_measured = { energy_joules_per_token: 0.25, limit_share: 0.73 };
const mounted: Record<string, unknown>[] = [];
const find = (id: string) => document.querySelector<HTMLElement>(`[data-testid=${id}]`);
const words = (id: string) => find(id)?.textContent.replace(/\s+/g, " ").trim();

function show<P extends Record<string, unknown>>(view: Component<P>, props: P): void {
  document.body.innerHTML = "";
  mounted.push(mount(view, { target: document.body, props }));
  flushSync();
}
function now(rest: Partial<MonitorNow>, live: number | null = null): void {
  monitor.now = { generations: [], programs: [], last_measured, limit, ...rest } as unknown as MonitorNow;
  const running = live !== null;
  status.now = {
    ...{ model: { type: "none" }, memory: null },
    throughput: { running, decode_tokens_per_second: live, context_used_tokens: null, last: timings },
  } as unknown as Status;
}
beforeEach(() => {
  rust.throughputByModel.mockResolvedValue({ status: "ok", data: [] });
});
afterEach(() => {
  for (const view of mounted.splice(0)) void unmount(view);
  vi.clearAllMocks();
  [monitor.now, status.now, throughput.models, throughput.exported] = [null, null, [], null];
});

describe("the card of the decode rate", () => {
  it("tells the last answer with its share of the limit, and what the limit is made of", () => {
    now({});
    show(Decode, {});
    expect(words("monitor-limit")).toBe("73 % of this machine’s limit");
    expect(words("monitor-decode")).toMatch(/p95 12.1 msworst 142 msEnergy 0.25 J per token/);
    expect(words("monitor-bandwidth")).toMatch(
      /at 40.0 GiB\/s, and a token reads 512 MiB of it, so 80.0 tokens per second are possible/,
    );
  });
  it("tells the share of this moment while tokens come", () => {
    now({ limit: { ...limit, live_share: 0.89 } }, 71.2);
    show(Decode, {});
    expect(words("monitor-limit")).toBe("89 % of this machine’s limit");
    expect(find("measure-again")).toHaveProperty("disabled", true);
  });
  it("says nothing of a limit that several share or nobody knows", () => {
    now({ last_measured: null, limit: null }, 71.2);
    show(Decode, {});
    expect([find("monitor-limit"), find("monitor-bandwidth")]).toEqual([null, null]);
    expect(words("monitor-decode")).toMatch(/Energy not reported here/);
  });
  it("measures the memory again on request, and tells a refusal", async () => {
    const told = vi.fn();
    showFailuresWith(told);
    rust.measureBandwidth.mockResolvedValue({ status: "error", error: failure("busy") });
    now({});
    show(Decode, {});
    find("measure-again")!.click();
    flushSync();
    expect(words("measure-again")).toBe("Measuring");
    await vi.waitFor(() => expect(told).toHaveBeenCalledWith(failure("busy")));
    flushSync();
    expect(words("measure-again")).toBe("Measure again");
  });
});

describe("the throughput by model", () => {
  const models = [
    {
      ...{ model: "SmolLM2", answers: 12, decode_tokens_per_second: 58.7, ttft_ms: 420 },
      ...{ prefill_tokens_per_second: null, energy_joules_per_token: null, limit_share: 0.73 },
    },
  ];
  async function shown(): Promise<void> {
    rust.throughputByModel.mockResolvedValue({ status: "ok", data: models });
    show(Throughput, {});
    await vi.waitFor(() => expect(throughput.models).toHaveLength(1));
    flushSync();
  }
  it("is a table with a dash for what was not measured, newly asked for after each answer", async () => {
    await shown();
    const cells = [...document.querySelectorAll("td")].map((cell) => cell.textContent);
    expect(cells).toEqual(["SmolLM2", "12", "58.7", "73 %", "0.42 s", "–", "–"]);
    now({});
    flushSync();
    expect(rust.throughputByModel).toHaveBeenCalledTimes(2);
  });
  it("is exported by a click, and the file is named", async () => {
    rust.exportThroughput.mockResolvedValue({ status: "ok", data: "/home/ada/Downloads/w.csv" });
    await shown();
    find("export-csv")!.click();
    await vi.waitFor(() => expect(throughput.exported).not.toBeNull());
    flushSync();
    expect(rust.exportThroughput).toHaveBeenCalledExactlyOnceWith("csv");
    expect(words("exported")).toBe("Saved as /home/ada/Downloads/w.csv");
  });
  it("is exported from the palette", async () => {
    rust.exportThroughput.mockResolvedValue({ status: "ok", data: "w.json" });
    const item = paletteItems().find((item) => item.name === "Export throughput as JSON");
    item!.run();
    await vi.waitFor(() => expect(throughput.exported).toBe("w.json"));
    expect(rust.exportThroughput).toHaveBeenCalledExactlyOnceWith("json");
  });
  it("says what will be here while there is nothing", () => {
    show(Throughput, {});
    expect(words("monitor-throughput")).toMatch(/No answer is kept yet/);
    expect(find("export-csv")).toBeNull();
  });
});

describe("the line under an answer", () => {
  const message: Message = {
    ...{ id: 2, parent_id: 1, role: "assistant", text: "Hello", reasoning: "", state: "complete" },
    ...{
      interruption: null,
      model: "SmolLM2",
      finish_reason: "end_of_turn",
      timings,
      measured: last_measured,
    },
    ...{ created_at_ms: 0, siblings: [2] },
  };
  it("has few figures, and all of them after a click", () => {
    show(MessageFooter, { message, busy: false, last: true });
    expect(words("figures")).toBe("58.7 tok/sTTFT 0.42 s96 tokensprefill 1,904100 reused");
    expect(find("figures-more")).toBeNull();
    find("figures")!.click();
    flushSync();
    expect(words("figures-more")).toMatch(
      /Queued 3 ms.*Energy 0.25 J per token.*73 % of this machine’s limit/,
    );
    expect(find("figures")!.getAttribute("aria-expanded")).toBe("true");
    find("figures")!.click();
    flushSync();
    expect(find("figures-more")).toBeNull();
  });
  it("is no button where the engine told nothing", () => {
    show(MessageFooter, { message: { ...message, timings: null, measured: null }, busy: false, last: true });
    expect(find("figures")!.tagName).toBe("DIV");
  });
});
