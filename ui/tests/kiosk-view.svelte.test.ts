/* What a stranger sees of the kiosk, with Rust's side played by the test. Layout is not tested here. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { KioskAnswer, KioskPhase, KioskReadings, KioskView } from "../src/lib/bindings";
import { kiosk } from "../src/state/kiosk.svelte";
import { operator } from "../src/state/kiosk-operator.svelte";
import { Visit } from "../src/state/kiosk-visit.svelte";
import { readings } from "../src/state/kiosk-readings.svelte";
import Kiosk from "../src/views/kiosk/Kiosk.svelte";
import { GIB } from "./fixtures";

type Call = (...args: unknown[]) => Promise<unknown>;
const rust = vi.hoisted(() => ({
  calls: {} as Record<string, unknown>,
  told: {} as Record<string, unknown>,
}));
vi.mock("../src/lib/bindings", () => ({
  commands: rust.calls,
  events: {
    kioskChanged: { listen: async (take: unknown) => void (rust.told.changed = take) },
    kioskRead: { listen: async (take: unknown) => void (rust.told.read = take) },
  },
}));
vi.mock("../src/lib/events", () => ({ channel: (take: unknown) => take }));
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe = vi.fn();
    disconnect = vi.fn();
  },
);

const ok = (data: unknown) => Promise.resolve({ status: "ok", data });
const refused = (message: string) =>
  Promise.resolve({ status: "error", error: { code: "internal", message, hint: null, link: null } });

const VIEW: KioskView = {
  ...{ version: 1, motto: "No cloud.", overlay: "beside", visit: null },
  scenes: [
    { type: "title", heading: "Hello", text: "there", picture: null, seconds: 8 },
    { type: "live", prompt: "Why?", seconds: 3 },
  ],
  visitor: {
    ...{ greeting: "Ask me.", cards: ["Card one", "Card two"], models: [{ id: "/a", name: "A" }] },
    ...{ max_turns: 5, max_message_characters: 100, keyboard: "auto", layout: "qwerty" },
  },
  now: { version: 1, phase: { type: "attract" }, model: "A" },
};
const READINGS: KioskReadings = {
  memory: {
    ...{ total_bytes: 128 * GIB, weights_bytes: 60 * GIB, kv_cache_bytes: 10 * GIB, scratch_bytes: 0 },
    ...{ app_bytes: 3 * GIB, other_bytes: 5 * GIB, page_cache_bytes: 9 * GIB, free_bytes: 41 * GIB },
  },
  ...{ model: "A", running: true, decode_tokens_per_second: 58.7, ttft_ms: 420, power_watts: null },
  ...{ celsius: 64, limit_share: 0.89, light: { state: "working", reason: "" } },
};

let page: Record<string, unknown> | null = null;
/** The answer that is being written, as Rust would tell it. */
let answer: { tell: (event: KioskAnswer) => void; end: (outcome: unknown) => void };
const call = (name: string) => rust.calls[name] as ReturnType<typeof vi.fn<Call>>;

beforeEach(() => {
  const written: Call = (...args) =>
    new Promise((resolve) => {
      const take = args.at(-1) as (event: KioskAnswer) => void;
      answer = {
        tell: (event) => (take(event), flushSync()),
        end: (outcome) => resolve(outcome),
      };
    });
  for (const name of ["Beat", "Touched", "Stop", "ChooseModel", "StartOver", "Lock", "Today", "Leave"])
    rust.calls[`kiosk${name}`] = vi.fn<Call>(() => ok(null));
  rust.calls.kioskView = vi.fn<Call>(() => ok(VIEW));
  rust.calls.kioskPlay = vi.fn<Call>(written);
  rust.calls.kioskSay = vi.fn<Call>(written);
  rust.calls.kioskBegin = vi.fn<Call>(() => ok(1));
  rust.calls.kioskTryPin = vi.fn<Call>(() => ok({ type: "wrong", wait_ms: 0 }));
});
afterEach(async () => {
  if (page) await unmount(page);
  page = null;
  operator.close();
  operator.waitsUntil = 0;
  [kiosk.view, kiosk.now, readings.now, readings.rate, readings.rates] = [null, null, null, null, []];
  vi.useRealTimers();
});

