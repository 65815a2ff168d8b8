/* Moving within the queue: which download a moved one comes to stand before. The queue itself is Rust's.
   Invariant: what is returned is what `moveDownload` takes, or undefined where nothing would move. */
import type { DownloadId } from "./bindings";

/** One place up or down. */
export function stepped(
  order: readonly DownloadId[],
  id: DownloadId,
  step: -1 | 1,
): DownloadId | null | undefined {
  const at = order.indexOf(id);
  if (at < 0) return undefined;
  if (step < 0) return at === 0 ? undefined : order[at - 1];
  return at >= order.length - 1 ? undefined : (order[at + 2] ?? null);
}

/** To the place that the one at `target` has now: before it from below, after it from above. */
export function dropped(
  order: readonly DownloadId[],
  id: DownloadId,
  target: number,
): DownloadId | null | undefined {
  const at = order.indexOf(id);
  const place = Math.min(Math.max(target, 0), order.length - 1);
  if (at < 0 || at === place) return undefined;
  return place < at ? order[place] : (order[place + 1] ?? null);
}

/** The order as it will be, to show it while Rust is asked. */
export function moved(order: readonly DownloadId[], id: DownloadId, before: DownloadId | null): DownloadId[] {
  const others = order.filter((one) => one !== id);
  const at = before === null ? others.length : others.indexOf(before);
  return at < 0 ? [...order] : [...others.slice(0, at), id, ...others.slice(at)];
}
