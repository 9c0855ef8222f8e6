// What can't be registered beside each other.
import { DeploymentError } from "../api/errors.ts";
import { difference } from "../hibernation/difference.ts";
import { agree } from "../options/topics.ts";
import type { EndpointDefinition } from "./definition.ts";
import { ENDPOINTS, TABLES, type Route } from "./endpoint-class.ts";
import type { Router } from "./router.ts";

/**
 * Looks for what would be taken for a route, or it for that.
 *
 * @param table that of its container, where it is not yet
 * @throws {@link DeploymentError} naming both
 */
export function checkRivals(route: Route, table: Router<Route>): void {
  checkName(route, table);
  checkObjects(route, table);
  for (const other of TABLES) if (other !== table) checkOther(route, other);
}

/** Two classes of one name would be served by the same objects, of one of them. */
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

/** By `instance` two endpoints may have the same object, to which topics belong, and which is the root of its shards or has sessions. */
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

/** A class has one definition for a path: its objects don't know by which container a request came. */
function checkOther({ type, className, config, onEvent }: Route, table: Router<Route>): void {
  const rival = table.at(config.path);
  // A wrapper of a class has the class's own list.
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

/** What two registrations of a class at the same path must agree on: of the path it is the names of its parameters. */
const comparable = ({ config, onEvent }: Pick<EndpointDefinition, "config" | "onEvent">): object => ({
  ...config,
  // The one has run, and the other may be a wrapper.
  configure: undefined,
  durableObject: undefined,
  path: config.path.match(/(?<=\/[{:])[\w-]+/g),
  onEvent,
});
