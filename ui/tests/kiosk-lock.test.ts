/* The page's own part of the kiosk's lock, and the presence of a visitor. The window's part is tested with real keys. */
import { beforeAll, describe, expect, it, vi } from "vitest";
import { Presence } from "../src/lib/kiosk-presence";
import { hideStillPointer, isAllowed, isOperatorsKey, lockPage } from "../src/lib/lock";

const press = (keys: string): KeyboardEvent => {
  const names = keys.split("+");
  const [ctrlKey, altKey, metaKey, shiftKey] = ["Ctrl", "Alt", "Meta", "Shift"].map((one) =>
    names.slice(0, -1).includes(one),
  );
  const how = { ctrlKey, altKey, metaKey, shiftKey, bubbles: true, cancelable: true };
  return new KeyboardEvent("keydown", { key: names.at(-1), ...how });
};

describe("a key in the kiosk", () => {
  it.each([
    ...["Ctrl+w", "Ctrl+q", "Ctrl+r", "Ctrl+p", "Ctrl+n", "Ctrl+t", "Ctrl+o", "Ctrl+s", "Ctrl+u", "Ctrl+l"],
    ...["Ctrl+c", "Ctrl+x", "Ctrl+v", "Ctrl++", "Ctrl+-", "Ctrl+0", "Ctrl+Shift+I", "Ctrl+Shift+c", "Ctrl+."],
    ...[
      "Alt+F4",
      "Alt+ArrowLeft",
      "Alt+ArrowRight",
      "Alt+Home",
      "Alt+d",
      "Meta+l",
      "Ctrl+Alt+t",
      "Ctrl+Alt+Delete",
    ],
    ...["F1", "F5", "F7", "F11", "F12", "Shift+F10", "ContextMenu", "PrintScreen", "Insert", "Shift+Insert"],
    ...["BrowserBack", "BrowserHome", "GoBack", "LaunchMail", "Find", "Paste", "Copy", "Help", "ZoomIn"],
    ...["Ctrl+Meta+Alt+k"],
  ])("leads nowhere: %s", (keys) => expect(isAllowed(press(keys), true)).toBe(false));

  it.each([
    ...["a", "Shift+A", "é", " ", "Enter", "Shift+Enter", "Tab", "Escape", "Backspace", "Delete"],
    ...["ArrowLeft", "Shift+ArrowRight", "Home", "End", "PageDown", "Dead", "Process", "Unidentified"],
    ...["Ctrl+a", "Ctrl+z", "Ctrl+ArrowLeft", "Ctrl+Backspace", "Ctrl+Alt+k"],
  ])("writes or edits: %s", (keys) => expect(isAllowed(press(keys), true)).toBe(true));

  it("edits a field only", () => expect(isAllowed(press("Ctrl+a"), false)).toBe(false));
  it("is the operator's in one form", () => {
    expect(["Ctrl+Alt+k", "Ctrl+Alt+K"].every((keys) => isOperatorsKey(press(keys)))).toBe(true);
    const cyrillic = { key: "л", code: "KeyK", ctrlKey: true, altKey: true };
    expect(isOperatorsKey(new KeyboardEvent("keydown", cyrillic))).toBe(true);
    expect(["Ctrl+k", "Alt+k", "k", "Ctrl+Alt+j"].some((keys) => isOperatorsKey(press(keys)))).toBe(false);
  });
});

