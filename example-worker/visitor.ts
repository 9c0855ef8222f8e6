// The options of the demonstrations that have an object for each open page. The page makes up the name.
import type { EndpointOptions } from "socle";

import { sameOrigin } from "./origin.ts";

export const isVisitor = (name: string | undefined): boolean => /^[a-z0-9]{8,24}$/.test(name ?? "");

export const forVisitor: EndpointOptions = {
  allowedOrigins: sameOrigin,
  onHandshake: (_request, { pathParameters: { visitor } }) =>
    isVisitor(visitor) ? undefined : new Response("A visitor has 8 to 24 small letters and digits", { status: 400 }),
  // The page sends only short numbers.
  maxTextMessageBufferSize: 8,
  rateLimit: { messages: 100, perMs: 10_000 },
};
