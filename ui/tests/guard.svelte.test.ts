/* What a person sees and does when a load does not fit, when a model gave way, and in the settings of memory: the
   components, mounted over the real state. Layout is not tested here. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NO_WISH, offerWords } from "../src/lib/loading";
import { fromMemoryForm, toMemoryForm } from "../src/lib/memory-form";
import type { LoadPlan, LoadRefusal, LoadWish, Offer } from "../src/lib/bindings";
import { showFailuresWith, type Failure } from "../src/lib/errors";
import { guard } from "../src/state/guard.svelte";
import { library } from "../src/state/library.svelte";
import Guarded from "../src/views/frame/Guarded.svelte";
import LoadRefused from "../src/views/frame/LoadRefused.svelte";
import Memory from "../src/views/settings/Memory.svelte";
import { failure, GIB } from "./fixtures";

const rust = vi.hoisted(() => {
  const named: Record<string, ReturnType<typeof vi.fn>> = {};
  const make = () =>
    vi.fn<(...args: unknown[]) => Promise<unknown>>(() => Promise.resolve({ status: "ok", data: null }));
  return new Proxy(named, { get: (all, name: string) => (all[name] ??= make()) });
});
vi.mock("../src/lib/bindings", () => ({ commands: rust, events: {} }));
vi.mock("@tauri-apps/api/core", () => ({ Channel: class {} }));
// jsdom has none.
HTMLDialogElement.prototype.showModal = function () {
  this.open = true;
};

const mounted: Record<string, unknown>[] = [];
function show<P extends Record<string, unknown>>(component: unknown, props: P): HTMLElement {
  document.body.innerHTML = "";
  mounted.push(mount(component as Parameters<typeof mount>[0], { target: document.body, props }));
  flushSync();
  return document.body;
}
afterEach(() => {
  for (const view of mounted.splice(0)) void unmount(view);
});
const find = <E extends HTMLElement = HTMLButtonElement>(id: string) =>
  document.querySelector<E>(`[data-testid=${id}]`) ?? undefined;
const words = (element: HTMLElement | undefined) => element!.textContent.replace(/\s+/g, " ").trim();
const ok = (data: unknown) => Promise.resolve({ status: "ok", data });
const refuse = (error: Failure) => Promise.resolve({ status: "error", error });

const plan = (gib: number, context_tokens = 8192): LoadPlan => ({
  ...{ context_tokens, weights_bytes: 0, kv_cache_bytes: 0, scratch_bytes: 0 },
  total_bytes: gib * GIB,
});
const wish = (rest: Partial<LoadWish>): LoadWish => ({ ...NO_WISH, ...rest });
const offers: Offer[] = [
  { change: "context", wish: wish({ context_tokens: 4096 }), plan: plan(7, 4096) },
  { change: "kv_type", wish: wish({ kv_type: "q8_0" }), plan: plan(7.5) },
  { change: "quantize", wish: wish({ quantize: "q4_k" }), plan: plan(6) },
  { change: "anyway", wish: wish({ anyway: true }), plan: plan(12) },
];
const refusal = (rest: Partial<LoadRefusal> = {}): LoadRefusal => ({
  ...{ name: "Big", plan: plan(12), room_bytes: 8 * GIB, missing_bytes: 4 * GIB, reserve_bytes: 6 * GIB },
  ...{ replaces: "Small", offers },
  ...rest,
});

describe("a load that does not fit", () => {
  const problems = vi.fn();
  beforeEach(() => {
    library.refused = null;
    problems.mockReset();
    showFailuresWith(problems);
    rust.loadModel!.mockReset().mockImplementation(() => refuse(failure("out_of_memory")));
    rust.admission!.mockReset().mockImplementation(() => ok({ type: "refused", refusal: refusal() }));
  });

  it("is asked about with the same wish, and shown instead of a failure", async () => {
    await library.load("big", wish({ context_tokens: 65536 }));
    expect(rust.admission).toHaveBeenCalledWith("big", wish({ context_tokens: 65536 }));
    expect(library.refused).toEqual({ id: "big", refusal: refusal() });
    expect(problems).not.toHaveBeenCalled();
    await library.load("big");
    expect(rust.loadModel).toHaveBeenLastCalledWith("big", null);
    expect(rust.admission).toHaveBeenLastCalledWith("big", NO_WISH);
  });
  const failures: [string, Failure, unknown][] = [
    ["another failure", failure("engine_crashed"), { type: "refused", refusal: refusal() }],
    ["one that fits by now", failure("out_of_memory"), { type: "admitted", plan: null }],
  ];
  it.each(failures)("leaves %s to the problems", async (_, error, admission) => {
    rust.loadModel!.mockImplementation(() => refuse(error));
    rust.admission!.mockImplementation(() => ok(admission));
    await library.load("big");
    expect(library.refused).toBeNull();
    expect(problems).toHaveBeenCalledWith(error);
  });
  it("says in numbers what is missing and what stays loaded", () => {
    show(LoadRefused, { refused: { id: "big", refusal: refusal() } });
    const text = words(find("load-refused"));
    expect(text).toContain("Big does not fit into memory");
    expect(text).toContain(
      "It takes 12.0 GiB. Beside the 6.0 GiB that stay free for the desktop there are 8.0 GiB: 4.0 GiB are missing.",
    );
    expect(text).toContain("Small stays loaded");
  });
  it.each(offers.map((offer) => [offer.change, offer] as const))(
    "takes the offer %s with one click",
    (change, offer) => {
      show(LoadRefused, { refused: { id: "big", refusal: refusal() } });
      const button = find(change === "anyway" ? "load-anyway" : `offer-${change}`);
      expect(words(button)).toContain(offerWords(offer).does);
      button!.click();
      expect(rust.loadModel).toHaveBeenCalledWith("big", offer.wish);
      expect(library.refused).toBeNull();
    },
  );
  it("names the consequence of loading it anyway, last and as a danger", () => {
    show(LoadRefused, { refused: { id: "big", refusal: refusal({ offers: offers.slice(-1) }) } });
    const dialog = find("load-refused");
    expect(words(dialog)).toContain("slow the whole desktop down or bring it to a stop");
    expect(words(dialog)).toContain("Nothing that Wick could change makes it fit.");
    const last = [...dialog!.querySelectorAll("button")].at(-1)!;
    expect(last.dataset.testid).toBe("load-anyway");
    expect(last.classList).toContain("danger");
  });
  it("changes nothing when it is cancelled", () => {
    library.refused = { id: "big", refusal: refusal() };
    show(LoadRefused, { refused: library.refused });
    find("cancel-load")!.click();
    expect(library.refused).toBeNull();
    expect(rust.loadModel).not.toHaveBeenCalled();
  });
});

describe("the words of an offer", () => {
  const said: [string, Offer][] = [
    ["With a context window of 4,096 tokens", offers[0]!],
    ["With keys and values as Q8_0", offers[1]!],
    ["With weights turned into Q4_K", offers[2]!],
    [
      "With a context window of 2,048 tokens, keys and values as Q8_0 and weights turned into Q8_0",
      { change: "several", wish: wish({ kv_type: "q8_0", quantize: "q8_0" }), plan: plan(1, 2048) },
    ],
    [
      "With a context window of 2,048 tokens and keys and values as Q8_0",
      { change: "several", wish: wish({ kv_type: "q8_0" }), plan: plan(1, 2048) },
    ],
    ["Load anyway", offers[3]!],
  ];
  it.each(said)("are: %s", (expected, offer) => expect(offerWords(offer).does).toBe(expected));
});

describe("what the guard did", () => {
  const notice = (measure: "idle_unloaded" | "load_stopped", message: string) => ({
    ...{ measure, name: "m", message },
  });
  it("is told until it is read, and a stopped load where it was asked for", () => {
    guard.take(notice("load_stopped", "Loading m was stopped."));
    guard.take(notice("idle_unloaded", "m was unloaded."));
    const page = show(Guarded, {});
    expect(page.querySelectorAll("[data-testid=guard-notice]")).toHaveLength(1);
    expect(words(find("guard-notice"))).toContain("m was unloaded.");
    find("guard-notice")!.querySelector("button")!.click();
    flushSync();
    expect(find("guard-notice")).toBeUndefined();
  });
});

describe("the settings of memory", () => {
  const forms: [string, string, unknown][] = [
    ["30", "", { idle_minutes: 30, reserve_bytes: null }],
    [" 0 ", " 8,5 ", { idle_minutes: 0, reserve_bytes: 8.5 * GIB }],
    ["1.5", "", ["idleMinutes"]],
    ["", "much", ["idleMinutes", "reserveGib"]],
  ];
  it.each(forms)("reads %j and %j", (idleMinutes, reserveGib, expected) => {
    const read = fromMemoryForm({ idleMinutes, reserveGib });
    expect("choice" in read ? read.choice : Object.keys(read.mistakes)).toEqual(expected);
  });
  it.each([null, 0, 1, 6 * GIB + 12345])("brings %j through the form unchanged", (reserve_bytes) => {
    const choice = { idle_minutes: 7, reserve_bytes };
    expect(fromMemoryForm(toMemoryForm(choice))).toEqual({ choice });
  });
  it("are shown with what is usual, saved, and refused in Rust's words", async () => {
    const settings = { choice: { idle_minutes: 30, reserve_bytes: null }, usual_reserve_bytes: 6 * GIB };
    rust.memorySettings!.mockImplementation(() => ok(settings));
    const page = show(Memory, {});
    const field = (id: string) => find<HTMLInputElement>(id)!;
    await vi.waitFor(() => expect(field("idle-minutes").value).toBe("30"));
    expect(words(page)).toContain("usual on this machine: 6.0 GiB");
    const write = (id: string, text: string) => {
      field(id).value = text;
      field(id).dispatchEvent(new Event("input", { bubbles: true }));
    };
    write("reserve", "4");
    find("save-memory")!.click();
    await vi.waitFor(() => expect(words(page)).toContain("Saved."));
    expect(rust.setMemorySettings).toHaveBeenLastCalledWith({ idle_minutes: 30, reserve_bytes: 4 * GIB });
    const error = failure("invalid_request", { message: "Too long." });
    rust.setMemorySettings!.mockImplementation(() => refuse(error));
    write("idle-minutes", "99999");
    find("save-memory")!.click();
    await vi.waitFor(() => expect(words(page)).toContain("Too long."));
    expect(words(page)).not.toContain("Saved.");
  });
});
