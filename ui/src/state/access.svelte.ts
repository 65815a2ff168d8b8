/* Whether there is an access token and where it comes from. The token itself is never here: it goes through once, to Rust. */
import { commands, type TokenState } from "../lib/bindings";
import { ask, done, settle, type Failure } from "../lib/errors";

export type Saved = { who: string } | { failure: Failure };

class Access {
  token = $state<TokenState | null>(null);

  async refresh(): Promise<void> {
    this.token = await ask(commands.accessToken());
  }

  /** Hands a token over, and says whose it is. */
  async save(token: string): Promise<Saved> {
    const outcome = await settle(commands.setAccessToken(token.trim()));
    if (outcome.status === "error") return { failure: outcome.error };
    await this.refresh();
    return { who: outcome.data };
  }

  async forget(): Promise<void> {
    if (await done(commands.forgetAccessToken())) await this.refresh();
  }
}

export const access = new Access();
