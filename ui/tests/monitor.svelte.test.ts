/* The timeline's columns, the polling of them, and what the monitor says in words. What uPlot paints is not tested here. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, describe, expect, it, vi } from "vitest";
import type {
  GenerationNow,
  GpuReading,
  Light,
  LightState,
  MonitorEvent,
  MonitorNow,
  Reading,
  Timeline,
} from "../src/lib/bindings";
import { clockOf, celsius, watts, wholePercent } from "../src/lib/format";
import { gpuRows, machineRows } from "../src/lib/machine-words";
import { joined, newest, stacked } from "../src/lib/timeline";
import { monitor } from "../src/state/monitor.svelte";
import { status } from "../src/state/status.svelte";
import Monitor from "../src/views/monitor/Monitor.svelte";
import { GIB } from "./fixtures";

const rust = vi.hoisted(() => ({
  timeline: vi.fn<(...args: unknown[]) => Promise<unknown>>(),
  monitorNow: vi.fn<(...args: unknown[]) => Promise<unknown>>(),
  stopGeneration: vi.fn(() => Promise.resolve({ status: "ok", data: null })),
  restartModel: vi.fn(() => Promise.resolve({ status: "ok", data: null })),
  throughputByModel: vi.fn(() => Promise.resolve({ status: "ok", data: [] })),
  unloadModel: vi.fn(() => Promise.resolve({ status: "ok", data: null })),
}));
vi.mock("../src/lib/bindings", () => ({ commands: rust, events: {} }));
const drawn = vi.hoisted(() => ({ charts: [] as string[][] }));
vi.mock("../src/lib/plot", () => ({
  chart: (_: unknown, __: unknown, drawing: { lines: { name: string }[] }) => {
    drawn.charts.push(drawing.lines.map((line) => line.name));
    return { draw: vi.fn(), resize: vi.fn(), destroy: vi.fn() };
  },
}));
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe = vi.fn();
    disconnect = vi.fn();
  },
);

const event = (at_ms: number, rest: Partial<MonitorEvent> = {}): MonitorEvent => ({
  ...{ at_ms, kind: "loaded", subject: "SmolLM2" },
  ...rest,
});
const timeline = (at_ms: number[], rest: Partial<Timeline> = {}): Timeline => {
  const column = at_ms.map(() => 1);
  const absent = at_ms.map(() => null);
  return {
    ...{ at_ms, weights_bytes: column, kv_cache_bytes: column, app_bytes: column, other_bytes: column },
    ...{ page_cache_bytes: column, decode_tokens_per_second: absent, gpu_utilization: absent },
    ...{ power_watts: absent, celsius: absent, events: [] },
    ...rest,
  };
};
const pool = {
  ...{
    total_bytes: 16 * GIB,
    weights_bytes: 4 * GIB,
    kv_cache_bytes: GIB,
    scratch_bytes: 0,
    app_bytes: GIB / 4,
  },
  ...{ other_bytes: 3 * GIB, page_cache_bytes: 2 * GIB, free_bytes: 5.75 * GIB },
};
const quiet = { running: false, decode_tokens_per_second: null, context_used_tokens: null, last: null };
const light = (state: LightState, reason = "So it is."): Light => ({ state, reason });
const reading: Reading = {
  ...{ recorded: null, memory: null, swap: null, pressure: null, cores: [0.5, 1], disks: [], networks: [] },
  ...{ sensors: [], gpus: [], gpu_absence: { type: "no_driver" } },
};
const gb10: GpuReading = {
  ...{
    index: 0,
    name: "NVIDIA GB10",
    uuid: null,
    compute_capability: "12.1",
    integrated: true,
    memory: null,
    utilization: 0.96,
  },
  ...{ memory_utilization: null, sm_clock_mhz: 2418, sm_clock_max_mhz: 3003, memory_clock_mhz: null },
  ...{ power_watts: 71, power_limit_watts: null, celsius: 64, throttle: [], processes: null },
  ...{ driver: "580.95.05", cuda_driver: "13.0" },
};
const find = (id: string) => document.querySelector<HTMLElement>(`[data-testid=${id}]`);

describe("a timeline", () => {
  it("grows at its end and loses what is older than its span", () => {
    const older = timeline([1000, 200_000, 300_000], { events: [event(900), event(250_000)] });
    const newer = timeline([301_500], { events: [event(301_000)] });
    const both = joined(older, newer, "five_minutes");
    expect(both.at_ms).toEqual([200_000, 300_000, 301_500]);
    expect(both.weights_bytes).toHaveLength(3);
    expect(both.power_watts).toEqual([null, null, null]);
    expect(both.events.map((one) => one.at_ms)).toEqual([250_000, 301_000]);
  });
  it("gives up what a clock that was set back has made the future", () => {
    const both = joined(timeline([1000, 2000, 3000]), timeline([1500]), "five_minutes");
    expect(both.at_ms).toEqual([1000, 1500]);
  });
  it("asks next for what is newer than all that is here", () => {
    expect(newest(timeline([]))).toBe(0);
    expect(newest(timeline([5], { events: [event(7)] }))).toBe(7);
  });
  it("is stacked without making a nothing of an absence", () => {
    const sums = stacked([
      [1, null, null],
      [2, 3, null],
    ]);
    expect(sums).toEqual([
      [1, null, null],
      [3, 3, null],
    ]);
  });
});

describe("figures of the monitor", () => {
  it("say what they are, and a dash where there is nothing", () => {
    expect([watts(8.41), watts(71.2), watts(null)]).toEqual(["8.4 W", "71 W", "–"]);
    expect([celsius(63.6), celsius(undefined)]).toEqual(["64 °C", "–"]);
    expect([wholePercent(0.961), wholePercent(null)]).toEqual(["96 %", "–"]);
  });
  it("give the time as fine as the span wants it", () => {
    const at = new Date(2026, 10, 4, 9, 5, 7).getTime();
    expect([clockOf(at, 300_000), clockOf(at, 3_600_000), clockOf(at, 6e8)]).toEqual([
      ...["09:05:07", "09:05", "Wed 09:05"],
    ]);
  });
});

describe("what a machine tells", () => {
  const words = (rows: { name: string; words: string }[]) =>
    Object.fromEntries(rows.map((row) => [row.name, row.words]));
  it("is told in words, and what it does not tell is said so, never zero", () => {
    expect(words(gpuRows(gb10))).toEqual({
      Utilization: "96 %",
      Clock: "2,418 MHz of 3,003 MHz",
      "Memory clock": "not reported by this GPU",
      Power: "71 W",
      Temperature: "64 °C",
      Memory: "one pool with the machine's, above",
      "Used by": "not reported by this GPU",
      "Slowed down": "no",
    });
    const discrete = { ...gb10, integrated: false, memory: { total_bytes: 24 * GIB, used_bytes: 6 * GIB } };
    const used = (...bytes: (number | null)[]) => {
      const processes = bytes.map((used_bytes, pid) => ({ pid, used_bytes }));
      return words(gpuRows({ ...gb10, processes }))["Used by"];
    };
    expect(used()).toBe("nobody");
    expect(used(null)).toBe("1 program");
    expect(used(GIB, null, GIB / 2)).toBe("3 programs, 1.5 GiB");
    expect(words(gpuRows({ ...discrete, throttle: ["thermal"] }))).toMatchObject({
      Memory: "6.0 GiB of 24.0 GiB (25 %)",
      "Slowed down": "it is too hot",
    });
  });
  it("has rates only where there are some", () => {
    const disk = { name: "nvme0n1", read_bytes_per_second: null, written_bytes_per_second: 2 ** 21 };
    const pressure = { some_avg10: 12.3, full_avg10: 1 };
    const swap = { total_bytes: 0, used_bytes: 0 };
    expect(words(machineRows({ ...reading, disks: [disk], pressure, swap }))).toEqual({
      "Waiting for memory": "12.3 % of the last ten seconds",
      Swap: "none",
      "Disk nvme0n1": "read –, write 2 MiB/s",
    });
  });
});

describe("the monitor", () => {
  const mounted: Record<string, unknown>[] = [];
  async function show(answer: Timeline, now: Partial<MonitorNow> = {}): Promise<void> {
    const data = { reading, programs: [], generations: [], ...now };
    rust.monitorNow.mockResolvedValue({ status: "ok", data });
    rust.timeline.mockResolvedValue({ status: "ok", data: answer });
    drawn.charts.length = 0;
    document.body.innerHTML = "";
    mounted.push(mount(Monitor, { target: document.body }));
    flushSync();
    await vi.waitFor(() => expect(monitor.timeline?.at_ms).toEqual(answer.at_ms));
    await vi.waitFor(() => expect(monitor.now).toEqual(data));
    flushSync();
  }
  afterEach(() => {
    for (const view of mounted.splice(0)) void unmount(view);
    monitor.timeline = null;
    monitor.now = null;
    monitor.span = "five_minutes";
  });

  it("names every part of the memory with its size, and draws what this machine tells", async () => {
    status.now = { model: { type: "none" }, memory: pool, throughput: quiet, light: light("off") };
    await show(timeline([1000], { celsius: [50] }));
    const words = find("monitor-pool")!.textContent.replace(/\s+/g, " ");
    expect(words).toMatch(/16.0 GiB 8.3 used · 5.8 free/);
    expect(words).toMatch(/KV cache 1.0 GiB.*Other programs 3.0 GiB.*Page cache, reclaimable 2.0 GiB/);
    expect(find("chart-memory")).not.toBeNull();
    expect(find("chart-temperature")?.textContent).toMatch(/50 °C/);
    expect(find("chart-gpu")).toBeNull();
    expect(find("chart-power")).toBeNull();
    expect(drawn.charts).toContainEqual([
      "Other programs",
      "Buffers and the rest of Wick",
      "KV cache",
      "Weights",
    ]);
  });
  it("says what happened, the newest first", async () => {
    const events = [event(1), event(2, { kind: "load_failed", subject: "Broken" })];
    await show(timeline([1000], { events }));
    const lines = [...find("monitor-events")!.querySelectorAll("li b")].map((one) => one.textContent);
    expect(lines).toEqual(["Broken", "SmolLM2"]);
    expect(find("monitor-events")?.textContent).toMatch(/could not be loaded/);
  });
  it("unloads the loaded model with a click", async () => {
    status.now = {
      model: {
        ...{ type: "loaded", model_id: "a", name: "SmolLM2", architecture: "llama", quantization: "Q4_1" },
        ...{ context_tokens: 8192, device: "CPU" },
      },
      ...{
        memory: pool,
        throughput: { ...quiet, context_used_tokens: 77 },
        light: light("stuck", "It hangs."),
      },
    };
    await show(timeline([1000]));
    expect(find("monitor-loaded")?.textContent).toMatch(/77 of 8,192/);
    expect(find("monitor-light")?.textContent).toMatch(/stuck\s+It hangs\./);
    find("monitor-restart")!.click();
    expect(rust.restartModel).toHaveBeenCalledOnce();
    find("monitor-unload")!.click();
    expect(rust.unloadModel).toHaveBeenCalledOnce();
  });
  it("lists what runs, and stops it with a click", async () => {
    const one: GenerationNow = {
      ...{
        asker: { type: "conversation" as const, id: 7 },
        model: "SmolLM2",
        generated_tokens: 96,
        decode_tokens_per_second: 58.7,
      },
      ...{ stage: { type: "decode" as const }, running_ms: 1700 },
    };
    await show(timeline([1000]), { generations: [one] });
    expect(find("running-row")?.textContent.replace(/\s+/g, " ")).toMatch(/SmolLM2writes9658.7 tok\/s1.70 s/);
    find("running-stop")!.click();
    expect(rust.stopGeneration).toHaveBeenCalledWith(7);
    for (const view of mounted.splice(0)) void unmount(view);
    await show(timeline([1000]), { generations: [{ ...one, asker: { type: "kiosk" } }] });
    expect(find("running-row")?.textContent).toMatch(/Kiosk/);
    expect(find("running-stop")).toBeNull();
  });
  it("shows a GPU with memory of its own as a second pool, an integrated one as part of the first", async () => {
    const discrete = { ...gb10, integrated: false, memory: { total_bytes: 24 * GIB, used_bytes: 6 * GIB } };
    await show(timeline([1000]), { reading: { ...reading, gpus: [discrete], gpu_absence: null } });
    expect(find("monitor-gpu-pool")?.textContent).toMatch(/24\.0 GiB\s+6\.0 used · 18\.0 free/);
    for (const view of mounted.splice(0)) void unmount(view);
    await show(timeline([1000]), { reading: { ...reading, gpus: [gb10], gpu_absence: null } });
    expect(find("monitor-gpu-pool")).toBeNull();
    expect(find("monitor-machine")?.textContent).toMatch(/one pool with the machine's/);
  });
  it("says that a machine is a recorded one, and who else has memory", async () => {
    const programs = [{ name: "firefox", bytes: 3 * GIB, processes: 9 }];
    await show(timeline([1000]), { programs, reading: { ...reading, recorded: "A Spark" } });
    expect(find("monitor-recorded")?.textContent).toMatch(/not this machine: A Spark/);
    expect(find("monitor-programs")?.textContent).toMatch(/firefox\s+3.0 GiB/);
    expect(find("monitor-machine")?.textContent).toMatch(/no NVIDIA driver/);
  });
  it("asks for another span at once, and for nothing once it is left", async () => {
    await show(timeline([1000]));
    find("span-week")!.click();
    await vi.waitFor(() => expect(rust.timeline).toHaveBeenLastCalledWith("week", 0));
    for (const view of mounted.splice(0)) void unmount(view);
    flushSync();
    const asked = rust.timeline.mock.calls.length;
    vi.useFakeTimers();
    await vi.advanceTimersByTimeAsync(300_000);
    vi.useRealTimers();
    expect(rust.timeline.mock.calls.length).toBe(asked);
  });
});
