// The names of Durable Object namespaces among a Worker's bindings, as types.

/** The name of a class's binding, or of its export if it has no binding. Any name if the bindings are not known. */
export type BindingName<Env> = keyof Env extends never
  ? string
  : NamespaceBinding<Env> | Cloudflare.GlobalProp<"durableNamespaces", never>;

/** The names of the bindings in `Env` that are Durable Object namespaces. */
export type NamespaceBinding<Env> = unknown extends Env
  ? never
  : {
      [Name in keyof Env]-?: Env[Name] extends { idFromName(name: string): DurableObjectId } ? Name : never;
    }[keyof Env] &
      string;