const settled = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  flushSync();
};
const open = async (view: Partial<KioskView> = {}) => {
  call("kioskView").mockImplementation(() => ok({ ...VIEW, ...view }));
  document.body.innerHTML = "";
  page = mount(Kiosk, { target: document.body });
  await settled();
};
const phase = async (next: KioskPhase) => {
  (rust.told.changed as (event: unknown) => void)({ payload: { ...VIEW.now, phase: next } });
  await settled();
};
const visit = (id = 1): KioskPhase => ({ type: "visit", visit: id });
const find = <T extends HTMLElement = HTMLElement>(id: string) =>
  document.querySelector<T>(`[data-testid=kiosk-${id}]`);
const all = (id: string) => [...document.querySelectorAll<HTMLElement>(`[data-testid=kiosk-${id}]`)];
const said = () => all("message").map((one) => `${one.dataset.from}: ${one.textContent.trim()}`);
const press = (target: EventTarget, key: string, rest: KeyboardEventInit = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...rest });
  target.dispatchEvent(event);
  flushSync();
  return event;
};
const touch = (target: EventTarget, pointerType = "touch") =>
  target.dispatchEvent(
    Object.assign(new MouseEvent("pointerdown", { bubbles: true, cancelable: true }), { pointerType }),
  );
const click = async (id: string, index = 0) => {
  all(id)[index]!.click();
  await settled();
};
const type = (text: string) => {
  const field = find<HTMLTextAreaElement>("field")!;
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
  return field;
};

describe("while nobody is there", () => {
  it("shows the first scene and says that it is painted", async () => {
    await open();
    expect(find("scene")?.dataset).toMatchObject({ type: "title", index: "0" });
    expect(document.documentElement.dataset.phase).toBe("attract");
    await vi.waitFor(() => expect(document.documentElement.dataset.ready).toBe("true"));
  });
  it("begins at a touch", async () => {
    await open();
    touch(document.querySelector("main")!);
    await settled();
    expect(call("kioskBegin")).toHaveBeenCalledTimes(1);
    expect(document.documentElement.dataset.phase).toBe("visit");
    expect(find("scene")).toBeNull();
  });
  it("begins at a key, which is not typed", async () => {
    await open();
    expect(press(document.body, "x").defaultPrevented).toBe(true);
    await settled();
    expect(find<HTMLTextAreaElement>("field")?.value).toBe("");
    // It is still held.
    expect(press(find("field")!, "x", { repeat: true }).defaultPrevented).toBe(true);
    expect(press(find("field")!, "x").defaultPrevented).toBe(false);
    expect(press(find("field")!, "x", { repeat: true }).defaultPrevented).toBe(false);
  });
  it("begins at no shift key and no moved pointer", async () => {
    await open();
    for (const key of ["Control", "Alt", "Shift", "Meta"]) press(document.body, key);
    press(document.body, "w", { ctrlKey: true });
    document.querySelector("main")!.dispatchEvent(new MouseEvent("pointermove", { bubbles: true }));
    await settled();
    expect(call("kioskBegin")).not.toHaveBeenCalled();
  });
  it("shows a live answer as it comes", async () => {
    await open({ scenes: [VIEW.scenes[1]!] });
    expect(find("scene")?.dataset.type).toBe("live");
    answer.tell({ type: "finished", text: "Because **so**.", turns_left: 0 });
    expect(find("scene")?.textContent).toContain("Because so.");
  });
  it("shows the scenes anew when the folder has changed", async () => {
    await open();
    const scenes = [{ ...VIEW.scenes[0]!, heading: "Changed" }] as KioskView["scenes"];
    const now = { ...VIEW.now, version: 2 };
    call("kioskView").mockImplementation(() => ok({ ...VIEW, version: 2, scenes, now }));
    (rust.told.changed as (event: unknown) => void)({ payload: now });
    await settled();
    expect(find("scene")?.textContent).toContain("Changed");
  });
});

