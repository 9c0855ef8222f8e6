// The endpoints that an object serves, by their paths as they were registered.
import type { Callbacks } from "../api/callbacks.ts";
import type { EndpointOptions } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import type { TopicSettings } from "../api/topics.ts";
import { amended, define, type CompleteDefinition, type EndpointDefinition } from "../endpoint/definition.ts";
import { ENDPOINTS, SERVES_MAPS, TABLES, type ClassOfEndpoints } from "../endpoint/endpoint-class.ts";
import { agree } from "../options/topics.ts";
import { unregistered } from "../options/version.ts";

export class Definitions {
  readonly #object: Callbacks;
  readonly #class: ClassOfEndpoints;
  readonly #options: () => EndpointOptions<unknown>;
  readonly #known = new Map<string, CompleteDefinition>();
  /** By the class's own options. */
  #own: EndpointDefinition | undefined;

  /**
   * @param object has the callbacks of a class
   * @param options those of the class itself
   */
  constructor(object: object, type: ClassOfEndpoints, options: () => EndpointOptions<unknown>) {
    this.#object = object;
    this.#class = type;
    this.#options = options;
  }

  /**
   * What the endpoints say of the topics of an object.
   *
   * @throws {@link DeploymentError} if they say different things, and the object has no name by which its endpoint is known
   */
  topicsOf({ id: { name = "" } }: DurableObjectState): TopicSettings | undefined {
    const all = [...(this.#class[ENDPOINTS]?.values() ?? [])];
    const [first] = all;
    if (!first) return this.at(name)?.config.topics;
    if (all.every(({ config }) => agree(config, first.config))) return first.config.topics;
    for (const table of TABLES) {
      const { value } = table.match(name) ?? {};
      if (value?.type[ENDPOINTS] === this.#class[ENDPOINTS]) return value!.config.topics;
    }
    throw new DeploymentError(
      `The endpoints of the class ${this.#class.name} have different topics, and the object has no name that tells which is its own: give all the same, or get it by its path.`,
    );
  }

  /** The endpoint behind a path as it was registered; of a class that was not registered there, by its own options. */
  at(path: string): CompleteDefinition | undefined {
    const known = this.#known.get(path);
    if (known) return known;
    const callbacks = this.#object;
    const found = this.#class[ENDPOINTS]?.get(path);
    if (!found) {
      if (this.#class[SERVES_MAPS]) return undefined;
      const own = (this.#own ??= define(path, this.#options(), true));
      // Not put by: such paths are the clients' choice, and have no end.
      return Object.freeze({ callbacks, ...own, made: unregistered(own.made), config: amended(own.config, { path }) });
    }
    const definition = Object.freeze({
      callbacks,
      ...found,
      ...(found.callbacksOf && { callbacks: found.callbacksOf(callbacks) }),
    });
    this.#known.set(path, definition);
    return definition;
  }
}
