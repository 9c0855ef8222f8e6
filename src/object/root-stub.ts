// The stub of a root, as a class has it of itself.
import type { Callbacks } from "../api/callbacks.ts";
import type { Hooks } from "./hooks.ts";

/** What nobody calls from elsewhere: the callbacks, whose arguments don't go by RPC, and what leads back here. */
type Own = keyof Callbacks | keyof Hooks | "openSessions" | "root" | "socle";

/**
 * A `DurableObjectStub` of a class that has it as a property, with the methods of the class and those of every endpoint. That
 * type itself would lead back to itself, and a class doesn't know its methods there.
 */
export type RootStub<Object> = Pick<DurableObjectStub, "id" | "name" | "fetch"> & {
  [Name in keyof Object as Exclude<Name, Own>]: Rpc.MethodOrProperty<Object[Name]>;
};
