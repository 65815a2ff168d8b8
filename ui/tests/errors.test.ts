/* Every failure has a place, and none is lost on the way to it. */
import { beforeEach, describe, expect, it } from "vitest";
import { asFailure, ask, done, PLACEMENTS, placeOfRefusal, settle, type Place } from "../src/lib/errors";
import { problems } from "../src/state/problems.svelte";
import type { ErrorCode } from "../src/lib/bindings";

const failure = (code: ErrorCode, message: string = code) => ({ code, message, hint: null, link: null });
const EXPECTED: Record<ErrorCode, Place> = {
  model_not_loaded: "inline",
  out_of_memory: "dialog",
  context_exceeded: "inline",
  unsupported_model: "dialog",
  engine_crashed: "toast",
  not_found: "toast",
  disk_full: "dialog",
  busy: "toast",
  cancelled: "silent",
  invalid_request: "inline",
  auth_required: "inline",
  offline: "inline",
  rate_limited: "toast",
  checksum_mismatch: "inline",
  internal: "toast",
};
const codes = Object.keys(EXPECTED) as ErrorCode[];

beforeEach(() => {
  problems.toasts = [];
  problems.dialog = null;
  problems.listen();
});

describe("the map", () => {
  it("names exactly the codes there are", () =>
    expect(Object.keys(PLACEMENTS).sort()).toEqual([...codes].sort()));
  it.each(codes)("%s", (code) => expect(PLACEMENTS[code].place).toBe(EXPECTED[code]));
  it.each(codes)("a refused send is told beside its text: %s", (code) =>
    expect(placeOfRefusal(failure(code))).toBe(code === "cancelled" ? "silent" : "inline"),
  );
});

describe("a failure that nobody placed inline", () => {
  it.each(codes)("%s is shown unless it is silent", async (code) => {
    expect(await ask(Promise.resolve({ status: "error", error: failure(code) }))).toBeNull();
    const place = EXPECTED[code];
    expect(problems.dialog?.failure.code ?? null).toBe(place === "dialog" ? code : null);
    expect(problems.toasts.map((one) => one.failure.code)).toEqual(
      place === "toast" || place === "inline" ? [code] : [],
    );
  });

  it("tells the same thing once and keeps three at most", () => {
    for (const message of ["a", "b", "a", "c", "d"]) problems.add(failure("busy", message));
    expect(problems.toasts.map((one) => one.failure.message)).toEqual(["a", "c", "d"]);
    problems.dismiss(problems.toasts[0]!.id);
    expect(problems.toasts.map((one) => one.failure.message)).toEqual(["c", "d"]);
  });
});

describe("what the bridge throws", () => {
  it("becomes an internal failure with its words", async () => {
    expect(asFailure(new Error("no such command"))).toMatchObject({ code: "internal" });
    expect(asFailure("plain text").message).toContain("plain text");
    expect(asFailure({ code: "nonsense", message: "x" }).code).toBe("internal");
    expect(asFailure(failure("busy"))).toEqual(failure("busy"));
    const settled = await settle(Promise.reject(new Error("gone")));
    expect(settled).toMatchObject({ status: "error", error: { code: "internal" } });
  });
  it("says whether a command was done", async () => {
    expect(await done(Promise.resolve({ status: "ok", data: null }))).toBe(true);
    expect(await done(Promise.reject(new Error("gone")))).toBe(false);
    expect(problems.toasts).toHaveLength(1);
  });
});
