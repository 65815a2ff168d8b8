/* Which place in the window an address fragment names, and back. It does not navigate.
   Invariant: parse(format(r)) is r, and any other text is the chat with nothing open. */
import type { ConversationId } from "./bindings";

export const VIEWS = ["chat", "models", "monitor", "settings"] as const;
export type View = (typeof VIEWS)[number];
export const MODELS_TABS = ["discover", "library", "downloads"] as const;
export type ModelsTab = (typeof MODELS_TABS)[number];
export interface Route {
  view: View;
  /** The part of the models view; the library in any other view. */
  models: ModelsTab;
  conversation: ConversationId | null;
}

export function parseRoute(fragment: string): Route {
  const [view, id] = fragment.replace(/^#\/?/, "").split("/");
  const known = VIEWS.find((name) => name === view) ?? "chat";
  const conversation = known === "chat" && /^\d{1,15}$/.test(id ?? "") ? Number(id) : null;
  const models = (known === "models" && MODELS_TABS.find((name) => name === id)) || "library";
  return { view: known, models, conversation };
}

export function formatRoute(route: Route): string {
  const place = { chat: route.conversation, models: route.models, monitor: null, settings: null }[route.view];
  return `#/${route.view}${place === null ? "" : `/${place}`}`;
}
