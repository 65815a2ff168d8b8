/* The settings about memory as a form shows them, and back. Rust decides what is possible; here only what is no number
   is told before it is sent.
   Invariant: settings that came from Rust survive the way through the form unchanged. */
import type { MemoryChoice } from "./bindings";
import { parseAmount } from "./download-form";

const GIB = 2 ** 30;

export interface MemoryForm {
  idleMinutes: string;
  /** Nothing is what is usual. */
  reserveGib: string;
}

/** What was wrong, by field. */
export type MemoryMistakes = Partial<Record<keyof MemoryForm, string>>;

export function toMemoryForm({ idle_minutes, reserve_bytes }: MemoryChoice): MemoryForm {
  return {
    idleMinutes: String(idle_minutes),
    reserveGib: reserve_bytes === null ? "" : amount(reserve_bytes / GIB),
  };
}

/** With as many decimals as tell one byte of a GiB from the next, and no exponent. */
const amount = (number: number): string => number.toFixed(10).replace(/\.?0+$/, "");

export function fromMemoryForm(form: MemoryForm): { choice: MemoryChoice } | { mistakes: MemoryMistakes } {
  const mistakes: MemoryMistakes = {};
  const minutes = parseAmount(form.idleMinutes);
  if (minutes === null || !Number.isInteger(minutes)) mistakes.idleMinutes = "A whole number; 0 is never.";
  const reserve = form.reserveGib.trim() === "" ? null : parseAmount(form.reserveGib);
  if (reserve === null && form.reserveGib.trim() !== "") mistakes.reserveGib = "A number, or nothing.";
  if (Object.keys(mistakes).length > 0) return { mistakes };
  const reserve_bytes = reserve === null ? null : Math.round(reserve * GIB);
  return { choice: { idle_minutes: minutes ?? 0, reserve_bytes } };
}
