/* Failures that have no place of their own in a view: short ones as toasts, grave ones as a dialog.
   Where each belongs is lib/errors.ts's to say; a refused send is told in the chat and never comes here. */
import { PLACEMENTS, showFailuresWith, type Failure } from "../lib/errors";

export interface Problem {
  id: number;
  failure: Failure;
}

class Problems {
  toasts = $state.raw<Problem[]>([]);
  dialog = $state.raw<Problem | null>(null);
  #next = 1;

  listen(): void {
    showFailuresWith((failure) => this.add(failure));
  }

  add(failure: Failure): void {
    const { place } = PLACEMENTS[failure.code];
    if (place === "silent") return;
    const problem = { id: this.#next++, failure };
    if (place === "dialog") this.dialog = problem;
    // The same trouble twice is told once, newly; a fourth toast would cover the composer.
    else this.toasts = [...this.toasts.filter((one) => !same(one.failure, failure)), problem].slice(-3);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((one) => one.id !== id);
    if (this.dialog?.id === id) this.dialog = null;
  }
}

function same(a: Failure, b: Failure): boolean {
  return a.code === b.code && a.message === b.message;
}

export const problems = new Problems();
