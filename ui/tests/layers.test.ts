/* The dependency rule of the UI: each forbidden arrow is reported, and no allowed one. */
import { Linter } from "eslint";
import { describe, expect, it } from "vitest";
import { layers } from "../lint/layers.js";

const linter = new Linter();
function complaints(file: string, source: string): number {
  const plugins = { wick: { rules: { layers } } };
  const rules = { "wick/layers": "error" } as const;
  return linter.verify(`import ${JSON.stringify(source)};`, [{ files: ["**/*.ts"], plugins, rules }], file)
    .length;
}

const ARROWS: [string, string, number][] = [
  ["src/views/chat/a.ts", "../../state/status.svelte", 0],
  ["src/views/chat/a.ts", "./b", 0],
  ["src/views/chat/a.ts", "../../lib/format", 0],
  ["src/state/a.svelte.ts", "../lib/errors", 0],
  ["src/components/a.ts", "../lib/format", 0],
  ["src/lib/events.ts", "@tauri-apps/api/core", 0],
  ["src/views/chat/a.ts", "../models/b", 1],
  ["src/state/a.svelte.ts", "./b.svelte", 1],
  ["src/state/a.svelte.ts", "../components/b", 1],
  ["src/components/a.ts", "../state/b.svelte", 1],
  ["src/lib/a.ts", "../state/b.svelte", 1],
  ["src/views/chat/a.ts", "@tauri-apps/api/core", 1],
  ["src/state/a.svelte.ts", "@tauri-apps/api/event", 1],
];

describe("layers", () => {
  it.each(ARROWS)("%s → %s: %i", (file, source, expected) => expect(complaints(file, source)).toBe(expected));
});
