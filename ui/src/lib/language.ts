/* Under LANG=C, WebKit says that the person's language is "C", which is none: `new Intl.NumberFormat("C")` throws. uPlot
   asks so when it is loaded, and the page would stay empty. So this comes first, and says what the page is written in. */

function isLanguage(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

if (!isLanguage(navigator.language)) Object.defineProperty(navigator, "language", { value: "en-US" });
