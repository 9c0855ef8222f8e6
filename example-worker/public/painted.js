/** Returns a function that calls `show` once before the next paint, however often you call it. */
export function painted(show) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      show();
    });
  };
}

/** Sets the text of a live region. The same text is not set again, so that it isn't read aloud twice. */
export function say(status, text) {
  if (status.textContent !== text) status.textContent = text;
}
