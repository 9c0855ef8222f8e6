// Finds the object of a path.
import { ofAll } from "../endpoint/all-sessions.ts";
import type { Route } from "../endpoint/endpoint-class.ts";
import { stubAt } from "../endpoint/namespace.ts";
import type { Match } from "../endpoint/router.ts";
import { locationOf } from "../options/placement.ts";

/**
 * The stub of the object behind a path; under `shards` of the root.
 *
 * @throws {@link DeploymentError} if no binding and no export leads to its class, or if an option returns an invalid
 * name
 */
export function stubOf(env: unknown, request: Request, match: Match<Route>): DurableObjectStub {
  const { value: route, pathParameters, concretePath } = match;
  const stub = stubAt(env, route, locationOf(route.config, request, pathParameters, concretePath));
  return route.config.shards ? ofAll(stub) : stub;
}
