// The path table: templates of segments, found by a concrete path.
import { DeploymentError } from "./errors.ts";

/** "/", then segments: a parameter, or a text in which a "%" begins an escape. */
const TEMPLATE = /^(\/(\{[\w-]+\}|:[\w-]+|(?!:)([^{}*?#%/]|%[\da-f]{2})*))+$/i;

/** Stands for a parameter: sorts behind every text. */
const PARAMETER = "\uffff";

interface Route<V> {
  readonly path: string;
  /** The canonical path with its parameters' names left out: the same for two that match the same. */
  readonly shape: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly value: V;
}

/** A value found by a path. */
export interface Match<V> {
  readonly value: V;
  readonly pathParameters: Readonly<Record<string, string>>;
  /** The path in its canonical spelling, whatever the request's. */
  readonly concretePath: string;
}

/** Decodes each segment, and encodes it as URLs mostly do. Throws on a malformed escape. */
const canonical = (path: string): string =>
  path.replace(/[^/]+/g, (segment) => encodeURI(decodeURIComponent(segment)).replace(/[/?#]/g, encodeURIComponent));

export class Router<V> {
  /** Whether what it doesn't match is nowhere: so it is where maps are served, but a class may serve any path. */
  readonly all: boolean;
  /** In the order in which they are tried: texts before parameters, compared from the left. */
  readonly #routes: Route<V>[] = [];

  constructor(all = false) {
    this.all = all;
  }

  /**
   * @param replace adds it in place of another that matches the same paths
   * @throws {@link DeploymentError} for a path that is no template, or that matches the same paths as another
   */
  add(path: string, value: V, replace = false): void {
    const names: string[] = [];
    const texts = TEMPLATE.test(path) ? path.split("/") : [];
    const shape = texts
      .map((text) => (/^[{:]/.test(text) ? (names.push(text.replace(/[{}:]/g, "")), PARAMETER) : canonical(text)))
      .join("/");
    if (!shape || new Set(names).size < names.length) {
      throw new DeploymentError(
        `The path "${path}" can't be: begin it with "/", make each parameter a whole segment {name} of its own name, and escape {}*?#%.`,
      );
    }
    const rival = this.#routes.findIndex((route) => route.shape === shape);
    if (rival >= 0) {
      if (!replace)
        throw new DeploymentError(`The path "${path}" matches the same as "${this.#routes[rival]!.path}": remove one.`);
      this.#routes.splice(rival, 1);
    }
    const pattern = new RegExp(`^${shape.replace(/[.*+$()]/g, "\\$&").replaceAll(PARAMETER, "([^/]+)")}$`);
    this.#routes.push({ path, shape, pattern, names, value });
    this.#routes.sort((a, b) => (a.shape < b.shape ? -1 : 1));
  }

  /** The value registered under a template. */
  get(path: string): V | undefined {
    return this.#routes.find((route) => route.path === path)?.value;
  }

  /** The value whose template matches a URL's path best. A path with a malformed escape matches none. */
  match(pathname: string): Match<V> | undefined {
    let concretePath;
    try {
      concretePath = canonical(pathname);
    } catch {
      return undefined;
    }
    for (const { pattern, names, value } of this.#routes) {
      const [found, ...values] = pattern.exec(concretePath) ?? [];
      if (found) {
        const pathParameters = Object.fromEntries(names.map((name, i) => [name, decodeURIComponent(values[i]!)]));
        return { value, pathParameters, concretePath };
      }
    }
    return undefined;
  }
}
