/* What arrives from Rust unasked: the status, and the events of one generation through its channel.
   It passes them on and keeps nothing. */
import { Channel } from "@tauri-apps/api/core";
import { events, type ChatEvent, type Status } from "./bindings";

/** Calls `take` with each new status until the returned function is called. */
export async function onStatus(take: (status: Status) => void): Promise<() => void> {
  return events.statusChanged.listen((event) => take(event.payload));
}

/** A channel for one generation; Tauri delivers its events in order. */
export function chatChannel(take: (event: ChatEvent) => void): Channel<ChatEvent> {
  const channel = new Channel<ChatEvent>();
  channel.onmessage = take;
  return channel;
}
