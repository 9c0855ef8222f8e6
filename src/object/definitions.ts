// The endpoints that an object serves, by their paths as they were registered.
import type { Callbacks } from "../api/callbacks.ts";
import type { EndpointConfig, EndpointOptions } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import type { TopicSettings } from "../api/topics.ts";
import { amended, define, type CompleteDefinition, type EndpointDefinition } from "../endpoint/definition.ts";
import { ENDPOINTS, SERVES_MAPS, TABLES, type ClassOfEndpoints } from "../endpoint/endpoint-class.ts";
import type { Home } from "../endpoint/namespace.ts";
import { parseName, type ObjectName } from "../endpoint/object-name.ts";
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
   * What the endpoints say of the topics of an object, and whether it is one that is registered.
   *
   * @param path of a session's endpoint, where it is a session that asks
   * @throws {@link DeploymentError} if nothing tells which endpoint is the object's
   */
  topicsOf({ id }: DurableObjectState, path?: string): readonly [TopicSettings, isRegistered: boolean] {
    const found = this.#registered(id, path);
    if (found) return [found.topics ?? {}, true];
    const own = this.at(path ?? id.name ?? "");
    if (own) return [own.config.topics ?? {}, false];
    throw new DeploymentError(
      `The object's endpoint of the class ${this.#class.name} is unknown, and so are its topics: register its path, or get the object by its path.`,
    );
  }

  /**
   * Of which path's sessions an object has a part, and which; undefined without `shards`, and for an object that has no name.
   *
   * @param path of a session's endpoint, where it is one that asks
   */
  nameOf({ id }: DurableObjectState, path?: string): ObjectName | undefined {
    if (id.name === undefined) return undefined;
    const config = this.#registered(id, path) ?? this.at(path ?? id.name)?.config;
    return config?.shards && parseName(id.name);
  }

  /**
   * By what the namespace of the object's class is found.
   *
   * @param path of a session's endpoint, where it is one that asks
   */
  homeOf({ id }: DurableObjectState, path?: string): Home {
    const config = this.#registered(id, path);
    const type = this.#class;
    const routes = [...TABLES]
      .flatMap(({ values }) => values)
      .filter((route) => type[ENDPOINTS] && route.type[ENDPOINTS] === type[ENDPOINTS] && !route.isByName);
    const route = routes.find((one) => one.config === config) ?? routes[0];
    return route ?? { config: this.#ownAt(path ?? "").config, className: type.name, isByName: false };
  }

  /** What is registered and known to be the endpoint of an object. */
  #registered({ name }: DurableObjectId, path: string | undefined): EndpointConfig | undefined {
    const all = [...(this.#class[ENDPOINTS]?.values() ?? [])].map(({ config }) => config);
    return (
      all.find((config) => config.path === path) ??
      // All of them say the same then.
      all.find(({ instance }) => instance) ??
      this.#matching(name ?? "") ??
      (name === undefined && all.every((config) => agree(config, all[0]!)) ? all[0] : undefined)
    );
  }

  #matching(name: string): EndpointConfig | undefined {
    const { root, shard } = parseName(name);
    const ofRoot = shard === undefined ? undefined : this.#at(root);
    return ofRoot?.shards ? ofRoot : this.#at(name);
  }

  #at(name: string): EndpointConfig | undefined {
    for (const table of TABLES) {
      const { value } = table.match(name) ?? {};
      // A class that is registered nowhere has none.
      if (value && value.type[ENDPOINTS] === this.#class[ENDPOINTS]) return value.config;
    }
    return undefined;
  }

  #ownAt(path: string): EndpointDefinition {
    return (this.#own ??= define(path, this.#options(), true));
  }

  /** The endpoint behind a path as it was registered; of a class that was not registered there, by its own options. */
  at(path: string): CompleteDefinition | undefined {
    const known = this.#known.get(path);
    if (known) return known;
    const callbacks = this.#object;
    const found = this.#class[ENDPOINTS]?.get(path);
    if (!found) {
      if (this.#class[SERVES_MAPS]) return undefined;
      const own = this.#ownAt(path);
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
