// `topics`: the settings of histories and envelopes. The folder topics subscribes and publishes.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import type { HistorySettings, TopicSettings } from "../api/topics.ts";
import { isPlain } from "../hibernation/plain-data.ts";
import { BYTES, check, defined, FUNCTION, isWhole, orFunction, type Checks } from "./check.ts";
import type { Option } from "./option.ts";

/** The settings of a topic's history, with the defaults filled in. */
export type History = { readonly [Name in keyof HistorySettings]-?: number };

const HISTORY: History = { messages: Infinity, bytes: 16_777_216, ageMs: 86_400_000, replayBytes: 1_048_576 };

const MOST = { maxTopics: 10_000, maxBytes: 1_073_741_824 };

const HISTORY_CHECKS: Checks<keyof HistorySettings> = {
  messages: ["a whole number from 1", isWhole(1)],
  bytes: BYTES,
  ageMs: ["a whole number of milliseconds from 1", isWhole(1)],
  replayBytes: BYTES,
};

const CHECKS: Checks<keyof TopicSettings> = {
  history: orFunction(["an object of settings", isPlain], "an object of settings, or a function"),
  envelope: FUNCTION,
  maxTopics: ["a whole number from 1 to 500000", isWhole(1, 500_000)],
  maxBytes: BYTES,
};

function settled(owner: string, history: HistorySettings): History {
  check(owner, history, HISTORY_CHECKS);
  return Object.freeze({ ...HISTORY, ...(defined(history) as Partial<History>) });
}

export const topics = {
  checks: { topics: ["an object of settings", isPlain] },
  register({ config, refuse }) {
    const { path, topics: settings } = config;
    if (!settings) return;
    check(`The topics of the endpoint at "${path}"`, settings, CHECKS);
    const { history } = settings;
    const { maxBytes = MOST.maxBytes } = settings;
    if (isPlain(history) && ((history as HistorySettings).bytes ?? 0) > maxBytes) {
      refuse("needs topics.history.bytes of at most topics.maxBytes");
    }
    const kept = isPlain(history) && { history: settled(`The history of the endpoint at "${path}"`, history) };
    config.topics = Object.freeze({ ...MOST, ...defined(settings), ...kept });
  },
} as const satisfies Option<"topics">;

/**
 * The settings of a topic's history; undefined if it has none.
 *
 * @throws {@link DeploymentError} if the option's function returns an invalid value; what it throws
 */
export function historyOf({ history }: TopicSettings, topic: string): History | undefined {
  if (typeof history !== "function") return history as History | undefined;
  const given = history(topic);
  if (given === undefined) return undefined;
  if (isPlain(given)) return settled(`The history of the topic "${topic}"`, given);
  throw new DeploymentError("The function topics.history must return an object of settings, or nothing.");
}

/** Whether two endpoints that may share an object have the same settings of topics. */
export function agree({ topics: one }: EndpointConfig, { topics: other }: EndpointConfig): boolean {
  const isSame = (a: unknown, b: unknown): boolean =>
    a === b || (isPlain(a) && isPlain(b) && Object.keys({ ...a, ...b }).every((name) => isSame(a[name], b[name])));
  return isSame(one, other);
}
