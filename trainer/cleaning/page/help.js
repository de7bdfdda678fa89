// The table of keys, and the switch that turns single letters off.

import { COMMANDS } from "./commands.js";
import { element } from "./element.js";

const STORAGE_NAME = "fieldguide-clean-letters";
const OFF = "off";

/** Fill the table of keys. */
export function buildHelp(page) {
  page["help-rows"].replaceChildren(...Object.values(COMMANDS).filter(({ shown }) => shown).map(({ shown, text }) => {
    const parts = shown.split(" ").map((part) => (["or", "…"].includes(part) ? ` ${part} ` : element("kbd", "", part)));
    const heading = element("th", "", ...parts);
    heading.scope = "row";
    return element("tr", "", heading, element("td", "", text));
  }));
  page.letters.checked = lettersAreOn();
  page.letters.addEventListener("change", () => {
    if (page.letters.checked) localStorage.removeItem(STORAGE_NAME);
    else localStorage.setItem(STORAGE_NAME, OFF);
  });
  page.help.addEventListener("click", ({ target }) => { if (target === page.help) page.help.close(); });
}

/** Whether letters and digits are commands. */
export function lettersAreOn() {
  return localStorage.getItem(STORAGE_NAME) !== OFF;
}
