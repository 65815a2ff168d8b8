/* Groups conversations by the day on which they last changed. It sorts within the groups and changes nothing else. */
import type { ConversationSummary } from "./bindings";

export interface DayGroup {
  name: "Today" | "Yesterday" | "Earlier";
  conversations: ConversationSummary[];
}

// Rust's large numbers are typed as possibly null, since JSON has no NaN; a time that is missing is long ago.
const changed = (conversation: ConversationSummary): number => conversation.updated_at_ms ?? 0;

/** Newest first; groups without a conversation are left out. Days are the calendar's, in local time. */
export function byDay(conversations: readonly ConversationSummary[], now: Date): DayGroup[] {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  // The day before by the calendar: 24 hours back would be wrong on the nights when the clocks change.
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1).getTime();
  const sorted = [...conversations].sort((a, b) => changed(b) - changed(a) || b.id - a.id);
  const groups: DayGroup[] = [
    { name: "Today", conversations: sorted.filter((c) => changed(c) >= today) },
    {
      name: "Yesterday",
      conversations: sorted.filter((c) => changed(c) < today && changed(c) >= yesterday),
    },
    { name: "Earlier", conversations: sorted.filter((c) => changed(c) < yesterday) },
  ];
  return groups.filter((group) => group.conversations.length > 0);
}
