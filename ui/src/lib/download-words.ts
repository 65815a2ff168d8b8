/* How a download stands, in words, and what can be done about it. What happens is Rust's; failures bring their words. */
import type { Download, DownloadState } from "./bindings";
import { clock } from "./format";

export type DownloadTone = "live" | "calm" | "wait" | "bad" | "good";

/** One or two words that stand where the figures stand. */
export function stateWords(state: DownloadState): { words: string; tone: DownloadTone } {
  switch (state.type) {
    case "queued":
      return { words: "Queued", tone: "calm" };
    case "outside_hours":
      return { words: `Waits until ${clock(state.from_minute)}`, tone: "calm" };
    case "starting":
      return { words: "Starting", tone: "live" };
    case "fetching":
      return { words: "Downloading", tone: "live" };
    case "waiting":
      return { words: "Waiting", tone: "wait" };
    case "verifying":
      return { words: "Verifying", tone: "live" };
    case "paused":
      return { words: "Paused", tone: state.error ? "wait" : "calm" };
    case "failed":
      return { words: "Failed", tone: "bad" };
    case "complete":
      return { words: "Complete and verified", tone: "good" };
  }
}

export type DownloadAct = "pause" | "resume" | "retry";

/** The one thing to do beside removing it; null where there is none. */
export function actFor(state: DownloadState): DownloadAct | null {
  switch (state.type) {
    case "paused":
      return "resume";
    case "failed":
      return "retry";
    case "verifying":
    case "complete":
      return null;
    default:
      return "pause";
  }
}

/** Whether it still has something to do, now or later. */
export function isOpen(download: Download): boolean {
  return download.state.type !== "complete";
}

/** Whether something happens with it right now. */
export function isRunning({ state }: Download): boolean {
  return state.type === "starting" || state.type === "fetching" || state.type === "verifying";
}

/** Whether it ended by itself just now: the two ends that a person wants to hear of. */
export function hasEnded(before: Download | undefined, after: Download): boolean {
  const over = (one: Download) => one.state.type === "complete" || one.state.type === "failed";
  return before !== undefined && !over(before) && over(after);
}

/** How many are in which state, in the order in which they come: "2 running, 3 waiting, 1 failed". */
export function queueWords(downloads: readonly Download[]): string {
  const kinds = { running: 0, waiting: 0, paused: 0, failed: 0 };
  for (const download of downloads) {
    const { state } = download;
    if (state.type === "paused" || state.type === "failed") kinds[state.type]++;
    else if (isRunning(download)) kinds.running++;
    else if (state.type !== "complete") kinds.waiting++;
  }
  const told = Object.entries(kinds).filter(([, number]) => number > 0);
  return told.map(([kind, number]) => `${number} ${kind}`).join(", ");
}

/** The bytes that come in a second, of all of them together. */
export function togetherRate(downloads: readonly Download[]): number {
  return downloads.reduce(
    (sum, one) => sum + (one.state.type === "fetching" ? (one.rate_bytes_per_second ?? 0) : 0),
    0,
  );
}
