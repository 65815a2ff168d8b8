/* What a verdict looks like and is called. Whether something fits is Rust's to compute. */
import type { Fit, Verdict } from "./bindings";

export type Tone = "good" | "tight" | "bad" | "plain";

export const FITS: Record<Fit, { words: string; tone: Tone }> = {
  fits: { words: "fits", tone: "good" },
  tight: { words: "tight", tone: "tight" },
  too_large: { words: "too large", tone: "bad" },
  unsupported: { words: "can't run here", tone: "bad" },
  unknown: { words: "not known", tone: "plain" },
};

export interface VerdictPart {
  key: "weights" | "kv" | "app";
  name: string;
  bytes: number;
}

/** The memory that it needs in three parts, in the order and the colours of the machine's memory bar. */
export function partsOf(verdict: Verdict): VerdictPart[] {
  return [
    { key: "weights", name: "Weights", bytes: verdict.weights_bytes },
    { key: "kv", name: "KV cache", bytes: verdict.kv_cache_bytes },
    { key: "app", name: "The rest", bytes: verdict.scratch_bytes },
  ];
}

/** Whether figures were computed at all: of a file that can't be read there are none. */
export function hasFigures(verdict: Verdict): boolean {
  return verdict.total_bytes > 0 && verdict.fit !== "unsupported" && verdict.fit !== "unknown";
}

/** Context windows to choose from, in tokens. */
export const CONTEXTS: readonly number[] = [4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144];
