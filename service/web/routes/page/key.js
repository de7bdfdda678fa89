// The API key, where the service wants one: kept for this tab only, asked for when it is missing or wrong.

const NAME = "fieldguide-key";
const SENDABLE = /^[!-~]+$/; // fetch throws at a header of other characters

export function keyHeaders() {
  const key = sessionStorage.getItem(NAME) ?? "";
  return SENDABLE.test(key) ? { "X-API-Key": key } : {};
}

/** Show the form until a key is given; the promise is of nothing, the key is in `keyHeaders` then. */
export function askForKey({ form, field, note }) {
  note.textContent = sessionStorage.getItem(NAME) === null ? "" : "This key is not the right one.";
  form.hidden = false;
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.setItem(NAME, field.value.trim());
      form.hidden = true;
      resolve();
    }, { once: true });
  });
}
