// `hibernate`: false keeps the object in memory, and uses the events of the standard API.
import { CloseReason } from "../api/close-reason.ts";
import { toError } from "../reporting/thrown.ts";
import { BY_US, reasonOf } from "../sending/close-frame.ts";
import type { Subject } from "../session/subject.ts";
import { Answers } from "./answers.ts";
import { SWITCH } from "./check.ts";
import type { Option } from "./option.ts";

export const hibernate = {
  checks: { hibernate: SWITCH },
  defaults: { hibernate: true },
  register({ config, refuse }) {
    if (!config.hibernate && (config.trackSessions || config.serializeSession)) {
      refuse("has hibernate: false: remove trackSessions and serializeSession");
    }
  },
  part: ({ hibernate: hibernates }) => (hibernates ? undefined : { accept: listen }),
} as const satisfies Option<"hibernate">;

/** Accepts the socket with the API that keeps the object in memory. Its listeners pass on the same events. */
function listen(session: Subject): void {
  const { webSocket: socket, ctx } = session;
  const { autoResponse } = session.definition.config;
  socket.binaryType = "arraybuffer";
  socket.accept(BY_US);
  const keepAwake = (pending: Promise<void> | undefined): void => {
    if (pending) ctx.waitUntil(pending);
  };
  const pings = autoResponse && new Answers(socket, autoResponse.response);
  socket.addEventListener("message", ({ data }) => {
    if (!pings || data !== autoResponse.request) return keepAwake(session.receive(data as string | ArrayBuffer));
    session.sent();
    session.heard();
    pings.ping();
  });
  const lost = (reason: CloseReason, error?: Error) => {
    pings?.end();
    keepAwake(session.lost(reason, error));
  };
  socket.addEventListener("close", ({ code, reason }) => lost(new CloseReason(code, reason)));
  socket.addEventListener("error", ({ error }) => lost(reasonOf(error), toError(error)));
}
