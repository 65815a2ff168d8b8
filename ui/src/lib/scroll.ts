/* Keeps a scrolling element at its end while its content grows, but only for a reader who is there.
   Invariant: it never moves the view of someone who scrolled up. */

/** How far from the end still counts as being there, in CSS pixels: about one line. */
const NEAR = 32;

export class StickyEnd {
  #there = true;
  #top = 0;

  constructor(
    private readonly view: HTMLElement,
    private readonly onChange: (there: boolean) => void,
  ) {}

  /** Follows the view until the returned function is called. */
  follow(content: Element): () => void {
    const sizes = new ResizeObserver(() => this.#there && this.#toEnd());
    sizes.observe(content);
    sizes.observe(this.view);
    const onScroll = () => this.#scrolled();
    // Said at once: a scroll event comes only after the next growth may have pulled the reader back down.
    const onWheel = (event: WheelEvent) => event.deltaY < 0 && this.#scrolls() && this.#set(false);
    this.view.addEventListener("scroll", onScroll, { passive: true });
    this.view.addEventListener("wheel", onWheel, { passive: true });
    return () => {
      sizes.disconnect();
      this.view.removeEventListener("scroll", onScroll);
      this.view.removeEventListener("wheel", onWheel);
    };
  }

  /** Goes to the end and stays there. */
  jump(): void {
    this.#set(true);
    this.#toEnd();
  }

  /** Growth alone also ends in a scroll event far from the end; only going up is the reader's doing. */
  #scrolled(): void {
    const up = this.view.scrollTop < this.#top;
    this.#top = this.view.scrollTop;
    if (this.#distance() <= NEAR) this.#set(true);
    else if (up) this.#set(false);
  }

  #distance(): number {
    return this.view.scrollHeight - this.view.scrollTop - this.view.clientHeight;
  }

  #scrolls(): boolean {
    return this.view.scrollHeight > this.view.clientHeight;
  }

  #toEnd(): void {
    this.view.scrollTop = this.view.scrollHeight;
    this.#top = this.view.scrollTop;
  }

  #set(there: boolean): void {
    if (there === this.#there) return;
    this.#there = there;
    this.onChange(there);
  }
}
