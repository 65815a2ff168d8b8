/* Settings → Kiosk, with Rust's side played by the test: what can be set, what is wrong, and who came. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Display, KioskLog, KioskSetup } from "../src/lib/bindings";
import { showFailuresWith } from "../src/lib/errors";
import { kioskSetup } from "../src/state/kiosk-setup.svelte";
import { paletteItems } from "../src/views/frame/palette-items";
import Kiosk from "../src/views/settings/Kiosk.svelte";
import { failure } from "./fixtures";

type Call = (...args: unknown[]) => Promise<unknown>;
const rust = vi.hoisted(() => ({}) as Record<string, ReturnType<typeof vi.fn<Call>>>);
vi.mock("../src/lib/bindings", () => ({ commands: rust, events: {} }));

const ok = (data: unknown) => Promise.resolve({ status: "ok", data });
const SETUP: KioskSetup = {
  ...{ folder: "/data/kiosk", has_folder: true, problem: null, scenes: 3, models: ["A"], missing_models: [] },
  ...{ has_pin: true, display: null },
};
const DISPLAYS: Display[] = [
  { name: "eDP-1", description: null, width: 1920, height: 1080, scale: 1, is_current: true },
  { name: "HDMI-1", description: "TV", width: 3840, height: 2160, scale: 2, is_current: false },
];
const LOG: KioskLog = {
  ...{ count: 2, turns: 7, tokens: 1234, faults: 1, median_duration_ms: 94_000 },
  decode_tokens_per_second: 57.9,
  sessions: [
    {
      ...{ began_at_ms: 0, duration_ms: 60_000, ended: "started_over", model: "A", turns: 3, tokens: 900 },
      ...{ decode_tokens_per_second: 57.9, ttft_ms: 420, faults: 1 },
    },
  ],
};

let page: Record<string, unknown> | null = null;
const failures: string[] = [];
beforeEach(() => {
  showFailuresWith((one) => failures.push(one.message));
  for (const name of ["setKioskPin", "setKioskDisplay", "openKioskFolder", "flashDisplays", "startKiosk"])
    rust[name] = vi.fn<Call>(() => ok(null));
  rust.kioskSetup = vi.fn<Call>(() => ok(SETUP));
  rust.makeKioskFolder = vi.fn<Call>(() => ok(SETUP));
  rust.kioskDisplays = vi.fn<Call>(() => ok(DISPLAYS));
  rust.kioskSessions = vi.fn<Call>(() => ok(LOG));
  rust.exportKioskSessions = vi.fn<Call>(() => ok("/downloads/kiosk.csv"));
});
afterEach(async () => {
  if (page) await unmount(page);
  page = null;
  [kioskSetup.now, kioskSetup.log, kioskSetup.exported, kioskSetup.failure] = [null, null, null, null];
  vi.useRealTimers();
});
const settled = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  flushSync();
};
const open = async (setup: Partial<KioskSetup> = {}) => {
  rust.kioskSetup!.mockImplementation(() => ok({ ...SETUP, ...setup }));
  document.body.innerHTML = "";
  page = mount(Kiosk, { target: document.body });
  await settled();
};
const find = <T extends HTMLElement = HTMLButtonElement>(id: string) =>
  document.querySelector<T>(`[data-testid=kiosk-${id}]`);
const click = async (id: string) => {
  find(id)!.click();
  await settled();
};
const words = (id: string) => find(id)?.textContent.replace(/\s+/g, " ").trim();

describe("the kiosk's settings", () => {
  it("start it, and say why they do not", async () => {
    await open();
    rust.startKiosk!.mockImplementation(() =>
      Promise.resolve({ status: "error", error: failure("invalid_request", { message: "No screen." }) }),
    );
    await click("start");
    expect(document.body.textContent).toContain("No screen.");
  });
  it("do not start it without a PIN", async () => {
    await open({ has_pin: false });
    expect(find("start")?.disabled).toBe(true);
    expect(document.body.textContent).toContain("Set a PIN first.");
  });
  it("list the screens, keep one that is not plugged in, and choose", async () => {
    await open({ display: "DP-9" });
    const inputs = [...document.querySelectorAll<HTMLInputElement>("[data-testid=kiosk-display]")];
    expect(inputs.map((one) => [one.dataset.name, one.checked])).toEqual([
      ["", false],
      ["eDP-1", false],
      ["HDMI-1", false],
      ["DP-9", true],
    ]);
    expect(document.body.textContent).toMatch(/TV · 3840 × 2160 · at 2×/);
    expect(document.body.textContent).toMatch(/DP-9\s*is not plugged in now/);
    inputs[2]!.click();
    await settled();
    expect(rust.setKioskDisplay).toHaveBeenCalledWith("HDMI-1");
    await click("flash");
    expect(rust.flashDisplays).toHaveBeenCalled();
  });
  it("name what is wrong in the folder, until it is mended", async () => {
    vi.useFakeTimers();
    const problem = { file: "kiosk.toml", line: 14, message: "No key “secnds”.", remedy: "Write “seconds”." };
    await open({ problem, missing_models: ["B"] });
    expect(words("problem")).toMatch(/kiosk\.toml, line 14: No key “secnds”\. Write “seconds”\./);
    expect(words("missing")).toContain("B");
    rust.kioskSetup!.mockImplementation(() => ok(SETUP));
    await vi.advanceTimersByTimeAsync(2000);
    await settled();
    expect(find("problem")).toBeNull();
    expect(words("scenes")).toBe("3 scenes in force.");
  });
  it("write the scenes where there is no folder yet, else open it", async () => {
    await open({ has_folder: false });
    await click("make-folder");
    expect(rust.makeKioskFolder).toHaveBeenCalled();
    await click("open-folder");
    expect(rust.openKioskFolder).toHaveBeenCalled();
  });
  it("tell who came, and write it into a file", async () => {
    await open();
    expect(rust.kioskSessions).toHaveBeenLastCalledWith(7);
    expect(words("summary")).toMatch(/Visitors 2.*Questions 7.*Tokens 1,234.*1 min 34 s.*57\.9.*Faults 1/);
    expect(words("sessions")).toMatch(/1 min 0 s.*900.*started over.*A/);
    await click("days-30");
    expect(rust.kioskSessions).toHaveBeenLastCalledWith(30);
    await click("export");
    expect(document.body.textContent).toContain("/downloads/kiosk.csv");
  });
});

describe("the PIN", () => {
  const write = async (first: string, second: string) => {
    for (const [id, value] of [
      ["pin-first", first],
      ["pin-second", second],
    ] as const) {
      const field = find<HTMLInputElement>(id)!;
      field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    flushSync();
    document.querySelector("form")!.dispatchEvent(new Event("submit", { cancelable: true, bubbles: true }));
    await settled();
  };
  it("is written twice, and then forgotten here", async () => {
    await open();
    await write("4711", "4712");
    expect(words("pin-words")).toBe("The two are not the same.");
    expect(rust.setKioskPin).not.toHaveBeenCalled();
    await write("4711", "4711");
    expect(rust.setKioskPin).toHaveBeenCalledWith("4711");
    expect(words("pin-words")).toBe("It is set.");
    expect(find<HTMLInputElement>("pin-first")?.value).toBe("");
  });
  it("is refused in Rust’s words", async () => {
    await open();
    const error = failure("invalid_request", { message: "That is too simple.", hint: "Take another." });
    rust.setKioskPin!.mockImplementation(() => Promise.resolve({ status: "error", error }));
    await write("1234", "1234");
    expect(words("pin-words")).toBe("That is too simple. Take another.");
  });
});

it("the palette starts it", async () => {
  paletteItems()
    .find((item) => item.name === "Start the kiosk")!
    .run();
  await settled();
  expect(rust.startKiosk).toHaveBeenCalled();
  expect(failures).toEqual([]);
});
