/** How long the work for each of five messages takes, in milliseconds: the first takes the longest. */
const TIMES: Record<string, number> = { 1: 600, 2: 240, 3: 480, 4: 120, 5: 360 };

/** What a slow handler waits for, in place of a query or a fetch. */
export const work = (text: string): Promise<void> => new Promise((resolve) => setTimeout(resolve, TIMES[text] ?? 0));
