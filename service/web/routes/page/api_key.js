// The API key, if the service needs one: stored for this tab only, requested when it is missing or wrong.

const STORAGE_NAME = "fieldguide-key";
const SENDABLE = /^[!-~]+$/; // fetch throws if a header has other characters

export function keyHeaders() {
  const key = sessionStorage.getItem(STORAGE_NAME) ?? "";
  return SENDABLE.test(key) ? { "X-API-Key": key } : {};
}

export function storeKey(key) {
  sessionStorage.setItem(STORAGE_NAME, key.trim());
}

/** Show the form until a key is entered. Resolves without a value; then `keyHeaders` has the key. */
export function askForKey({ form, field, note }) {
  note.textContent = sessionStorage.getItem(STORAGE_NAME) === null ? "" : "This key is not the right one.";
  form.hidden = false;
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      storeKey(field.value);
      form.hidden = true;
      resolve();
    }, { once: true });
  });
}
