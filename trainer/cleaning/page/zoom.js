// Enlarges the photo where a person clicks, or in its middle.

const FACTOR = 2.5;
const PAN_FRACTION = 0.25; // of what is in view, for an arrow key
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Zoom {
  /** @param {HTMLElement} frame  what the photo is in */
  constructor(frame) {
    this.frame = frame;
    frame.addEventListener("click", (event) => { if (event.pointerType !== "touch") this.toggle(event); }); // fingers pinch
  }

  get isOn() {
    return this.frame.classList.contains("zoomed");
  }

  /** Enlarge the photo around a point of the window, or show all of it again. */
  toggle({ clientX, clientY } = {}) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    const [x, y] = clientX === undefined ? [width / 2, height / 2] : [clientX - left, clientY - top];
    const isOn = this.frame.classList.toggle("zoomed");
    this.frame.tabIndex = isOn ? 0 : -1; // what scrolls can be reached with the keyboard
    if (isOn) this.frame.scrollTo(x * FACTOR - width / 2, y * FACTOR - height / 2);
  }

  off() {
    if (this.isOn) this.toggle();
  }

  /** Move the enlarged photo by an arrow key. */
  pan(key) {
    const [across, down] = DIRECTIONS[key] ?? [0, 0];
    const { clientWidth, clientHeight } = this.frame;
    this.frame.scrollBy(across * clientWidth * PAN_FRACTION, down * clientHeight * PAN_FRACTION);
  }
}
