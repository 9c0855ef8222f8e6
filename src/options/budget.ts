// A token bucket: how many messages may arrive at once, and how many more in a time.

/**
 * Takes one message from the budget. The bucket's state is the time at which it will be full again.
 *
 * @returns that new time; undefined if the budget is used up
 */
export function spend(
  { messages, perMs }: { messages: number; perMs: number },
  spentUntil: number,
  now: number,
): number | undefined {
  // More than a whole budget was spent, under another limit before a deploy.
  const before = spentUntil > now + perMs + 1 ? now : Math.max(spentUntil, now);
  const spent = before + perMs / messages;
  // A little more, because the fractions add up inexactly.
  return spent - now > perMs + Math.min(perMs / messages / 2, 1) ? undefined : spent;
}
