/* The settings of downloads as a form shows them, and back. Rust decides what is possible; here only what is no number
   or no time of day is told before it is sent.
   Invariant: settings that came from Rust survive the way through the form unchanged. */
import type { DownloadSettings } from "./bindings";
import { clock } from "./format";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export interface DownloadForm {
  parallel: string;
  segments: string;
  limited: boolean;
  limitMib: string;
  timed: boolean;
  from: string;
  until: string;
  budgeted: boolean;
  budgetGib: string;
  reserveGib: string;
}

/** What was wrong, by field. */
export type Mistakes = Partial<Record<keyof DownloadForm, string>>;

const shown = (bytes: number | null, unit: number, otherwise: string): string =>
  bytes === null ? otherwise : String(bytes / unit);

export function toForm(settings: DownloadSettings): DownloadForm {
  const { hours } = settings;
  return {
    parallel: String(settings.parallel),
    segments: String(settings.segments),
    limited: settings.speed_limit_bytes !== null,
    limitMib: shown(settings.speed_limit_bytes, MIB, "10"),
    timed: hours !== null,
    from: clock(hours?.from_minute ?? 22 * 60),
    until: clock(hours?.until_minute ?? 7 * 60),
    budgeted: settings.budget_bytes !== null,
    budgetGib: shown(settings.budget_bytes, GIB, "500"),
    reserveGib: shown(settings.reserve_bytes, GIB, "0"),
  };
}

/** "22:00", "7", "7:30" and "0730" as minutes after midnight; null for what is no time of day. */
export function parseClock(text: string): number | null {
  const match = /^(\d{1,2})(?::?(\d{2}))?$/.exec(text.trim());
  if (!match) return null;
  const [hours, minutes] = [Number(match[1]), Number(match[2] ?? 0)];
  return hours < 24 && minutes < 60 ? hours * 60 + minutes : null;
}

/** A number that a person wrote, with a comma or a point; null for anything else. */
export function parseAmount(text: string): number | null {
  const written = text.trim().replace(",", ".");
  return /^\d{1,9}(?:\.\d*)?$/.test(written) ? Number(written) : null;
}

export function fromForm(form: DownloadForm): { settings: DownloadSettings } | { mistakes: Mistakes } {
  const mistakes: Mistakes = {};
  const whole = (field: "parallel" | "segments", most: number): number => {
    const value = parseAmount(form[field]);
    if (value !== null && Number.isInteger(value) && value >= 1 && value <= most) return value;
    mistakes[field] = `A whole number from 1 to ${most}.`;
    return 1;
  };
  const bytes = (field: "limitMib" | "budgetGib" | "reserveGib", unit: number, least: number): number => {
    const value = parseAmount(form[field]);
    if (value !== null && value >= least) return Math.round(value * unit);
    mistakes[field] = least > 0 ? "A number above zero." : "A number.";
    return 0;
  };
  const minute = (field: "from" | "until"): number => {
    const value = parseClock(form[field]);
    if (value === null) mistakes[field] = "A time such as 22:00.";
    return value ?? 0;
  };
  const settings: DownloadSettings = {
    parallel: whole("parallel", 16),
    segments: whole("segments", 16),
    speed_limit_bytes: form.limited ? bytes("limitMib", MIB, 0.001) : null,
    hours: form.timed ? { from_minute: minute("from"), until_minute: minute("until") } : null,
    budget_bytes: form.budgeted ? bytes("budgetGib", GIB, 0.001) : null,
    reserve_bytes: bytes("reserveGib", GIB, 0),
  };
  const { hours } = settings;
  if (hours && !mistakes.from && !mistakes.until && hours.from_minute === hours.until_minute)
    mistakes.until = "Another time than its beginning.";
  return Object.keys(mistakes).length > 0 ? { mistakes } : { settings };
}
