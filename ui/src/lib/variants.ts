/* A repository's variants as a person chooses among them: by how many bits a weight takes, the finest first.
   Grouping files into variants is Rust's; here they are only put in order.
   Invariant: every variant is in exactly one group. */
import type { Variant } from "./bindings";

export interface VariantGroup {
  /** As short as it can be said: "4", "–". */
  name: string;
  /** The same in words: "4 bits a weight". */
  title: string;
  variants: Variant[];
}

/** Bits that a weight takes, as the quantization's name tells them; null where it tells none. */
export function bitsOf(variant: Pick<Variant, "quantization" | "format">): number | null {
  const name = variant.quantization?.toUpperCase() ?? "";
  const told = /^(?:UD-)?(?:I?Q|TQ|MXFP|NVFP|BF|FP|F|INT)(\d{1,2})(?!\d)/.exec(name);
  return told ? Number(told[1]) : null;
}

function headOf(variant: Variant): { name: string; title: string } {
  const bits = bitsOf(variant);
  if (bits === null) return { name: "–", title: "Bits not told" };
  return { name: String(bits), title: bits === 1 ? "1 bit a weight" : `${bits} bits a weight` };
}

/** Groups from the most bits to the fewest, in each the largest first. What tells no bits stands last. */
export function grouped(variants: readonly Variant[]): VariantGroup[] {
  const rank = (variant: Variant) => bitsOf(variant) ?? -1;
  const sorted = [...variants].sort(
    (a, b) => rank(b) - rank(a) || b.size_bytes - a.size_bytes || (a.key < b.key ? -1 : 1),
  );
  const groups: VariantGroup[] = [];
  for (const variant of sorted) {
    const head = headOf(variant);
    const last = groups.at(-1);
    if (last?.name === head.name) last.variants.push(variant);
    else groups.push({ ...head, variants: [variant] });
  }
  return groups;
}

/** The groups cut after so many variants, the one that must be seen always among them. */
export function shortened(groups: VariantGroup[], most: number, seen: string | null): VariantGroup[] {
  let left = most;
  const cut = groups.map(({ variants, ...head }) => {
    const kept = variants.filter((variant) => left-- > 0 || variant.key === seen);
    return { ...head, variants: kept };
  });
  return cut.filter(({ variants }) => variants.length > 0);
}

/** What tells two variants of the same label apart: the file's name, or nothing where the label is enough. */
export function distinction(variant: Variant, all: readonly Variant[]): string | null {
  const alone = all.filter((one) => one.label === variant.label).length < 2;
  return alone ? null : fileName(variant.key);
}

export function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