describe("a visitor", () => {
  const begin = async (view: Partial<KioskView> = {}) => {
    await open({ ...view, now: { ...VIEW.now, phase: visit() } });
  };

  it("is greeted with cards, and a card asks", async () => {
    await begin();
    expect(document.querySelector("h1")?.textContent).toBe("Ask me.");
    await click("card", 1);
    expect(call("kioskSay").mock.calls[0]?.slice(0, 2)).toEqual([1, "Card two"]);
    expect(said()[0]).toBe("visitor: Card two");
    answer.tell({ type: "finished", text: "An **answer**.", turns_left: 4 });
    answer.end({ status: "ok", data: null });
    await settled();
    expect(said()).toEqual(["visitor: Card two", "model: An answer."]);
    expect(document.querySelector("strong")?.textContent).toBe("answer");
  });
  it("writes, sends with Enter, and can stop the answer", async () => {
    await begin();
    const field = type("  Hello  ");
    press(field, "Enter");
    await settled();
    expect(call("kioskSay").mock.calls[0]?.[1]).toBe("Hello");
    expect(field.value).toBe("");
    await click("stop");
    expect(call("kioskStop")).toHaveBeenCalledWith(1);
  });
  it("sees an answer begin again when its worker was lost", async () => {
    await begin();
    await click("card");
    answer.tell({ type: "token", text: "Half an" });
    answer.tell({ type: "again" });
    answer.tell({ type: "finished", text: "Whole.", turns_left: 4 });
    expect(said()[1]).toBe("model: Whole.");
  });
  it("gets back what was refused, with calm words and no error text", async () => {
    await begin();
    press(type("Keep this"), "Enter");
    await settled();
    answer.end({ status: "error", error: { code: "internal", message: "0xdead", hint: null, link: null } });
    await settled();
    expect(find<HTMLTextAreaElement>("field")?.value).toBe("Keep this");
    expect(find("words")?.textContent).toMatch(/Please try again/);
    expect(document.body.textContent).not.toContain("0xdead");
    expect(said()).toEqual([]);
  });
  it("is told when few messages are left, and when none is", async () => {
    await begin();
    for (const left of [3, 0]) {
      press(type(`${left}`), "Enter");
      await settled();
      answer.tell({ type: "finished", text: "ok", turns_left: left });
      answer.end({ status: "ok", data: null });
      await settled();
      if (left > 0) expect(find("words")?.textContent).toContain("3 more questions");
    }
    expect(find("field")).toBeNull();
    expect(document.body.textContent).toContain("That was all for one visit");
    expect(find("start-over")).not.toBeNull();
  });
  it("leaves nothing behind", async () => {
    await begin();
    press(type("Zauberwort"), "Enter");
    await settled();
    answer.tell({ type: "token", text: "Geheimnis" });
    type("Entwurf");
    const late = answer;
    await phase({ type: "attract" });
    late.tell({ type: "finished", text: "Geheimnis", turns_left: 1 });
    late.end({ status: "ok", data: null });
    await phase(visit(2));
    expect(document.body.innerHTML).not.toMatch(/Zauberwort|Geheimnis|Entwurf/);
    expect(find<HTMLTextAreaElement>("field")?.value).toBe("");
    expect(find("keyboard")).toBeNull();
    expect(said()).toEqual([]);
  });
  it("sees nothing of the one before who comes right after them", async () => {
    await begin();
    press(type("Zauberwort"), "Enter");
    await settled();
    type("Entwurf");
    await phase(visit(2));
    expect(document.body.innerHTML).not.toMatch(/Zauberwort/);
    expect(find<HTMLTextAreaElement>("field")?.value).toBe("");
  });
  it("is not kept once they are dropped", async () => {
    const one = new Visit(1, { ...VIEW, visit: null });
    void one.say("Zauberwort");
    one.draft = "Entwurf";
    answer.tell({ type: "token", text: "Geheimnis" });
    const written = one.answering!;
    one.drop();
    answer.tell({ type: "finished", text: "Geheimnis", turns_left: 1 });
    answer.end({ status: "ok", data: null });
    await settled();
    expect([one.messages, one.draft, one.answering, written.text]).toEqual([[], "", null, ""]);
  });
  it("finds the conversation again after the page was loaded anew", async () => {
    vi.useFakeTimers();
    const messages = [{ from_visitor: true, text: "Before" }];
    const ongoing = { visit: 1, messages, answering: true, turns_left: 2 };
    await begin({ visit: ongoing });
    expect(said()).toEqual(["visitor: Before"]);
    expect(find("stop")).not.toBeNull();
    const whole = [...messages, { from_visitor: false, text: "After" }];
    const over = { ...ongoing, messages: whole, answering: false };
    call("kioskView").mockImplementation(() => ok({ ...VIEW, visit: over }));
    await vi.advanceTimersByTimeAsync(500);
    flushSync();
    expect(said()).toEqual(["visitor: Before", "model: After"]);
    const asked = call("kioskView").mock.calls.length;
    await vi.advanceTimersByTimeAsync(5000);
    expect(call("kioskView")).toHaveBeenCalledTimes(asked);
    // That too is gone with the visitor.
    await phase({ type: "attract" });
    expect(kiosk.view?.visit).toBeNull();
  });
  it("gets a keyboard at a touch of the field, until a real key is pressed", async () => {
    await begin();
    touch(find("field")!, "mouse");
    flushSync();
    expect(find("keyboard")).toBeNull();
    touch(find("field")!);
    flushSync();
    expect(find("keyboard")).not.toBeNull();
    press(find("field")!, "a");
    expect(find("keyboard")).toBeNull();
  });
  it("writes into the field wherever the focus has gone, but not behind the operator's sheet", async () => {
    await begin();
    const over = find("start-over")!;
    over.focus();
    press(over, " ");
    expect(document.activeElement).toBe(over);
    press(over, "h");
    expect(document.activeElement).toBe(find("field"));
    find("field")!.blur();
    press(document.body, "h");
    expect(document.activeElement).toBe(find("field"));
    operator.ask();
    flushSync();
    press(document.body, "1");
    expect(document.activeElement).toBe(find("pin"));
    const seen = [];
    for (let count = 0; count < 12; count++) {
      press(document.activeElement!, "Tab");
      seen.push((document.activeElement as HTMLElement).dataset.key);
    }
    // Ten digits and the way to erase one, and then the first again: nothing of the page below.
    expect(seen).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9", "erase", "0", "1"]);
  });
  it("always or never has one where that is set", async () => {
    await begin({ visitor: { ...VIEW.visitor, keyboard: "on" } });
    expect(find("keyboard")).not.toBeNull();
    await unmount(page!);
    await begin({ visitor: { ...VIEW.visitor, keyboard: "off" } });
    touch(find("field")!);
    flushSync();
    expect(find("keyboard")).toBeNull();
    expect(find("keyboard-toggle")).toBeNull();
  });
  it("chooses among several models", async () => {
    const models = [...VIEW.visitor.models, { id: "/b", name: "B" }];
    await begin({ visitor: { ...VIEW.visitor, models } });
    expect(all("model").map((one) => one.getAttribute("aria-pressed"))).toEqual(["true", "false"]);
    await click("model", 1);
    expect(call("kioskChooseModel")).toHaveBeenCalledWith(1, "/b");
  });
  it("is asked whether they are still there, and may stay", async () => {
    await begin();
    await phase({ type: "countdown", visit: 1, wipes_in_ms: 14_500 });
    expect(find("countdown")?.textContent).toContain("15");
    expect(document.documentElement.dataset.phase).toBe("countdown");
    await click("still-here");
    expect(call("kioskTouched")).toHaveBeenCalledWith(1);
    await phase(visit());
    expect(find("countdown")).toBeNull();
  });
  it("may wipe it now with a mouse, whose way there takes nothing away", async () => {
    await begin();
    await phase({ type: "countdown", visit: 1, wipes_in_ms: 14_500 });
    for (const clientX of [0, 400, 800]) {
      const move = new MouseEvent("pointermove", { clientX, bubbles: true });
      find("countdown")!.dispatchEvent(move);
    }
    touch(find("wipe-now")!, "mouse");
    await click("wipe-now");
    expect(call("kioskTouched")).not.toHaveBeenCalled();
    expect(call("kioskStartOver")).toHaveBeenCalledWith(1);
    touch(find("countdown")!);
    expect(call("kioskTouched")).toHaveBeenCalledTimes(1);
  });
  it("starts over", async () => {
    await begin();
    await click("start-over");
    expect(call("kioskStartOver")).toHaveBeenCalledWith(1);
  });
  it("does not press what has come under the finger that woke the page", async () => {
    await begin();
    all("card")[0]!.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
    await settled();
    expect(call("kioskSay")).not.toHaveBeenCalled();
    touch(all("card")[0]!);
    all("card")[0]!.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
    await settled();
    expect(call("kioskSay")).toHaveBeenCalledTimes(1);
  });
  it("sees the figures where they are wanted, and none that is not told", async () => {
    await begin();
    (rust.told.read as (event: unknown) => void)({ payload: READINGS });
    flushSync();
    const words = find("overlay")?.textContent.replace(/\s+/g, " ");
    for (const one of ["59", "78.0 of 128.0 GiB", "64 °C", "89 %", "Weights"]) expect(words).toContain(one);
    expect(words).not.toMatch(/ W\b|power|–|Buffers/);
    // Until the next answer has a rate, the last one's stays: nothing jumps.
    const unknown = { ...READINGS, decode_tokens_per_second: null, limit_share: null };
    (rust.told.read as (event: unknown) => void)({ payload: unknown });
    flushSync();
    expect(find("overlay")?.textContent).toContain("59");
    expect(document.querySelector(".live.big")).toBeNull();
    await unmount(page!);
    await begin({ overlay: "off" });
    expect(find("overlay")).toBeNull();
  });
});

