/* The operator at the kiosk: from the PIN to the way out. Whether a PIN is right, and how long to wait after a wrong one, is
   Rust's alone.
   Invariant: a PIN is held only while it is typed. */
import { commands, type KioskLog, type Leave } from "../lib/bindings";
import { quietly, succeeded } from "../lib/kiosk-calls";

export const PIN_DIGITS = { least: 4, most: 12 };

class Operator {
  /** What lies over the page: nothing, the question for the PIN, or the panel. */
  place = $state<"nowhere" | "pin" | "panel">("nowhere");
  digits = $state("");
  /** Until when no PIN is looked at, by `performance.now()`. */
  waitsUntil = $state(0);
  wrong = $state(false);
  today = $state.raw<KioskLog | null>(null);
  /** Whether the figures of the day can't be had. */
  lost = $state(false);
  trying = $state(false);

  ask(): void {
    if (this.place === "nowhere") this.place = "pin";
  }

  close(): void {
    if (this.place === "panel") void succeeded(commands.kioskLock());
    this.place = "nowhere";
    this.digits = "";
    this.wrong = false;
    this.today = null;
  }

  type(digit: string): void {
    if (this.digits.length < PIN_DIGITS.most) this.digits += digit;
    this.wrong = false;
  }

  erase(): void {
    this.digits = this.digits.slice(0, -1);
  }

  async enter(): Promise<void> {
    if (this.trying || this.digits.length < PIN_DIGITS.least) return;
    const pin = this.digits;
    this.digits = "";
    this.trying = true;
    const answer = await quietly(commands.kioskTryPin(pin));
    this.trying = false;
    if (this.place !== "pin") return;
    if (answer?.type === "right") return this.#open();
    this.wrong = answer?.type !== "too_soon";
    this.waitsUntil = performance.now() + (answer?.wait_ms ?? 0);
  }

  /** Whether it is under way; otherwise the panel is over, as Rust forgot who is here. */
  async leave(how: Leave): Promise<void> {
    if (!(await succeeded(commands.kioskLeave(how)))) this.close();
  }

  async #open(): Promise<void> {
    this.place = "panel";
    this.wrong = false;
    this.lost = false;
    this.today = await quietly(commands.kioskToday());
    this.lost = this.today === null;
  }
}

export const operator = new Operator();