describe("the locked page", () => {
  beforeAll(() => {
    lockPage(window);
    document.body.innerHTML = `<a href="https://example.com/">x</a><span data-url="https://example.com/">y</span>
      <button>b</button><textarea></textarea>`;
  });
  const at = (css: string) => document.querySelector(css)!;
  /** Whether an event is stopped, for WebKit and for the page. */
  const isStopped = (css: string, event: Event): boolean => {
    const heard = vi.fn();
    at(css).addEventListener(event.type, heard);
    at(css).dispatchEvent(event);
    at(css).removeEventListener(event.type, heard);
    expect(event.defaultPrevented).toBe(heard.mock.calls.length === 0);
    return event.defaultPrevented;
  };
  const event = (name: string) => new Event(name, { bubbles: true, cancelable: true });
  const click = (button: number, name = "click") =>
    new MouseEvent(name, { bubbles: true, cancelable: true, button });

  it.each(["contextmenu", "dragstart", "dragover", "drop", "copy", "cut", "paste", "gesturestart", "submit"])(
    "has no %s",
    (name) => expect(isStopped("textarea", event(name))).toBe(true),
  );
  it("has dead links", () => {
    for (const css of ["a", "span"]) {
      expect(isStopped(css, click(0))).toBe(true);
      expect(isStopped(css, press("Enter"))).toBe(true);
    }
    expect(isStopped("button", click(0))).toBe(false);
  });
  it("knows no other button", () => {
    expect(isStopped("button", click(1, "auxclick"))).toBe(true);
    for (const button of [1, 2, 3, 4]) expect(isStopped("textarea", click(button, "mousedown"))).toBe(true);
    expect(isStopped("textarea", click(0, "mousedown"))).toBe(false);
  });
  it("does not zoom", () => {
    const wheel = (ctrlKey: boolean) => new WheelEvent("wheel", { bubbles: true, cancelable: true, ctrlKey });
    expect(isStopped("button", wheel(true))).toBe(true);
    expect(isStopped("button", wheel(false))).toBe(false);
  });
  it("takes what is typed and nothing that is pasted or dropped", () => {
    const input = (inputType: string) =>
      new InputEvent("beforeinput", { bubbles: true, cancelable: true, inputType });
    for (const kind of ["insertFromPaste", "insertFromDrop", "insertFromYank", "insertFromPasteAsQuotation"])
      expect(isStopped("textarea", input(kind))).toBe(true);
    for (const kind of ["insertText", "deleteContentBackward", "insertCompositionText"])
      expect(isStopped("textarea", input(kind))).toBe(false);
  });
  it("selects in the field alone", () => {
    expect(isStopped("button", event("selectstart"))).toBe(true);
    expect(isStopped("textarea", event("selectstart"))).toBe(false);
  });
  it("stops keys before the page hears them", () => {
    expect(isStopped("textarea", press("Ctrl+w"))).toBe(true);
    expect(isStopped("textarea", press("a"))).toBe(false);
  });
  it("opens and prints nothing", () => {
    expect(window.open("https://example.com/")).toBeNull();
    expect(window.print()).toBeUndefined();
  });
});

describe("the pointer", () => {
  it("is hidden while it stands still", () => {
    vi.useFakeTimers();
    hideStillPointer(window, 3000);
    const still = () => document.documentElement.classList.contains("still");
    vi.advanceTimersByTime(2999);
    expect(still()).toBe(false);
    vi.advanceTimersByTime(1);
    expect(still()).toBe(true);
    window.dispatchEvent(new Event("pointermove"));
    expect(still()).toBe(false);
    vi.useRealTimers();
  });
});

describe("somebody at the screen", () => {
  it("is told at most once a second", () => {
    let now = 0;
    const tell = vi.fn();
    const presence = new Presence(tell, () => now);
    for (const [at, told] of [
      [0, 1],
      [400, 1],
      [999, 1],
      [1000, 2],
      [1500, 2],
      [2001, 3],
    ] as const) {
      now = at;
      presence.act();
      expect(tell).toHaveBeenCalledTimes(told);
    }
    presence.hurry();
    presence.act();
    expect(tell).toHaveBeenCalledTimes(4);
  });
  it("is nobody while a mouse trembles", () => {
    const tell = vi.fn();
    const presence = new Presence(tell);
    for (let step = 0; step < 100; step += 1) presence.move(500 + (step % 3), 500 - (step % 2));
    expect(tell).not.toHaveBeenCalled();
    presence.move(560, 500);
    expect(tell).toHaveBeenCalledTimes(1);
  });
  it("is listened for until it is enough", () => {
    const tell = vi.fn();
    let now = 0;
    const stop = new Presence(tell, () => (now += 2000)).follow(window);
    for (const event of [new Event("pointerdown"), press("a"), new Event("wheel")])
      window.dispatchEvent(event);
    expect(tell).toHaveBeenCalledTimes(3);
    // Something lies on the keyboard.
    window.dispatchEvent(new KeyboardEvent("keydown", { key: "a", repeat: true }));
    expect(tell).toHaveBeenCalledTimes(3);
    stop();
    window.dispatchEvent(new Event("pointerdown"));
    expect(tell).toHaveBeenCalledTimes(3);
  });
});
