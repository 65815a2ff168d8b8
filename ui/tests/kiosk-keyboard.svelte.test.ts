/* The keyboard on the screen: where keys lie, what they write, and that holding one opens what is behind it. */
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { capital, erase, keyRows, lettersBehind, write, writeInstead } from "../src/lib/keyboard-layouts";
import Keyboard from "../src/views/kiosk/Keyboard.svelte";

const LAYOUTS = ["qwerty", "qwertz", "azerty"] as const;
const names = (layout: (typeof LAYOUTS)[number], page: "letters" | "signs" = "letters") =>
  keyRows(layout, page).map((row) => row.map((key) => key.name));

describe("a layout", () => {
  it.each(LAYOUTS)("has every letter once: %s", (layout) => {
    const all = names(layout).flat();
    for (const letter of "abcdefghijklmnopqrstuvwxyz")
      expect(all.filter((one) => one === letter)).toHaveLength(1);
  });
  it.each(LAYOUTS)("has no key twice, and the ways out of each page: %s", (layout) => {
    for (const page of ["letters", "signs"] as const) {
      const all = names(layout, page).flat();
      expect(new Set(all).size).toBe(all.length);
      expect(all).toEqual(expect.arrayContaining(["erase", "page", "space", "hide", "send"]));
    }
  });
  it("begins as its name says", () => {
    for (const layout of LAYOUTS) expect(names(layout)[0]!.join("").startsWith(layout)).toBe(true);
  });
  it("has digits on the other page", () => {
    expect(names("qwerty", "signs")[0]).toEqual([..."1234567890"]);
  });
  it("hides accents behind letters, in capitals too", () => {
    expect(lettersBehind("e", false)).toContain("é");
    expect(lettersBehind("e", true)).toContain("É");
    expect(lettersBehind("q", false)).toEqual([]);
    expect([capital("ß"), capital("ö")]).toEqual(["ẞ", "Ö"]);
  });
});

const field = (value: string, caret = value.length): HTMLTextAreaElement => {
  const made = document.createElement("textarea");
  made.value = value;
  made.setSelectionRange(caret, caret);
  document.body.append(made);
  return made;
};

describe("a field", () => {
  it("is written at the caret, and the page hears of it", () => {
    const made = field("ac", 1);
    const heard = vi.fn();
    made.addEventListener("input", heard);
    write(made, "b");
    expect([made.value, made.selectionStart]).toEqual(["abc", 2]);
    expect(heard).toHaveBeenCalledTimes(1);
  });
  it("loses whole signs", () => {
    const made = field("a🔥");
    erase(made);
    expect(made.value).toBe("a");
    erase(made);
    erase(made);
    expect(made.value).toBe("");
  });
  it("loses what is selected", () => {
    const made = field("abcd");
    made.setSelectionRange(1, 3);
    erase(made);
    expect([made.value, made.selectionStart]).toEqual(["ad", 1]);
  });
  it("takes a letter in place of another", () => {
    const made = field("cafe");
    writeInstead(made, "é");
    expect(made.value).toBe("café");
  });
  it("takes no more than it has room for", () => {
    const made = field("abc");
    made.maxLength = 3;
    write(made, "d");
    expect(made.value).toBe("abc");
  });
});

describe("the keyboard", () => {
  let view: Record<string, unknown>;
  let made: HTMLTextAreaElement;
  const send = vi.fn();
  const hide = vi.fn();
  beforeEach(() => {
    vi.useFakeTimers();
    document.body.innerHTML = "";
    made = field("");
    made.focus();
    view = mount(Keyboard, { target: document.body, props: { field: made, layout: "qwertz", send, hide } });
    flushSync();
  });
  afterEach(() => {
    void unmount(view);
    vi.useRealTimers();
    send.mockClear();
  });
  const key = (name: string) =>
    document.querySelector<HTMLElement>(`[data-testid=kiosk-key][data-key="${name}"]`);
  const down = (name: string) => {
    const event = new MouseEvent("pointerdown", { bubbles: true, cancelable: true });
    key(name)!.dispatchEvent(event);
    flushSync();
    return event;
  };
  const up = () => {
    document.elementFromPoint ??= () => null;
    window.dispatchEvent(new MouseEvent("pointerup"));
    flushSync();
  };
  const tap = (...all: string[]) => all.forEach((name) => (down(name), up()));

  it("writes, in capitals for one letter and for good", () => {
    tap("h", "i", "space", "shift", "d", "u", "shift", "shift", "ö", "k");
    expect(made.value).toBe("hi DuÖK");
    tap("shift", "a");
    expect(made.value).toBe("hi DuÖKa");
  });
  it("writes as soon as it is touched and leaves the focus where it was", () => {
    expect(down("x").defaultPrevented).toBe(true);
    expect(made.value).toBe("x");
    expect(document.activeElement).toBe(made);
  });
  it("has digits and signs on its other page", () => {
    tap("page", "1", "€", "page", "a");
    expect(made.value).toBe("1€a");
  });
  it("shows what is behind a letter that is held, and takes one of it instead", () => {
    down("e");
    vi.advanceTimersByTime(449);
    flushSync();
    expect(key("é")).toBeNull();
    vi.advanceTimersByTime(1);
    flushSync();
    up();
    down("é");
    expect(made.value).toBe("é");
    expect(key("é")).toBeNull();
  });
  it("shows nothing behind a letter that is only touched", () => {
    tap("e");
    vi.advanceTimersByTime(2000);
    flushSync();
    expect(key("é")).toBeNull();
  });
  it("goes on erasing while that is held", () => {
    made.value = "abcdef";
    down("erase");
    expect(made.value).toBe("abcde");
    vi.advanceTimersByTime(450 + 75);
    expect(made.value).toBe("abc");
    up();
    vi.advanceTimersByTime(2000);
    expect(made.value).toBe("abc");
  });
  it("sends and goes away", () => {
    tap("send", "hide");
    expect(send).toHaveBeenCalledTimes(1);
    expect(hide).toHaveBeenCalledTimes(1);
  });
});
