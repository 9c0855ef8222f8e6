// `durableObject`, `binding`, `instance`, `locationHint`, `jurisdiction`: which object serves a path, and where it is.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { DeploymentError } from "../api/errors.ts";
import { FUNCTION, isText, oneOf, orFunction } from "./check.ts";
import type { Option } from "./option.ts";

export const placement = {
  checks: {
    instance: FUNCTION,
    durableObject: orFunction(["a binding's name", isText(/./)], "a class or a binding's name"),
    binding: ["the name of a class's binding", isText(/./)],
    locationHint: oneOf(
      "wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr or me",
      "the request and the path parameters",
    ),
    jurisdiction: oneOf("eu, us, fedramp or fedramp-high", "the path parameters"),
  },
  register({ config, isClass, refuse }) {
    if (config.binding && !isClass) refuse("has a binding but no class: use durableObject instead");
  },
} as const satisfies Option<"durableObject" | "binding" | "instance" | "locationHint" | "jurisdiction">;

/** The name and place of the object for a request. */
interface Location {
  readonly name: string;
  readonly jurisdiction: DurableObjectJurisdiction | undefined;
  readonly locationHint: DurableObjectLocationHint | undefined;
}

/** @throws {@link DeploymentError} if a function returns an invalid value; what it throws */
export function locationOf(
  { instance, jurisdiction, locationHint, shards }: EndpointConfig,
  request: Request,
  pathParameters: Readonly<Record<string, string>>,
  concretePath: string,
): Location {
  const name = instance ? instance(request, pathParameters) : concretePath;
  if (!name || typeof name !== "string") {
    throw new DeploymentError("The option instance must return a non-empty string.");
  }
  if (shards && name.includes("#")) {
    throw new DeploymentError(`The option instance returned "${name}": with shards a name must not contain "#".`);
  }
  return {
    name,
    jurisdiction: chosen("jurisdiction", jurisdiction, pathParameters),
    locationHint: chosen("locationHint", locationHint, request, pathParameters),
  };
}

/** The value of an option that may be a function. */
function chosen<T, Given extends unknown[]>(
  option: "locationHint" | "jurisdiction",
  value: T | ((...given: Given) => T | undefined) | undefined,
  ...given: Given
): T | undefined {
  if (typeof value !== "function") return value;
  const found = (value as (...given: Given) => T | undefined)(...given);
  const [what, fits] = placement.checks[option];
  if (found === undefined || fits!(found)) return found;
  throw new DeploymentError(`The option ${option} returned an invalid value: it must be ${what}.`);
}
