/* The downloads as Rust last said, in the order of the queue, and what a person does with them.
   It computes no rate and keeps no history: each `Download` is whole.
   Invariant: `byId` and `order` name the same downloads; a change of one touches no other's entry, so that only its own
   row is drawn again. */
import { SvelteMap } from "svelte/reactivity";
import {
  commands,
  type Download,
  type DownloadId,
  type DownloadsChanged,
  type DownloadSettings,
} from "../lib/bindings";
import { hasEnded, isOpen, isRunning } from "../lib/download-words";
import { ask, done, settle, type Failure } from "../lib/errors";
import { onDownloads } from "../lib/events";
import { moved } from "../lib/queue";

class Downloads {
  readonly byId = new SvelteMap<DownloadId, Download>();
  order = $state.raw<DownloadId[]>([]);
  /** Those that still have something to do, and those that are over: new lists only when one changes places. */
  queue = $state.raw<DownloadId[]>([]);
  over = $state.raw<DownloadId[]>([]);
  /** How many are fetched or verified right now. */
  running = $derived.by(() => [...this.byId.values()].filter(isRunning).length);
  /** Those that ended since someone looked, the latest last: for a word at the edge of the window. */
  ended = $state.raw<DownloadId[]>([]);

  #onComplete: () => void = () => undefined;

  /** Follows the downloads from now on; `onComplete` is called when a model has come. */
  async follow(onComplete: () => void): Promise<() => void> {
    this.#onComplete = onComplete;
    const stop = await onDownloads((change) => this.take(change));
    await this.refresh();
    return stop;
  }

  async refresh(): Promise<void> {
    const all = await ask(commands.downloads());
    if (all) this.take(all);
  }

  take({ changed, order }: DownloadsChanged): void {
    for (const download of changed) this.#put(download);
    if (!same(order, this.order)) this.#reorder(order);
    this.#divide();
  }

  pause(id: DownloadId): Promise<boolean> {
    return done(commands.pauseDownload(id));
  }

  /** Goes on with a paused one, tries a failed one again. */
  resume(id: DownloadId): Promise<boolean> {
    return done(commands.resumeDownload(id));
  }

  /** Takes it off the list, with what an unfinished one has brought so far. */
  remove(id: DownloadId): Promise<boolean> {
    return done(commands.cancelDownload(id));
  }

  async clearComplete(): Promise<void> {
    for (const id of this.over) await this.remove(id);
  }

  /** Shown at once; if Rust refuses, the order is asked for again. */
  async move(id: DownloadId, before: DownloadId | null): Promise<void> {
    this.order = moved(this.order, id, before);
    this.#divide();
    if (!(await done(commands.moveDownload(id, before)))) await this.refresh();
  }

  dismiss(id: DownloadId): void {
    this.ended = this.ended.filter((one) => one !== id);
  }

  settings(): Promise<DownloadSettings | null> {
    return ask(commands.downloadSettings());
  }

  /** Null when they are in force, else why they are not. */
  async saveSettings(settings: DownloadSettings): Promise<Failure | null> {
    const outcome = await settle(commands.setDownloadSettings(settings));
    return outcome.status === "error" ? outcome.error : null;
  }

  #put(download: Download): void {
    const before = this.byId.get(download.id);
    this.byId.set(download.id, download);
    if (!hasEnded(before, download)) return;
    // A fourth word would cover what is being worked on.
    this.ended = [...this.ended.filter((id) => id !== download.id), download.id].slice(-3);
    if (download.state.type === "complete") this.#onComplete();
  }

  #reorder(order: readonly DownloadId[]): void {
    this.order = order.filter((id) => this.byId.has(id));
    const there = new Set(order);
    for (const id of [...this.byId.keys()]) if (!there.has(id)) this.byId.delete(id);
    this.ended = this.ended.filter((id) => there.has(id));
  }

  #divide(): void {
    const open = (id: DownloadId) => {
      const download = this.byId.get(id);
      return download !== undefined && isOpen(download);
    };
    const queue = this.order.filter(open);
    const over = this.order.filter((id) => !open(id));
    if (!same(queue, this.queue)) this.queue = queue;
    if (!same(over, this.over)) this.over = over;
  }
}

function same(a: readonly DownloadId[], b: readonly DownloadId[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

export const downloads = new Downloads();
