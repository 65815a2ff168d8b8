/* The parts of the machine's memory in the order in which they are drawn, with their names and colours.
   Measuring is Rust's; here nothing is added up but what is used.
   Invariant: the seven parts, in this order, are the whole pool. */
import type { MemoryPool } from "./bindings";

export interface MemoryPart {
  key: "weights" | "kv" | "scratch" | "app" | "other" | "cache" | "free";
  name: string;
  bytes: number | null;
}

export function memoryParts(pool: MemoryPool): MemoryPart[] {
  return [
    { key: "weights", name: "Weights", bytes: pool.weights_bytes },
    { key: "kv", name: "KV cache", bytes: pool.kv_cache_bytes },
    { key: "scratch", name: "Buffers", bytes: pool.scratch_bytes },
    { key: "app", name: "Rest of Wick", bytes: pool.app_bytes },
    { key: "other", name: "Other programs", bytes: pool.other_bytes },
    { key: "cache", name: "Page cache, reclaimable", bytes: pool.page_cache_bytes },
    { key: "free", name: "Free", bytes: pool.free_bytes },
  ];
}

/** What programs hold. The page cache is not among it: the kernel gives it back when asked. */
export function usedBytes(pool: MemoryPool): number {
  const parts = [
    pool.weights_bytes,
    pool.kv_cache_bytes,
    pool.scratch_bytes,
    pool.app_bytes,
    pool.other_bytes,
  ];
  return parts.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
}
