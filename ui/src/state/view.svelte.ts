/* Which view the window shows, and whether the palette lies over it. What is in a view is not its concern. */
import type { View } from "../lib/route";

class ViewState {
  current = $state<View>("chat");
  palette = $state(false);

  show(view: View): void {
    this.current = view;
    this.palette = false;
  }
}

export const view = new ViewState();
