/* Dark (as Wick was drawn), light, or as the desktop says. It lives in the window's own storage: losing it costs a click. */

export type ThemeChoice = "system" | "dark" | "light";
export const THEME_CHOICES: readonly ThemeChoice[] = ["dark", "light", "system"];
const KEY = "wick.theme";

function stored(): ThemeChoice {
  const found = localStorage.getItem(KEY);
  return THEME_CHOICES.find((choice) => choice === found) ?? "dark";
}

class Theme {
  choice = $state<ThemeChoice>(stored());

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    localStorage.setItem(KEY, choice);
    this.apply();
  }

  /** Tells the style sheets; for "system" they ask the desktop. */
  apply(): void {
    document.documentElement.dataset.theme = this.choice;
  }
}

export const theme = new Theme();