describe("the operator", () => {
  const ask = async () => {
    press(window, "k", { ctrlKey: true, altKey: true });
    await settled();
  };
  const enter = async (pin: string) => {
    for (const digit of pin) press(document.body, digit);
    press(document.body, "Enter");
    await settled();
  };

  it("comes by keys or by holding the corner", async () => {
    vi.useFakeTimers();
    await open();
    await ask();
    expect(find("pin")).not.toBeNull();
    press(document.body, "Escape");
    expect(find("pin")).toBeNull();
    touch(find("corner")!);
    await vi.advanceTimersByTimeAsync(2999);
    flushSync();
    expect(find("pin")).toBeNull();
    await vi.advanceTimersByTimeAsync(1);
    flushSync();
    expect(find("pin")).not.toBeNull();
    expect(call("kioskBegin")).not.toHaveBeenCalled();
  });
  it("is nobody who only touches the corner", async () => {
    await open();
    touch(find("corner")!);
    find("corner")!.dispatchEvent(new MouseEvent("pointerup", { bubbles: true }));
    await settled();
    expect(call("kioskBegin")).toHaveBeenCalledTimes(1);
    expect(find("pin")).toBeNull();
  });
  it("types digits that nobody else gets", async () => {
    await open({ now: { ...VIEW.now, phase: visit() } });
    await ask();
    const field = find<HTMLTextAreaElement>("field")!;
    expect(press(field, "7").defaultPrevented).toBe(true);
    press(field, "Enter");
    await settled();
    expect(field.value).toBe("");
    expect(call("kioskSay")).not.toHaveBeenCalled();
  });
  it("waits after a wrong PIN, and sees for how long", async () => {
    await open();
    call("kioskTryPin").mockImplementation(() => ok({ type: "wrong", wait_ms: 4000 }));
    await ask();
    await enter("1111");
    expect(call("kioskTryPin")).toHaveBeenCalledWith("1111");
    expect(find("pin-words")?.textContent).toMatch(/That was not it\. Try again in [45] s\./);
    await enter("2222");
    expect(call("kioskTryPin")).toHaveBeenCalledTimes(1);
    expect(operator.digits).not.toContain("1");
  });
  it("sees the day after a right one, and the ways out", async () => {
    await open();
    const log = { sessions: [], count: 12, turns: 34, tokens: 567, faults: 0 };
    call("kioskToday").mockImplementation(() =>
      ok({ ...log, median_duration_ms: 94_000, decode_tokens_per_second: null }),
    );
    call("kioskTryPin").mockImplementation(() => ok({ type: "right" }));
    await ask();
    for (const key of ["4", "7", "1", "1", "enter"]) {
      document.querySelector<HTMLElement>(`[data-testid=kiosk-pin-key][data-key="${key}"]`)!.click();
      flushSync();
    }
    await settled();
    expect(find("operator")?.textContent).toMatch(/12.*34.*567/);
    for (const [way, how] of [
      ["desk", "to_desk"],
      ["restart", "restart"],
      ["quit", "quit"],
    ] as const) {
      await click(`leave-${way}`);
      expect(call("kioskLeave")).toHaveBeenLastCalledWith(how);
    }
    await click("leave-back");
    expect(call("kioskLock")).toHaveBeenCalled();
    expect(find("operator")).toBeNull();
  });
  it("is forgotten when nobody uses the question", async () => {
    vi.useFakeTimers();
    await open();
    await ask();
    await vi.advanceTimersByTimeAsync(15_000);
    press(document.body, "1");
    await vi.advanceTimersByTimeAsync(19_000);
    flushSync();
    expect(find("pin")).not.toBeNull();
    await vi.advanceTimersByTimeAsync(1000);
    flushSync();
    expect(find("pin")).toBeNull();
    expect(operator.digits).toBe("");
  });
});

