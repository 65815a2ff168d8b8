/* What the light's colours mean, in a word. Why it has one is Rust's to say. */
import type { LightState } from "./bindings";

export const LIGHT_WORDS: Record<LightState, string> = {
  off: "no model",
  ready: "ready",
  working: "working",
  slow: "slow",
  stuck: "stuck",
};
