/** Shows something when the page is painted next, however often it has changed until then. */
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

/** Says something, in a region that is read aloud: what is said already is not said again. */
export function say(status, text) {
  if (status.textContent !== text) status.textContent = text;
}
