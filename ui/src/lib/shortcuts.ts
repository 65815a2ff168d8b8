/* Every keyboard shortcut of the window, once: the handler and the page that lists them read the same table.
   What a shortcut does is decided where it is handled. */

export type Shortcut = "palette" | "new_conversation" | "chat" | "models" | "monitor" | "settings" | "stop";

interface Binding {
  shortcut: Shortcut;
  keys: string;
  does: string;
  key: string;
  ctrl: boolean;
}

export const SHORTCUTS: readonly Binding[] = [
  { shortcut: "palette", keys: "Ctrl K", does: "Search and run anything", key: "k", ctrl: true },
  { shortcut: "new_conversation", keys: "Ctrl N", does: "New conversation", key: "n", ctrl: true },
  { shortcut: "chat", keys: "Ctrl 1", does: "Chat", key: "1", ctrl: true },
  { shortcut: "models", keys: "Ctrl 2", does: "Models", key: "2", ctrl: true },
  { shortcut: "monitor", keys: "Ctrl 3", does: "Monitor", key: "3", ctrl: true },
  { shortcut: "settings", keys: "Ctrl 4", does: "Settings", key: "4", ctrl: true },
  { shortcut: "stop", keys: "Esc", does: "Stop the answer", key: "Escape", ctrl: false },
];

/** Keys that a field or a list handles by itself; listed for the reader only. */
export const FIELD_KEYS: readonly { keys: string; does: string }[] = [
  { keys: "Enter", does: "Send the message" },
  { keys: "Shift Enter", does: "A new line in the message" },
  { keys: "F2", does: "Rename the conversation in focus" },
  { keys: "Delete", does: "Delete the conversation in focus" },
];

export function shortcutOf(event: KeyboardEvent): Shortcut | null {
  if (event.altKey || event.shiftKey || event.isComposing) return null;
  const ctrl = event.ctrlKey || event.metaKey;
  const found = SHORTCUTS.find((one) => one.key === event.key && one.ctrl === ctrl);
  return found?.shortcut ?? null;
}
