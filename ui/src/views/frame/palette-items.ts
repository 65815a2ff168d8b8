/* What the palette offers at this moment, and which of it a query finds. Each action belongs to its state. */
import { conversations } from "../../state/conversations.svelte";
import { kioskSetup } from "../../state/kiosk-setup.svelte";
import { library } from "../../state/library.svelte";
import { status } from "../../state/status.svelte";
import { throughput } from "../../state/throughput.svelte";
import { theme, THEME_CHOICES } from "../../state/theme.svelte";
import { view } from "../../state/view.svelte";

export interface Item {
  key: string;
  group: "Do" | "Go to" | "Conversations" | "Load a model" | "Theme";
  name: string;
  keys?: string;
  run: () => void;
}

export function paletteItems(): Item[] {
  return [...doing(), ...screens(), ...exporting(), ...places(), ...talks(), ...models(), ...themes()];
}

/** Every word of the query has to occur, in any order. */
export function matching(items: readonly Item[], query: string): Item[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return items.filter((item) => {
    const text = `${item.group} ${item.name}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function newConversation(): void {
  conversations.startNew();
  view.show("chat");
}

function doing(): Item[] {
  const items: Item[] = [
    { key: "new", group: "Do", name: "New conversation", keys: "Ctrl N", run: newConversation },
  ];
  if (conversations.writing)
    items.push({
      key: "stop",
      group: "Do",
      name: "Stop the answer",
      keys: "Esc",
      run: () => void conversations.stop(),
    });
  if (status.model?.type === "loaded")
    items.push({
      key: "unload",
      group: "Do",
      name: `Unload ${status.model.name}`,
      run: () => void library.unload(),
    });
  return items;
}

/** The screen for visitors; where a PIN is missing, Rust says so. */
function screens(): Item[] {
  const start = () => {
    view.show("settings");
    void kioskSetup.start();
  };
  return [{ key: "start-kiosk", group: "Do", name: "Start the kiosk", run: start }];
}

/** Into a file, which the monitor names. */
function exporting(): Item[] {
  const one = (format: "csv" | "json", name: string): Item => ({
    ...{ key: `export-${format}`, group: "Do", name: `Export throughput as ${name}` },
    run: () => {
      view.show("monitor");
      void throughput.export(format);
    },
  });
  return [one("csv", "CSV"), one("json", "JSON")];
}

function places(): Item[] {
  return [
    { key: "chat", group: "Go to", name: "Chat", keys: "Ctrl 1", run: () => view.show("chat") },
    { key: "models", group: "Go to", name: "Models", keys: "Ctrl 2", run: () => view.show("models") },
    { key: "discover", group: "Go to", name: "Find a model", run: () => view.showModels("discover") },
    { key: "library", group: "Go to", name: "Library", run: () => view.showModels("library") },
    { key: "downloads", group: "Go to", name: "Downloads", run: () => view.showModels("downloads") },
    { key: "monitor", group: "Go to", name: "Monitor", keys: "Ctrl 3", run: () => view.show("monitor") },
    { key: "settings", group: "Go to", name: "Settings", keys: "Ctrl 4", run: () => view.show("settings") },
  ];
}

function talks(): Item[] {
  return conversations.list.map((one) => ({
    key: `conversation-${one.id}`,
    group: "Conversations",
    name: one.title,
    run: () => {
      view.show("chat");
      void conversations.show(one.id);
    },
  }));
}

function models(): Item[] {
  return library.models.map((model) => ({
    key: `model-${model.id}`,
    group: "Load a model",
    name: [model.name, model.quantization].filter(Boolean).join(" "),
    run: () => void library.load(model.id),
  }));
}

function themes(): Item[] {
  const names = { system: "As the desktop says", dark: "Dark", light: "Light" };
  return THEME_CHOICES.map((choice) => ({
    key: `theme-${choice}`,
    group: "Theme",
    name: names[choice],
    run: () => theme.choose(choice),
  }));
}
