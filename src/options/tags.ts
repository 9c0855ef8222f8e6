// `tags`: by which the sessions of an object are found.
import { DeploymentError } from "../api/errors.ts";
import { isShort, orFunction } from "./check.ts";
import type { Option } from "./option.ts";

/** The platform's limits. */
const isTags = (value: unknown): value is string[] =>
  Array.isArray(value) && value.length <= 10 && value.every(isShort(256));

export const tags = {
  checks: { tags: orFunction(["an array of at most 10 strings of at most 256 bytes", isTags]) },
  part({ tags: make }) {
    if (typeof make !== "function") return undefined;
    return {
      async begin(session) {
        const made = await make.call(session.definition.config, session);
        if (isTags(made)) return session.settle(made);
        throw new DeploymentError(
          `The option tags of ${session.path} must return at most 10 strings of at most 256 bytes.`,
        );
      },
    };
  },
} as const satisfies Option<"tags">;
