/* Which place in the window an address fragment names, and back. It does not navigate.
   Invariant: parse(format(r)) is r, and any other text is the chat with nothing open. */
import type { ConversationId } from "./bindings";

export const VIEWS = ["chat", "models", "settings"] as const;
export type View = (typeof VIEWS)[number];
export interface Route {
  view: View;
  conversation: ConversationId | null;
}

export function parseRoute(fragment: string): Route {
  const [view, id] = fragment.replace(/^#\/?/, "").split("/");
  const known = VIEWS.find((name) => name === view) ?? "chat";
  const conversation = known === "chat" && /^\d{1,15}$/.test(id ?? "") ? Number(id) : null;
  return { view: known, conversation };
}

export function formatRoute(route: Route): string {
  const suffix = route.view === "chat" && route.conversation !== null ? `/${route.conversation}` : "";
  return `#/${route.view}${suffix}`;
}
