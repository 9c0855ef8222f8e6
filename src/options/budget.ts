// A token bucket: how many may come at once, and how many more in a time.

/**
 * Takes one message from the budget of a token bucket, told by the time at which it will be full again.
 *
 * @returns the new such time; undefined if the budget is used up
 */
export function spend(
  { messages, perMs }: { messages: number; perMs: number },
  spentUntil: number,
  now: number,
): number | undefined {
  // More than a whole budget was spent of another, before a deploy changed it.
  const before = spentUntil > now + perMs + 1 ? now : Math.max(spentUntil, now);
  const spent = before + perMs / messages;
  // A little more, because the fractions add up inexactly.
  return spent - now > perMs + Math.min(perMs / messages / 2, 1) ? undefined : spent;
}
