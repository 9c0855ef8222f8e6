// The log of a process's Workers. Tests hold it back, and show it if they fail.

interface Entry {
  level: string;
  message: string;
}

/** The entries that are held back; undefined if none are. */
let kept: Entry[] | undefined;

const show = ({ level, message }: Entry) =>
  level === "error" || level === "warn" ? console.error(message) : console.log(message);

/** Takes an entry from Miniflare. */
export function tell(entry: Entry): void {
  if (kept) kept.push(entry);
  else show(entry);
}

/** Holds back the entries from now on. Shows or drops the earlier ones. */
export function keep(isShown: boolean): void {
  const until = kept ?? [];
  kept = [];
  if (isShown) for (const entry of until) show(entry);
}
