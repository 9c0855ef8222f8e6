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
  /** The endpoint made of the class's own options. */
  #own: EndpointDefinition | undefined;

  /**
   * @param object has the callbacks of a class
   * @param options the options of the class itself
   */
  constructor(object: object, type: ClassOfEndpoints, options: () => EndpointOptions<unknown>) {
    this.#object = object;
    this.#class = type;
    this.#options = options;
  }

  /**
   * The topic settings of an object's endpoints, and whether they come from a registered endpoint.
   *
   * @param path the path of a session's endpoint, if a session asks
   * @throws {@link DeploymentError} if the object's endpoint is unknown
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
   * The object's name as root or shard; undefined without `shards`, and for an object without a name.
   *
   * @param path the path of a session's endpoint, if a session asks
   */
  nameOf({ id }: DurableObjectState, path?: string): ObjectName | undefined {
    if (id.name === undefined) return undefined;
    const config = this.#registered(id, path) ?? this.at(path ?? id.name)?.config;
    return config?.shards && parseName(id.name);
  }

  /**
   * The data by which the namespace of the object's class is found.
   *
   * @param path the path of a session's endpoint, if a session asks
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

  /** The registered configuration that is known to be the object's. */
  #registered({ name }: DurableObjectId, path: string | undefined): EndpointConfig | undefined {
    const all = [...(this.#class[ENDPOINTS]?.values() ?? [])].map(({ config }) => config);
    return (
      all.find((config) => config.path === path) ??
      // If one has `instance`, all of them agree.
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
      // A class that is not registered has no endpoints.
      if (value && value.type[ENDPOINTS] === this.#class[ENDPOINTS]) return value.config;
    }
    return undefined;
  }

  #ownAt(path: string): EndpointDefinition {
    return (this.#own ??= define(path, this.#options(), true));
  }

  /**
   * The endpoint at a path as it was registered; for a class that is not registered there, one with its own options.
   */
  at(path: string): CompleteDefinition | undefined {
    const known = this.#known.get(path);
    if (known) return known;
    const callbacks = this.#object;
    const found = this.#class[ENDPOINTS]?.get(path);
    if (!found) {
      if (this.#class[SERVES_MAPS]) return undefined;
      const own = this.#ownAt(path);
      // Not cached: clients choose such paths, so there may be any number of them.
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
