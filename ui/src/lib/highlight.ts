/* Colours code: highlight.js with the languages that answers are written in, and a painter for code that grows.
   It never guesses a language: an unknown one stays plain.
   Invariant: what is put into the page as HTML is highlight.js's own output, which escapes the code. */
import hljs from "highlight.js/lib/core";
import bash from "highlight.js/lib/languages/bash";
import c from "highlight.js/lib/languages/c";
import cpp from "highlight.js/lib/languages/cpp";
import css from "highlight.js/lib/languages/css";
import diff from "highlight.js/lib/languages/diff";
import go from "highlight.js/lib/languages/go";
import ini from "highlight.js/lib/languages/ini";
import java from "highlight.js/lib/languages/java";
import javascript from "highlight.js/lib/languages/javascript";
import json from "highlight.js/lib/languages/json";
import markdown from "highlight.js/lib/languages/markdown";
import python from "highlight.js/lib/languages/python";
import rust from "highlight.js/lib/languages/rust";
import sql from "highlight.js/lib/languages/sql";
import typescript from "highlight.js/lib/languages/typescript";
import xml from "highlight.js/lib/languages/xml";
import yaml from "highlight.js/lib/languages/yaml";

const LANGUAGES = {
  ...{ bash, c, cpp, css, diff, go, ini, java, javascript, json },
  ...{ markdown, python, rust, sql, typescript, xml, yaml },
};
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language);

/** HTML of the code, or null where the language is not known. */
export function highlighted(code: string, language: string): string | null {
  if (!hljs.getLanguage(language)) return null;
  return hljs.highlight(code, { language, ignoreIllegals: true }).value;
}

/** Paints one code element as its text grows. Colouring starts over at the top each time, so it is done again only
    after the text grew by an eighth; what came since stands plain behind it. The cost stays linear in the end. */
export class CodePainter {
  #covered = "";
  #rest: Text | null = null;

  constructor(
    private readonly element: HTMLElement,
    private readonly language: string,
  ) {}

  paint(code: string, closed: boolean): void {
    const grown = code.length - this.#covered.length;
    const continues = this.#rest !== null && code.startsWith(this.#covered);
    if (!continues || closed || grown > Math.max(48, this.#covered.length / 8)) this.#colour(code);
    else if (this.#rest) this.#rest.data = code.slice(this.#covered.length);
  }

  #colour(code: string): void {
    const html = highlighted(code, this.language);
    if (html === null) this.element.textContent = code;
    else this.element.innerHTML = html;
    this.#covered = code;
    this.#rest = document.createTextNode("");
    this.element.append(this.#rest);
  }
}
