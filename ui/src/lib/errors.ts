/* Where each error code is shown and what a person can do about it. The words are Rust's: nothing here rewrites
   or parses a message.
   Invariant: PLACEMENTS names every code (the compiler checks it), and no failure is swallowed: one that no one
   placed inline goes to the sink, and the sink shows all but `silent`. */
import type { Error as Failure, ErrorCode } from "./bindings";

export type { Failure };
export type Place = "inline" | "toast" | "dialog" | "silent";
export type Action = "open_models" | "new_conversation" | "copy_details" | "open_link";
export interface Placement {
  place: Place;
  action: Action | null;
}

export const PLACEMENTS: Record<ErrorCode, Placement> = {
  model_not_loaded: { place: "inline", action: "open_models" },
  context_exceeded: { place: "inline", action: "new_conversation" },
  invalid_request: { place: "inline", action: null },
  engine_crashed: { place: "toast", action: "copy_details" },
  not_found: { place: "toast", action: null },
  busy: { place: "toast", action: null },
  internal: { place: "toast", action: "copy_details" },
  out_of_memory: { place: "dialog", action: "open_models" },
  unsupported_model: { place: "dialog", action: "open_models" },
  disk_full: { place: "dialog", action: null },
  auth_required: { place: "inline", action: "open_link" },
  offline: { place: "inline", action: null },
  rate_limited: { place: "toast", action: null },
  checksum_mismatch: { place: "inline", action: "copy_details" },
  cancelled: { place: "silent", action: null },
};

export const ACTION_LABELS: Record<Action, string> = {
  open_models: "Open models",
  new_conversation: "New conversation",
  copy_details: "Copy details",
  open_link: "Open the page",
};

/** What can be done about a failure here and now: a page can only be opened where Rust named one. */
export function actionFor(failure: Failure): Action | null {
  const { action } = PLACEMENTS[failure.code];
  return action === "open_link" && !failure.link ? null : action;
}

/** A refused send is always told beside the text that it concerns, whatever the code's usual place. */
export function placeOfRefusal(failure: Failure): "inline" | "silent" {
  return PLACEMENTS[failure.code].place === "silent" ? "silent" : "inline";
}

export type Outcome<T> = { status: "ok"; data: T } | { status: "error"; error: Failure };

/** Any thrown or rejected thing as a Failure. Rust's own have code and message; the rest is a fault of the bridge. */
export function asFailure(thrown: unknown): Failure {
  if (isFailure(thrown)) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: "internal", message: `Wick could not reach its own core: ${said}`, hint: null, link: null };
}

function isFailure(thrown: unknown): thrown is Failure {
  if (typeof thrown !== "object" || thrown === null) return false;
  const { code, message } = thrown as Partial<Failure>;
  return typeof message === "string" && typeof code === "string" && code in PLACEMENTS;
}

/** A command's promise that never rejects. */
export async function settle<T>(call: Promise<Outcome<T>>): Promise<Outcome<T>> {
  try {
    const outcome = await call;
    return outcome.status === "ok" ? outcome : { status: "error", error: asFailure(outcome.error) };
  } catch (thrown) {
    return { status: "error", error: asFailure(thrown) };
  }
}

let sink: (failure: Failure) => void = (failure) => {
  throw new Error(failure.message);
};

/** Sets who shows failures that have no place of their own: the problems of `state/`. */
export function showFailuresWith(next: (failure: Failure) => void): void {
  sink = next;
}

export function report(failure: Failure): void {
  sink(failure);
}

/** The data of a command, or null after its failure was reported. */
export async function ask<T>(call: Promise<Outcome<T>>): Promise<T | null> {
  const outcome = await settle(call);
  if (outcome.status === "ok") return outcome.data;
  report(outcome.error);
  return null;
}

/** Whether a command that returns nothing was done. A failure was reported. */
export async function done(call: Promise<Outcome<null>>): Promise<boolean> {
  const outcome = await settle(call);
  if (outcome.status === "error") report(outcome.error);
  return outcome.status === "ok";
}
