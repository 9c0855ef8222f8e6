// What you can register at a path, as types that carry the path's parameters and the session object.
import type { EndpointOptions } from "../api/endpoint-options.ts";
import type { NamespaceBinding } from "../api/namespace-binding.ts";
import type { WsEndpointMap } from "../api/ws-endpoint-map.ts";
import type { EndpointClass } from "../object/endpoint.ts";

/**
 * A class with options, as in `{ durableObject: Chat, binding: "CHAT" }`. Or the binding of a class that another module
 * or Worker has.
 */
export type EndpointOfClass<Env = unknown, T = unknown, Path extends string = string> = EndpointOptions<
  Env,
  T,
  Path
> & {
  /** The class, or the name of the binding of its namespace. */
  durableObject: EndpointClass<Env, T, Path> | NamespaceBinding<Env>;
};

/** What you register at a path: a map, a class, or a class with options. */
export type EndpointLike<Env = unknown, T = unknown, Path extends string = string> =
  | WsEndpointMap<Env, T, Path>
  | EndpointClass<Env, T, Path>
  | EndpointOfClass<Env, T, Path>;

/**
 * The path, or the type that it should have if it can't begin with "/". Without `infer`, so that a wrapper that is
 * generic in its path can pass it on.
 */
export type PathOf<Path extends string> = [Path & `/${string}`] extends [never] ? `/${string}` : Path;

/** A map from paths to endpoints, each with the type of its session object. */
export type EndpointsByPath<Env, Sessions> = {
  [Path in keyof Sessions]: [Path & `/${string}`] extends [never]
    ? "A path must begin with /"
    : EndpointLike<Env, Sessions[Path], Path & string>;
};
