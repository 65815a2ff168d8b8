/* Which view the window shows, and whether the palette lies over it. What is in a view is not its concern. */
import type { ModelsTab, View } from "../lib/route";

class ViewState {
  current = $state<View>("chat");
  palette = $state(false);
  /** The part of the models view that was looked at last. */
  models = $state<ModelsTab>("library");

  show(view: View): void {
    this.current = view;
    this.palette = false;
  }

  showModels(tab: ModelsTab): void {
    this.models = tab;
    this.show("models");
  }
}

export const view = new ViewState();
