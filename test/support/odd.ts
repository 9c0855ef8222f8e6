// Values that throw when code inspects them. A callback may still throw them, return them or pass them to Socle.

function fail(): never {
  throw new Error("from a getter");
}

const throwing: ProxyHandler<object> = { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail };

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

const withGetter = (name: string, object: object = new Error("odd")): object =>
  Object.defineProperty(object, name, { get: fail });

/** Each function makes a new value. */
export const odd: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  "a symbol": () => Symbol("odd"),
  "a null-prototype object": () => Object.create(null),
  "a revoked proxy": () => revoked({}),
  "a revoked proxy of a function": () => revoked(fail),
  "a revoked proxy of a list": () => revoked([]),
  "a proxy whose traps throw": () => new Proxy({}, throwing),
  "an object with a then that throws": () => withGetter("then", {}),
  "an Error whose getters throw": () => new Proxy(new Error("odd"), { get: fail }),
  "an Error with a message that throws": () => withGetter("message"),
  "an Error with a name that throws": () => withGetter("name"),
  "an Error with a stack that throws": () => withGetter("stack"),
  "an Error with a then that throws": () => withGetter("then"),
  "an Error with a constructor that throws": () => withGetter("constructor"),
  "an Error with a closeReason that throws": () => withGetter("closeReason"),
  "an Error with a revoked cause": () => new Error("odd", { cause: revoked({}) }),
  // oxlint-disable-next-line unicorn/no-thenable -- that it is one is what is odd
  "an Error that never settles": () => Object.defineProperty(new Error("odd"), "then", { value: () => {} }),
  "an Error that says it is SessionClosedError": () =>
    withGetter("closeReason", Object.assign(new Error("odd"), { name: "SessionClosedError" })),
};
