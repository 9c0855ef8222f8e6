// One small fault per rule. The tests that name the rule must find it: `npm run test:mutations` shows that they do.

export interface Mutation {
  rule: string;
  /** What it breaks. */
  fault: string;
  file: string;
  /** Stands once in the file. */
  from: string;
  to: string;
}

const mutation = (rule: string, fault: string, file: string, from: string, to: string): Mutation => ({
  rule,
  fault,
  file: `src/${file}`,
  from,
  to,
});

export const mutations: readonly Mutation[] = [
  mutation(
    "R1",
    "a duplicate path takes the place of the first",
    "router.ts",
    "if (rival && !replace) throw",
    "if (rival && !rival) throw",
  ),
  mutation(
    "R2",
    "parameters win over texts",
    "router.ts",
    "(a.shape < b.shape ? -1 : 1)",
    "(a.shape < b.shape ? 1 : -1)",
  ),
  mutation("R3", "the instance is named by the template", "stub.ts", ": concretePath;", ": endpoint.config.path;"),
  mutation(
    "R4",
    "an origin that is not allowed may connect",
    "handshake.ts",
    'return answer(403, "This origin',
    'if (!origin) return answer(403, "This origin',
  ),
  mutation(
    "R5",
    "handle answers 404 itself",
    "container.ts",
    "if (!match) return undefined;",
    "if (!match) return notFound(request);",
  ),
  mutation(
    "R6",
    "the hook is not asked",
    "handshake.ts",
    "await context.config.onHandshake(request, context)",
    "await (undefined as ReturnType<NonNullable<typeof context.config.onHandshake>>)",
  ),
  mutation(
    "R7",
    "the client's order of subprotocols decides",
    "handshake.ts",
    "subprotocols.find((name) => offered?.includes(name))",
    "offered?.find((name) => subprotocols.includes(name))",
  ),
  mutation(
    "R8",
    "an overloaded object is asked again",
    "stub.ts",
    "if (overloaded || tries === TRIES",
    "if (tries === TRIES",
  ),
  mutation(
    "R9",
    "a broadcast counts those it left out",
    "endpoint.ts",
    "if (excepted.has(id)) continue;",
    "if (excepted.has(id)) { reached++; continue; }",
  ),
  mutation(
    "R10",
    "the socket is accepted without waiting for onOpen",
    "dispatch.ts",
    "const opened = await callbacks.onOpen?.(session, config);",
    "const opened = callbacks.onOpen?.(session, config);",
  ),
  mutation(
    "R11",
    "a callback is not waited for",
    "dispatch.ts",
    "await this.#handle(event);",
    "void this.#handle(event);",
  ),
  mutation(
    "R12",
    "any number of messages waits",
    "session.ts",
    "if (this.dispatch.waiting < maxPendingMessages) return undefined;",
    "if (maxPendingMessages) return undefined;",
  ),
  mutation(
    "R13",
    "a message without a callback is an error",
    "dispatch.ts",
    "callbacks.onBinary?.(",
    "callbacks.onBinary!(",
  ),
  mutation(
    "R14",
    "session.close delivers what is queued first",
    "dispatch.ts",
    "this.#waiting = [reason];",
    "this.#waiting.push(reason);",
  ),
  mutation(
    "R15",
    "the client's Close frame is not answered",
    "session.ts",
    "  lost(reason: CloseReason, error?: Error): Promise<void> | undefined {\n    this.#shut(reason);",
    "  lost(reason: CloseReason, error?: Error): Promise<void> | undefined {\n    this.asyncRemote.isOpen = false;",
  ),
  mutation(
    "R16",
    "without onError the session stays open",
    "dispatch.ts",
    "else if (!callbacks.onError) session.close(1011);",
    "",
  ),
  mutation(
    "R17",
    "a code that may not be sent is not refused",
    "session.ts",
    "    closeReason.check();\n    if (this.isOpen)",
    "    if (this.isOpen)",
  ),
  mutation(
    "R18",
    "a message is no activity",
    "session.ts",
    "    this.touch();\n    const exceeded",
    "    const exceeded",
  ),
  mutation("R19", "the limit is off by one", "limits.ts", "? message.byteLength > max", "? message.byteLength >= max"),
  mutation(
    "R20",
    "what a callback changed is not kept",
    "session-object.ts",
    "const isKept = this.#isKept &&",
    "const isKept = !this.#isKept &&",
  ),
  mutation(
    "R21",
    "channels come back as plain objects",
    "session-object.ts",
    "reviveChannels(structuredClone(this.#copy), this.#link)",
    "structuredClone(this.#copy)",
  ),
  mutation(
    "R22",
    "a class instance is taken",
    "difference.ts",
    'return same(live, copy) ? undefined : ["", live];\n  // `Reflect',
    "return undefined;\n  // `Reflect",
  ),
  mutation(
    "R23",
    "the row of an ended session stays",
    "attachment.ts",
    "if (this.#isLarge || this.#isTracked) dropRow",
    "if (this.#isTracked) dropRow",
  ),
  mutation(
    "R24",
    "a woken session has an id of its own",
    "sessions.ts",
    "const facts = JSON.parse(remains.kept[0]) as SessionFacts;",
    "const facts = { ...(JSON.parse(remains.kept[0]) as SessionFacts), id: crypto.randomUUID() };",
  ),
  mutation(
    "R25",
    "a message wakes all sessions",
    "endpoint.ts",
    "return this.#sessions.of(socket)?.receive(message);",
    "this.#sessions.all();\n    return this.#sessions.of(socket)?.receive(message);",
  ),
  mutation(
    "R26",
    "sessions that a crash ended are forgotten",
    "sessions.ts",
    "if (kept[3] || !session.definition.config.trackSessions) return session.forget();",
    "if (kept) return session.forget();",
  ),
  mutation(
    "R27",
    "a payload that sends itself is not waited for",
    "send-channel.ts",
    "await this.#transmit(value);\n    this.#busy = false;",
    "void this.#transmit(value);\n    this.#busy = false;",
  ),
  mutation(
    "R28",
    "a put on a closed channel is taken",
    "channel/queue.ts",
    "if (this.closed) return REFUSED;",
    "if (this.closed) return TAKEN;",
  ),
  mutation(
    "R29",
    "nobody is told what the session's end left unsent",
    "send-channel.ts",
    "for (const value of unsent) respond(value, new SessionClosedError());",
    "",
  ),
  mutation("R30", "a sliding buffer drops the newest", "channel/queue.ts", 'kind === "sliding" ? 0 : size', "size"),
  mutation(
    "R31",
    "a broadcast reaches sessions still in onOpen",
    "sessions.ts",
    "filter((session) => session?.asyncRemote.isReady)",
    "filter((session) => session?.isOpen)",
  ),
];
