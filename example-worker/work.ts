/** How long the work for each of five messages takes, in milliseconds. The first ones take the longest. */
const TIMES = new Map(Object.entries({ 1: 480, 2: 600, 3: 240, 4: 120, 5: 360 }));

/** Stands for a query or a fetch that a slow handler awaits. */
export const work = (text: string): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, TIMES.get(text) ?? 0));
