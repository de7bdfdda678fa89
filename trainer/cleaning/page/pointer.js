// Mouse and touch on a grid: click, Shift and Ctrl, double click, a rectangle that is drawn, a long press; swipes.

import { element } from "./element.js";

const START_PIXELS = 6; // a smaller movement is a click
const LONG_PRESS_MS = 450;
const EDGE_PIXELS = 48; // near the edge of the grid, drawing a rectangle scrolls it
const CLICK_AFTER_MS = 50;
const SWIPE_PIXELS = 60;

/**
 * Watch pointers on a grid of cells.
 *
 * @param {import("./virtual.js").VirtualGrid} grid
 * @param {object} options
 * @param {(target: Element) => number} options.positionOf  position of the cell that an element is in; -1 for none
 * @param {(position: number, options: {isExtending: boolean, isToggling: boolean, isTouch: boolean}) => void} options.onClick
 * @param {(position: number) => void} options.onDoubleClick
 * @param {(position: number) => void} options.onLongPress
 * @param {(positions: number[], options: {isAdding: boolean, isEnd: boolean}) => void} options.onRectangle
 */
export function watchGrid(grid, { positionOf, onClick, onDoubleClick, onLongPress, onRectangle }) {
  const { viewport, space } = grid;
  let press = null; // {x, y, isTouch, timer, rectangle}; x and y are of the scrolled space
  let drawnAt = -Infinity;

  const pointIn = ({ clientX, clientY }) => {
    const box = space.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  };
  const end = () => {
    clearTimeout(press?.timer);
    press?.rectangle?.remove();
    press = null;
  };

  viewport.addEventListener("pointerdown", (event) => {
    const isScrollBar = event.target === viewport && event.offsetX > viewport.clientWidth;
    if (event.button !== 0 || isScrollBar) return;
    const isTouch = event.pointerType === "touch";
    const position = positionOf(event.target);
    press = { ...pointIn(event), isTouch, client: [event.clientX, event.clientY], isLong: false };
    if (isTouch && position >= 0) {
      press.timer = setTimeout(() => {
        press.isLong = true;
        onLongPress(position);
      }, LONG_PRESS_MS);
    }
  });
  viewport.addEventListener("pointermove", (event) => {
    if (!press) return;
    if (!event.buttons) { // the button was released elsewhere
      end();
      return;
    }
    const moved = Math.hypot(event.clientX - press.client[0], event.clientY - press.client[1]);
    if (moved > START_PIXELS) clearTimeout(press.timer);
    if (press.isTouch || (moved <= START_PIXELS && !press.rectangle)) return;
    if (!press.rectangle) {
      press.rectangle = element("div", "rectangle");
      space.append(press.rectangle);
      viewport.setPointerCapture(event.pointerId);
    }
    scrollAtEdge(viewport, event.clientY);
    draw(press.rectangle, rectangleOf(press, pointIn(event)));
    onRectangle(grid.positionsIn(rectangleOf(press, pointIn(event))), { isAdding: isToggling(event), isEnd: false });
  });
  viewport.addEventListener("pointerup", (event) => {
    if (press?.rectangle) {
      onRectangle(grid.positionsIn(rectangleOf(press, pointIn(event))), { isAdding: isToggling(event), isEnd: true });
      drawnAt = event.timeStamp;
    }
    if (!press?.isLong) end();
  });
  viewport.addEventListener("pointercancel", end);
  viewport.addEventListener("contextmenu", (event) => { if (press?.isTouch) event.preventDefault(); });
  viewport.addEventListener("click", (event) => {
    const isTouch = press?.isLong || event.pointerType === "touch";
    const wasLong = press?.isLong;
    end();
    if (wasLong || event.timeStamp - drawnAt < CLICK_AFTER_MS) return; // the click that ends a long press or a rectangle
    const position = positionOf(event.target);
    if (position >= 0) onClick(position, { isExtending: event.shiftKey, isToggling: isToggling(event), isTouch });
  });
  viewport.addEventListener("dblclick", (event) => {
    const position = positionOf(event.target);
    if (position >= 0 && !event.shiftKey && !isToggling(event)) onDoubleClick(position);
  });
}

/** Call a function with -1 or 1 when a finger moves over an element to the right, or to the left. */
export function watchSwipes(target, onSwipe) {
  let start = null;
  target.addEventListener("touchstart", ({ touches }) => {
    start = touches.length === 1 ? [touches[0].clientX, touches[0].clientY] : null;
  }, { passive: true });
  target.addEventListener("touchend", ({ changedTouches: [touch] }) => {
    if (!start) return;
    const [across, down] = [touch.clientX - start[0], touch.clientY - start[1]];
    start = null;
    if (Math.abs(across) > SWIPE_PIXELS && Math.abs(across) > 2 * Math.abs(down)) onSwipe(across > 0 ? -1 : 1);
  }, { passive: true });
}

function isToggling({ ctrlKey, metaKey }) {
  return ctrlKey || metaKey;
}

function rectangleOf(from, to) {
  return {
    left: Math.min(from.x, to.x), right: Math.max(from.x, to.x), top: Math.min(from.y, to.y), bottom: Math.max(from.y, to.y),
  };
}

function draw({ style }, { left, top, right, bottom }) {
  Object.assign(style, { left: `${left}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px` });
}

function scrollAtEdge(viewport, y) {
  const { top, bottom } = viewport.getBoundingClientRect();
  if (y < top + EDGE_PIXELS) viewport.scrollTop -= EDGE_PIXELS / 2;
  if (y > bottom - EDGE_PIXELS) viewport.scrollTop += EDGE_PIXELS / 2;
}
