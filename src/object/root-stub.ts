// The type of a root's stub, as a class has it of itself.
import type { Callbacks } from "../api/callbacks.ts";
import type { Hooks } from "./hooks.ts";

/**
 * Members that can't be called from elsewhere: the callbacks, whose arguments don't pass RPC, and those that lead back
 * here.
 */
type Own = keyof Callbacks | keyof Hooks | "openSessions" | "root" | "socle";

/**
 * The `DurableObjectStub` of a class that has it as a property, with the methods of the class and those of every
 * endpoint. `DurableObjectStub` itself would be circular there, and would not show the class's methods.
 */
export type RootStub<Object> = Pick<DurableObjectStub, "id" | "name" | "fetch"> & {
  [Name in keyof Object as Exclude<Name, Own>]: Rpc.MethodOrProperty<Object[Name]>;
};
