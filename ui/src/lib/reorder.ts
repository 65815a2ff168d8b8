/* Dragging a row of a list by its handle: says where it would come to stand, and where it was let go.
   It moves nothing by itself. The keyboard's way is the owner's buttons. */

export interface Drag {
  from: number;
  to: number;
}

/** The index of the row in whose place a pointer at this height is; the ends count for what lies beyond them. */
export function placeAt(y: number, rows: readonly { top: number; bottom: number }[]): number {
  const at = rows.findIndex((row) => y < row.bottom);
  return at < 0 ? rows.length - 1 : at;
}

/** What a handle does when it is pressed: follows the pointer until it is let go, or Escape takes the drag back. */
export function dragRow(
  pressed: PointerEvent,
  rows: readonly Element[],
  from: number,
  told: (drag: Drag | null) => void,
  drop: (drag: Drag) => void,
): void {
  if (pressed.button !== 0) return;
  pressed.preventDefault();
  let drag: Drag = { from, to: from };
  const ending = new AbortController();
  const { signal } = ending;
  const end = () => {
    ending.abort();
    told(null);
  };
  told(drag);
  const onmove = (event: PointerEvent) => {
    // Asked each time: the list may have been scrolled meanwhile.
    drag = {
      from,
      to: placeAt(
        event.clientY,
        rows.map((row) => row.getBoundingClientRect()),
      ),
    };
    told(drag);
  };
  const onup = () => {
    end();
    if (drag.to !== drag.from) drop(drag);
  };
  const onkey = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    end();
  };
  addEventListener("pointermove", onmove, { signal });
  addEventListener("pointerup", onup, { signal });
  addEventListener("pointercancel", end, { signal });
  addEventListener("keydown", onkey, { signal, capture: true });
}
