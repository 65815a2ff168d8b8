/* The ways in which a model can be loaded all the same, in words for a button. What fits is Rust's to say. */
import type { KvType, LoadWish, Offer, Quantize } from "./bindings";
import { count, size } from "./format";

/** Everything as Wick would do it. */
export const NO_WISH: LoadWish = {
  ...{ context_tokens: null, parallel: null, kv_type: null, quantize: null },
  anyway: false,
};

const KV_NAMES: Record<KvType, string> = { f32: "F32", f16: "F16", q8_0: "Q8_0" };
const WEIGHT_NAMES: Record<Quantize, string> = { q8_0: "Q8_0", q4_k: "Q4_K" };

const context = (tokens: number) => `a context window of ${count(tokens)} tokens`;
const cache = (type: KvType | null) => `keys and values as ${KV_NAMES[type ?? "f16"]}`;
const weights = (type: Quantize | null) => (type ? `weights turned into ${WEIGHT_NAMES[type]}` : "");

/** What a click on it does, and what the model takes then: "With a context window of 4,096 tokens". */
export function offerWords({ change, wish, plan }: Offer): { does: string; takes: string } {
  const takes = `takes ${size(plan.total_bytes)}`;
  if (change === "anyway") return { does: "Load anyway", takes };
  const parts = {
    context: [context(plan.context_tokens)],
    kv_type: [cache(wish.kv_type)],
    quantize: [weights(wish.quantize)],
    several: [context(plan.context_tokens), cache(wish.kv_type), weights(wish.quantize)],
  }[change];
  return { does: `With ${listed(parts.filter(Boolean))}`, takes };
}

/** What an offer costs whoever takes it. */
export function offerCost({ change }: Offer): string {
  const costs = {
    context: "Long conversations end sooner.",
    kv_type: "Answers are a little less exact.",
    quantize: "Answers are a little less exact, and loading takes longer.",
    several: "Answers are less exact, and long conversations end sooner.",
    anyway:
      "Loaded anyway, it may slow the whole desktop down or bring it to a stop. When memory is nearly used up, Wick stops the load or ends the model.",
  };
  return costs[change];
}

function listed(parts: readonly string[]): string {
  const [last, ...before] = [...parts].reverse();
  return before.length === 0 ? (last ?? "") : `${before.reverse().join(", ")} and ${last}`;
}