describe("the page", () => {
  it("asks until Rust is there, and shows no error", async () => {
    vi.useFakeTimers();
    call("kioskView").mockImplementationOnce(() => refused("0xdead"));
    document.body.innerHTML = "";
    page = mount(Kiosk, { target: document.body });
    await settled();
    expect(document.body.textContent).not.toContain("0xdead");
    await vi.advanceTimersByTimeAsync(500);
    await settled();
    expect(find("scene")).not.toBeNull();
  });
  it("beats every two seconds as long as frames come", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "performance"] });
    await open();
    await vi.advanceTimersByTimeAsync(10_100);
    const beats = call("kioskBeat").mock.calls.length;
    expect(beats).toBeGreaterThanOrEqual(5);
    const frames = vi.spyOn(window, "requestAnimationFrame").mockReturnValue(0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(call("kioskBeat").mock.calls.length - beats).toBeLessThanOrEqual(1);
    frames.mockRestore();
  });
  it("beats on while it is hidden, where no frames come", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "requestAnimationFrame", "performance"] });
    await open();
    const frames = vi.spyOn(window, "requestAnimationFrame").mockReturnValue(7);
    await vi.advanceTimersByTimeAsync(5_000);
    const beats = call("kioskBeat").mock.calls.length;
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    await vi.advanceTimersByTimeAsync(8_100);
    expect(call("kioskBeat").mock.calls.length - beats).toBeGreaterThanOrEqual(4);
    hidden.mockRestore();
    frames.mockRestore();
  });
  it("keeps the rate in its place between two answers", async () => {
    const big = () => find("figures")?.querySelector(".big")?.textContent;
    const tell = async (change: Partial<KioskReadings>) => {
      (rust.told.read as (event: unknown) => void)({ payload: { ...READINGS, ...change } });
      await settled();
    };
    await open();
    await phase(visit());
    await tell({ decode_tokens_per_second: null, ttft_ms: null });
    expect(big()).toBe("–");
    await tell({});
    expect(big()).toBe("59");
    await tell({ decode_tokens_per_second: null });
    expect(big()).toBe("59");
  });
});
