// What the Workers of a process log. Tests keep it back, and show it if they fail.

interface Entry {
  level: string;
  message: string;
}

/** What is kept back, if it is. */
let kept: Entry[] | undefined;

const show = ({ level, message }: Entry) =>
  level === "error" || level === "warn" ? console.error(message) : console.log(message);

/** Takes an entry, as Miniflare gives it. */
export function tell(entry: Entry): void {
  if (kept) kept.push(entry);
  else show(entry);
}

/** Keeps back what comes from now on. What was kept until now is dropped, or shown. */
export function keep(isShown: boolean): void {
  const until = kept ?? [];
  kept = [];
  if (isShown) for (const entry of until) show(entry);
}
