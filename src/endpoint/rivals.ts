// Endpoints that can't be registered next to each other.
import { DeploymentError } from "../api/errors.ts";
import { difference } from "../hibernation/difference.ts";
import { agree } from "../options/topics.ts";
import type { EndpointDefinition } from "./definition.ts";
import { ENDPOINTS, TABLES, type Route } from "./endpoint-class.ts";
import type { Router } from "./router.ts";

/**
 * Looks for an endpoint that conflicts with a route.
 *
 * @param table the table of the route's container, which doesn't have the route yet
 * @throws {@link DeploymentError} naming both
 */
export function checkRivals(route: Route, table: Router<Route>): void {
  checkName(route, table);
  checkObjects(route, table);
  for (const other of TABLES) if (other !== table) checkOther(route, other);
}

/** Two classes with the same name would have the objects of one of them. */
function checkName({ type, className, isByName, config: { path, binding } }: Route, table: Router<Route>): void {
  const rival = table.values.find(
    (route) =>
      route.className === className &&
      route.type !== type &&
      !(route.isByName || isByName) &&
      !(route.config.binding || binding),
  );
  if (!rival) return;
  throw new DeploymentError(
    `"${rival.config.path}" and "${path}" have two classes named ${className}: give each its binding, as in { durableObject: ${className}, binding: "NAME" }.`,
  );
}

/**
 * With `instance`, two endpoints may share an object. Its topics, and whether it is a root or has sessions, must then
 * be the same.
 */
function checkObjects({ type, className, isByName, config }: Route, table: Router<Route>): void {
  if (isByName) return;
  const shared = table.values.filter(
    (route) => route.type === type && !route.isByName && (route.config.instance || config.instance),
  );
  const refuse = (rival: Route, what: string): never => {
    throw new DeploymentError(
      `"${rival.config.path}" and "${config.path}" have the class ${className}, may share an object by instance, and differ in ${what}: make them the same, or use two classes.`,
    );
  };
  for (const rival of shared) {
    if (!agree(rival.config, config)) refuse(rival, "topics");
    if (difference(rival.config.shards, config.shards)) refuse(rival, "shards");
  }
}

/** A class has one definition for a path: its objects don't know which container a request came from. */
function checkOther({ type, className, config, onEvent }: Route, table: Router<Route>): void {
  const rival = table.at(config.path);
  // A wrapper inherits the class's own list.
  if (!rival || !Object.hasOwn(type, ENDPOINTS) || rival.type[ENDPOINTS] !== type[ENDPOINTS]) return;
  const [ours, theirs] = [comparable({ config, onEvent }), comparable(rival)];
  const other = Object.keys({ ...ours, ...theirs }).find((name) =>
    difference(Reflect.get(ours, name), Reflect.get(theirs, name), undefined, true),
  );
  if (!other) return;
  throw new DeploymentError(
    `"${rival.config.path}" and "${config.path}" have the class ${className} in two containers, and differ in ${other}: make the options the same, or use one container.`,
  );
}

/**
 * The properties in which two registrations of a class at the same path must agree; of the path, the names of its
 * parameters.
 */
const comparable = ({ config, onEvent }: Pick<EndpointDefinition, "config" | "onEvent">): object => ({
  ...config,
  // configure has already run, and the class may be a wrapper.
  configure: undefined,
  durableObject: undefined,
  path: config.path.match(/(?<=\/[{:])[\w-]+/g),
  onEvent,
});
