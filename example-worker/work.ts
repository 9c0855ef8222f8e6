/** How long the work for each of five messages takes, in milliseconds: the first ones take the longest. */
const TIMES: Record<string, number> = { 1: 480, 2: 600, 3: 240, 4: 120, 5: 360 };

/** What a slow handler waits for, in place of a query or a fetch. */
export const work = (text: string): Promise<void> => new Promise((resolve) => setTimeout(resolve, TIMES[text] ?? 0));
