/* The keyboard on the screen: which keys lie where, which letters hide behind one, and what a key does to a field.
   It draws nothing.
   Invariant: each page has the keys to leave it, to erase and to send. */
import type { KeyboardLayout } from "./bindings";

export type Page = "letters" | "signs";
export type Special = "shift" | "erase" | "page" | "space" | "send" | "hide";
export interface Key {
  /** What it writes, or what it does. */
  name: string;
  special: Special | null;
  /** Its width, in usual keys. */
  width: number;
}

const LETTERS: Record<KeyboardLayout, [string, string, string]> = {
  qwerty: ["qwertyuiop", "asdfghjkl", "zxcvbnm"],
  qwertz: ["qwertzuiopü", "asdfghjklöä", "yxcvbnmß"],
  azerty: ["azertyuiop", "qsdfghjklm", "wxcvbné"],
};
const SIGNS: [string, string, string] = ["1234567890", "@#€%&*()-+", `"':;!/=_`];

/** Behind a key that is held: the most usual first. */
const BEHIND: Record<string, string> = {
  ...{ a: "àáâäæãå", c: "çćč", d: "ď", e: "éèêëęě", g: "ğ", i: "íìîïı", l: "ł", n: "ñńň", o: "óòôöœõø" },
  ...{ r: "ř", s: "ßśšş", t: "ť", u: "úùûüů", y: "ýÿ", z: "žźż", "?": "¿", "!": "¡", ",": ";", ".": "…:" },
  ...{ "-": "–—", '"': "“”„«»", "'": "’‘", "€": "$£¥" },
};

const special = (name: Special, width: number): Key => ({ name, special: name, width });
const writes = (text: string): Key[] => [...text].map((name) => ({ name, special: null, width: 1 }));

/** The rows of a page, from above. */
export function keyRows(layout: KeyboardLayout, page: Page): Key[][] {
  const [first, second, third] = page === "letters" ? LETTERS[layout] : SIGNS;
  const before = page === "letters" ? [special("shift", 1.5)] : [];
  return [
    writes(first),
    writes(second),
    [...before, ...writes(third), special("erase", 1.5)],
    [
      ...[special("page", 1.5), ...writes(","), special("space", 4.5), ...writes(".?")],
      ...[special("hide", 1), special("send", 2)],
    ],
  ];
}

/** The letters behind a key. */
export function lettersBehind(name: string, upper: boolean): string[] {
  return [...(BEHIND[name] ?? "")].map((letter) => (upper ? capital(letter) : letter));
}

/** ß has a capital of one letter, which a keyboard has to write. */
export function capital(letter: string): string {
  return letter === "ß" ? "ẞ" : letter.toUpperCase();
}

type Field = HTMLTextAreaElement | HTMLInputElement;

/** Writes where the caret is, as long as there is room. */
export function write(field: Field, text: string): void {
  const [start, end] = [field.selectionStart ?? 0, field.selectionEnd ?? 0];
  const room = field.maxLength < 0 ? Infinity : field.maxLength - field.value.length + (end - start);
  if (text.length <= room) replace(field, start, end, text);
}

/** Erases what is selected, else the sign before the caret. */
export function erase(field: Field): void {
  const [start, end] = [field.selectionStart ?? 0, field.selectionEnd ?? 0];
  replace(field, start < end ? start : signBefore(field, start), end, "");
}

/** Writes a letter in place of the one before the caret, which the same key has just written. */
export function writeInstead(field: Field, text: string): void {
  const end = field.selectionStart ?? 0;
  replace(field, signBefore(field, end), end, text);
}

function signBefore(field: Field, caret: number): number {
  const sign = [...field.value.slice(0, caret)].at(-1) ?? "";
  return caret - sign.length;
}

function replace(field: Field, start: number, end: number, text: string): void {
  field.setRangeText(text, start, end, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertText" }));
}
