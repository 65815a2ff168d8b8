/* What arrives from Rust unasked: the status, the downloads, the guard's notices, files dropped on the window, and the channels of single
   calls. It passes them on and keeps nothing. */
import { Channel } from "@tauri-apps/api/core";
import { listen, TauriEvent } from "@tauri-apps/api/event";
import { events, type ChatEvent, type DownloadsChanged, type GuardNotice, type Status } from "./bindings";

/** Calls `take` with each new status until the returned function is called. */
export async function onStatus(take: (status: Status) => void): Promise<() => void> {
  return events.statusChanged.listen((event) => take(event.payload));
}

/** Calls `take` with each change of the downloads until the returned function is called. */
export async function onDownloads(take: (change: DownloadsChanged) => void): Promise<() => void> {
  return events.downloadsChanged.listen((event) => take(event.payload));
}

/** Calls `take` with what the guard did until the returned function is called. */
export async function onGuard(take: (notice: GuardNotice) => void): Promise<() => void> {
  return events.guardActed.listen((event) => take(event.payload));
}

/** A channel for one call; Tauri delivers its events in order. */
export function channel<T>(take: (event: T) => void): Channel<T> {
  const made = new Channel<T>();
  made.onmessage = take;
  return made;
}

/** A channel for one generation. */
export const chatChannel = (take: (event: ChatEvent) => void): Channel<ChatEvent> => channel(take);

/** Follows files that are dragged over the window: `over` says whether some are, `drop` brings their paths. */
export async function onFiles(
  over: (is: boolean) => void,
  drop: (paths: string[]) => void,
): Promise<() => void> {
  const stops = await Promise.all([
    listen<{ paths: string[] }>(TauriEvent.DRAG_ENTER, ({ payload }) => over(payload.paths.length > 0)),
    listen(TauriEvent.DRAG_LEAVE, () => over(false)),
    listen<{ paths: string[] }>(TauriEvent.DRAG_DROP, ({ payload }) => {
      over(false);
      drop(payload.paths);
    }),
  ]);
  return () => stops.forEach((stop) => stop());
}
