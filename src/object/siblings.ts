// The other objects of a path under `shards`: its root and its shards.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import { ofAll } from "../endpoint/all-sessions.ts";
import { answer, pathOf, type Told } from "../endpoint/handshake.ts";
import { namespaceOf, stubAt } from "../endpoint/namespace.ts";
import type { ObjectName } from "../endpoint/object-name.ts";
import { enterShard } from "../endpoint/shard-entry.ts";
import { report } from "../reporting/log.ts";
import type { Definitions } from "./definitions.ts";

export class Siblings {
  readonly #ctx: DurableObjectState;
  readonly #env: unknown;
  readonly #definitions: Definitions;
  /** Computed once: the name doesn't change, and an object keeps the endpoints with which it woke. */
  #name: ObjectName | false | undefined;

  constructor(ctx: DurableObjectState, env: unknown, definitions: Definitions) {
    this.#ctx = ctx;
    this.#env = env;
    this.#definitions = definitions;
  }

  get shard(): number | undefined {
    return this.name?.shard;
  }

  /** The object's name as root or shard; undefined without `shards`. */
  get name(): ObjectName | undefined {
    return (this.#name ??= this.#definitions.nameOf(this.#ctx) ?? false) || undefined;
  }

  /** @throws {@link DeploymentError} if no binding and no export leads to the class */
  get root(): DurableObjectStub {
    if (this.name) return ofAll(this.at(this.name.root));
    return namespaceOf(this.#env, this.#definitions.homeOf(this.#ctx)).get(this.#ctx.id);
  }

  /**
   * The stub of an object by its name, in this object's jurisdiction. {@link shardName} makes the name of a shard.
   *
   * @throws {@link DeploymentError} if no binding and no export leads to the class
   */
  at(name: string): DurableObjectStub {
    const { jurisdiction } = this.#ctx.id;
    return stubAt(this.#env, this.#definitions.homeOf(this.#ctx), { name, jurisdiction });
  }

  /**
   * Passes a handshake on to a shard if it reached the root: directly, or from a Worker whose version knows no shards.
   *
   * @returns the shard's answer; undefined if the session opens here
   */
  pass(request: Request, agreed: Told): Promise<Response> | undefined {
    const config = agreed.place ? undefined : this.#definitions.at(agreed.path)?.config;
    if (!config?.shards) return undefined;
    const name = this.#definitions.nameOf(this.#ctx, agreed.path);
    return name?.shard === undefined ? this.#enter(request, agreed, config, name?.root) : undefined;
  }

  async #enter(request: Request, agreed: Told, config: EndpointConfig, name?: string): Promise<Response> {
    const path = pathOf(request);
    const { id } = this.#ctx;
    try {
      if (name === undefined) {
        throw new DeploymentError(
          `"${config.path}" has shards, and the object has no name: get it by name, as container.stub does.`,
        );
      }
      return await enterShard({
        request,
        handshake: agreed,
        route: { ...this.#definitions.homeOf(this.#ctx, agreed.path), config },
        location: { name, jurisdiction: id.jurisdiction },
        env: this.#env,
        ctx: this.#ctx,
        path,
      });
    } catch (error) {
      report(`500 for ${path}`, error, { ctx: this.#ctx });
      return answer(500, "The endpoint failed");
    }
  }
}
