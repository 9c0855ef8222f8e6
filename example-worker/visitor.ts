// The options of the demonstrations of which each open page has an object of its own, under a name that the page makes up.
import type { EndpointOptions } from "socle";

import { sameOrigin } from "./origin.ts";

export const isVisitor = (name: string | undefined): boolean => /^[a-z0-9]{8,24}$/.test(name ?? "");

export const forVisitor: EndpointOptions = {
  allowedOrigins: sameOrigin,
  onHandshake: (_request, { pathParameters: { visitor } }) =>
    isVisitor(visitor) ? undefined : new Response("A visitor has 8 to 24 small letters and digits", { status: 400 }),
  // A page sends numbers.
  maxTextMessageBufferSize: 8,
  rateLimit: { messages: 100, perMs: 10_000 },
};
