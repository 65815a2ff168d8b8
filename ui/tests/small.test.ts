/* The small pure parts: days, routes, memory, shortcuts. */
import { describe, expect, it } from "vitest";
import { byDay } from "../src/lib/days";
import { guardNavigation } from "../src/lib/links";
import { memoryParts, usedBytes } from "../src/lib/memory";
import { formatRoute, parseRoute, type Route } from "../src/lib/route";
import { shortcutOf } from "../src/lib/shortcuts";

describe("byDay", () => {
  const now = new Date(2026, 2, 29, 15, 0);
  const at = (id: number, ...when: [number, number, number, number, number]) => ({
    id,
    title: `${id}`,
    updated_at_ms: new Date(...when).getTime(),
  });
  const names = (list: ReturnType<typeof at>[]) =>
    byDay(list, now).map((group) => [group.name, ...group.conversations.map((one) => one.id)]);

  it("cuts at midnight of the local calendar and puts the newest first", () => {
    const list = [
      ...[at(1, 2026, 2, 29, 0, 0), at(2, 2026, 2, 28, 23, 59), at(3, 2026, 2, 28, 0, 0)],
      ...[at(4, 2026, 2, 27, 23, 59), at(5, 2026, 2, 29, 14, 0), at(6, 2025, 0, 1, 0, 0)],
    ];
    expect(names(list)).toEqual([
      ["Today", 5, 1],
      ["Yesterday", 2, 3],
      ["Earlier", 4, 6],
    ]);
  });
  it("leaves out empty groups", () => {
    expect(names([at(1, 2026, 2, 29, 1, 0)])).toEqual([["Today", 1]]);
    expect(names([])).toEqual([]);
  });
});

describe("routes", () => {
  const routes: Route[] = [
    { view: "chat", models: "library", conversation: null },
    { view: "chat", models: "library", conversation: 12 },
    { view: "models", models: "library", conversation: null },
    { view: "models", models: "discover", conversation: null },
    { view: "models", models: "downloads", conversation: null },
    { view: "settings", models: "library", conversation: null },
  ];
  it.each(["#/models", "#/models/nowhere", "#/models/7"])("%s is the library", (text) =>
    expect(parseRoute(text)).toEqual({ view: "models", models: "library", conversation: null }),
  );
  it.each(routes)("$view $models $conversation comes back", (route) =>
    expect(parseRoute(formatRoute(route))).toEqual(route),
  );
  it.each(["", "#", "#/nowhere", "#/chat/x", "#/chat/-1", "https://example.com"])(
    "%s is the empty chat",
    (text) => expect(parseRoute(text)).toEqual({ view: "chat", models: "library", conversation: null }),
  );
});

describe("memory", () => {
  const pool = {
    ...{ total_bytes: 100, weights_bytes: 40, kv_cache_bytes: 10, scratch_bytes: 2, app_bytes: 3 },
    ...{ other_bytes: 15, page_cache_bytes: 10, free_bytes: 20 },
  };
  it("has seven parts that are the whole", () => {
    const parts = memoryParts(pool);
    expect(parts.map((part) => part.key)).toEqual([
      ...["weights", "kv", "scratch", "app", "other", "cache", "free"],
    ]);
    expect(parts.reduce((sum, part) => sum + (part.bytes ?? 0), 0)).toBe(pool.total_bytes);
  });
  it("does not count the page cache as used", () => expect(usedBytes(pool)).toBe(70));
});

describe("the guard against leaving", () => {
  guardNavigation(document);
  const stopped = (event: Event, on: Element) => {
    document.body.replaceChildren(on);
    return !on.dispatchEvent(event);
  };
  const key = (name: string, rest: KeyboardEventInit = {}) =>
    stopped(
      new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true, ...rest }),
      document.createElement("textarea"),
    );
  const menu = (on: string) =>
    stopped(new MouseEvent("contextmenu", { bubbles: true, cancelable: true }), document.createElement(on));

  it("stops the keys that load the page anew and no others", () => {
    expect(key("F5")).toBe(true);
    expect(key("r", { ctrlKey: true })).toBe(true);
    expect(key("R", { ctrlKey: true, shiftKey: true })).toBe(true);
    expect(key("r")).toBe(false);
    expect(key("a", { ctrlKey: true })).toBe(false);
  });
  it("leaves the menu to fields and to a selection", () => {
    expect(menu("p")).toBe(true);
    expect(menu("textarea")).toBe(false);
    const text = document.createElement("p");
    text.textContent = "copy me";
    document.body.replaceChildren(text);
    getSelection()?.selectAllChildren(text);
    expect(text.dispatchEvent(new MouseEvent("contextmenu", { bubbles: true, cancelable: true }))).toBe(true);
    getSelection()?.removeAllRanges();
  });
});

describe("shortcuts", () => {
  const press = (key: string, rest: KeyboardEventInit = {}) =>
    shortcutOf(new KeyboardEvent("keydown", { key, ...rest }));
  it("knows its keys and leaves the others alone", () => {
    expect(press("k", { ctrlKey: true })).toBe("palette");
    expect(press("2", { ctrlKey: true })).toBe("models");
    expect(press("Escape")).toBe("stop");
    expect(press("k")).toBeNull();
    expect(press("n", { ctrlKey: true, shiftKey: true })).toBeNull();
    expect(press("Escape", { ctrlKey: true })).toBeNull();
  });
});
