// The path table: finds a template of segments for a concrete path.
import { DeploymentError } from "../api/errors.ts";

/** "/", then segments: a parameter, or a text. */
const TEMPLATE = /^(\/(\{[\w-]+}|:[\w-]+|(?!:)[^{}*?#/]*))+$/;

/** Represents a parameter in a route's shape. It sorts after every text. */
const PARAMETER = "\uffff";

interface Route<V> {
  readonly path: string;
  /** The canonical path without the parameters' names: equal for two templates that match the same paths. */
  readonly shape: string;
  /** The shape, with a group for each parameter. */
  readonly pattern: RegExp;
  readonly names: readonly string[];
  readonly value: V;
}

export interface Match<V> {
  readonly value: V;
  readonly pathParameters: Readonly<Record<string, string>>;
  /** The path in its canonical spelling, whatever the request's. */
  readonly concretePath: string;
}

/**
 * Decodes each segment, and encodes it as URLs usually do; "" for a malformed escape.
 *
 * @param names collects the names of parameters
 */
function canonical(path: string, names?: string[]): string {
  // A path without other characters is already canonical.
  if (!/[^\w/.-]/.test(path)) return path;
  try {
    return path.replace(/(?<=\/)[\w.-]*[^\w/.-][^/]*/g, (segment) => {
      if (!names || !/^[{:]/.test(segment)) {
        return encodeURI(decodeURIComponent(segment)).replace(/[/?#]/g, encodeURIComponent);
      }
      names.push(segment.replace(/[{}:]/g, ""));
      return PARAMETER;
    });
  } catch {
    return "";
  }
}

/**
 * The shape of a template, and its parameters' names.
 *
 * @throws {@link DeploymentError} for a path that is not a template
 */
function shapeOf(path: string): [shape: string, names: string[]] {
  const names: string[] = [];
  const shape = TEMPLATE.test(path) && canonical(path, names);
  if (shape && new Set(names).size === names.length) return [shape, names];
  throw new DeploymentError(
    `Invalid path "${path}": begin it with "/", make each parameter a whole segment {name} with a unique name, and escape {}*?#%.`,
  );
}

export class Router<V> {
  /** In matching order: texts before parameters, compared from the left. */
  readonly #routes: Route<V>[] = [];

  /** @throws {@link DeploymentError} for a path that is not a template, or that matches the same paths as another */
  add(path: string, value: V): void {
    const [shape, names] = shapeOf(path);
    const rival = this.#routes.find((route) => route.shape === shape);
    if (rival) throw new DeploymentError(`"${path}" matches the same paths as "${rival.path}": remove one.`);
    const group = (character: string) => (character === PARAMETER ? "([^/]+)" : `\\${character}`);
    const pattern = RegExp(`^${shape.replace(/[^\w/]/g, group)}$`);
    this.#routes.push({ path, shape, pattern, names, value });
    this.#routes.sort((a, b) => (a.shape < b.shape ? -1 : 1));
  }

  /** Removes the value of a template that matches the same paths. */
  delete(path: string): void {
    const [shape] = shapeOf(path);
    const index = this.#routes.findIndex((route) => route.shape === shape);
    if (index >= 0) this.#routes.splice(index, 1);
  }

  get values(): V[] {
    return this.#routes.map(({ value }) => value);
  }

  /**
   * The value of a template that matches the same paths.
   *
   * @throws {@link DeploymentError} for a path that is not a template
   */
  at(path: string): V | undefined {
    const [shape] = shapeOf(path);
    return this.#routes.find((route) => route.shape === shape)?.value;
  }

  /** The value whose template matches a URL's path best. A path with a malformed escape matches none. */
  match(pathname: string): Match<V> | undefined {
    const concretePath = canonical(pathname);
    for (const { pattern, names, value } of this.#routes) {
      const found = pattern.exec(concretePath);
      if (!found) continue;
      const entries = names.map((name, index) => [name, decodeURIComponent(found[index + 1]!)]);
      return {
        value,
        pathParameters: Object.freeze(Object.fromEntries(entries) as Record<string, string>),
        concretePath,
      };
    }
    return undefined;
  }
}
