/* The attract loop: the order of its scenes, which are passed over, and that something is always shown. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { KioskAnswer, Scene } from "../src/lib/bindings";
import { Loop, nextScene, type Play } from "../src/lib/kiosk-loop.svelte";

const title = (heading: string): Scene => ({
  ...{ type: "title", heading, text: "" },
  picture: null,
  seconds: 4,
});
const slide: Scene = { type: "slide", markdown: "# x", picture: null, seconds: 6 };
const live = (prompt: string): Scene => ({ type: "live", prompt, seconds: 3 });

describe("the next scene", () => {
  const cases: [number, number, number[], number | null][] = [
    [3, -1, [0, 1, 2], 0],
    [3, 0, [0, 1, 2], 1],
    [3, 2, [0, 1, 2], 0],
    [3, 0, [0, 2], 2],
    [3, 2, [1], 1],
    [3, 1, [1], 1],
    [3, 1, [], null],
    [1, 0, [0], 0],
  ];
  it.each(cases)("of %i after %i, where %j can be shown, is %j", (count, from, able, expected) => {
    expect(nextScene(count, from, (index) => able.includes(index))).toBe(expected);
  });
});

describe("the loop", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const loop = (
    scenes: Scene[],
    answers: () => boolean = () => true,
    play: Play = () => Promise.resolve(true),
  ) => {
    const made = new Loop(scenes, "Hello.", answers, play);
    made.start();
    return made;
  };
  const after = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000);

  it("shows each for its time, around and around", async () => {
    const made = loop([title("a"), slide]);
    expect(made.shown?.index).toBe(0);
    await after(3.9);
    expect(made.shown?.index).toBe(0);
    await after(0.1);
    expect(made.shown?.index).toBe(1);
    await after(6);
    expect(made.shown?.index).toBe(0);
    made.stop();
    await after(60);
    expect(made.shown).toBeNull();
  });
  it("lets a live answer stay for its time once it is over", async () => {
    let end: (played: boolean) => void = () => {};
    let tell: (event: KioskAnswer) => void = () => {};
    const made = loop([live("why"), title("a")], undefined, (_, take) => {
      tell = take;
      return new Promise((resolve) => (end = resolve));
    });
    tell({ type: "finished", text: "Because.", turns_left: 0 });
    await after(100);
    expect(made.shown?.answer?.text).toBe("Because.");
    end(true);
    await after(2.9);
    expect(made.shown?.index).toBe(0);
    await after(0.2);
    expect(made.shown?.index).toBe(1);
  });
  it("passes a live scene over while nothing can answer", async () => {
    const play = vi.fn<Play>();
    const made = loop([live("why"), title("a"), live("how"), slide], () => false, play);
    expect(made.shown?.index).toBe(1);
    await after(4);
    expect(made.shown?.index).toBe(3);
    await after(6);
    expect(made.shown?.index).toBe(1);
    expect(play).not.toHaveBeenCalled();
  });
  it("passes one over that can't be played, and tries it again in the next round", async () => {
    const play = vi.fn<Play>(() => Promise.resolve(false));
    const made = loop([title("a"), live("why")], undefined, play);
    await after(4);
    expect(made.shown?.index).toBe(0);
    await after(4);
    expect(play).toHaveBeenCalledTimes(2);
    expect(made.shown?.index).toBe(0);
  });
  it("passes one over that says nothing for twenty seconds", async () => {
    const made = loop([live("why"), title("a")], undefined, () => new Promise(() => {}));
    await after(19.9);
    expect(made.shown?.index).toBe(0);
    await after(0.2);
    expect(made.shown?.index).toBe(1);
  });
  it("shows a calm title where nothing else can be shown, and what can be as soon as it can", async () => {
    let able = false;
    const made = loop([live("why")], () => able);
    const calm = made.shown;
    expect(calm?.scene).toMatchObject({ type: "title", heading: "Hello." });
    await after(5);
    expect(made.shown).toBe(calm);
    able = true;
    await after(5);
    expect(made.shown?.index).toBe(0);
  });
  it("does not spin when all that it has fails at once", async () => {
    const play = vi.fn<Play>(() => Promise.resolve(false));
    loop([live("why"), live("how")], undefined, play);
    await after(4.9);
    expect(play.mock.calls.length).toBeLessThanOrEqual(2);
  });
});
