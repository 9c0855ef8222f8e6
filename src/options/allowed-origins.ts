// `allowedOrigins`: the origins whose pages may connect.
import type { EndpointConfig } from "../api/endpoint-options.ts";
import { isList, orFunction } from "./check.ts";
import type { Option } from "./option.ts";

export const allowedOrigins = {
  checks: {
    allowedOrigins: orFunction([
      'an array like ["https://example.com", "*.example.com"]',
      isList(/^(([a-z][\w+.-]*:\/\/(\*\.)?|\*\.)[^\s*/?#A-Z"]+|null)$/),
    ]),
  },
} as const satisfies Option<"allowedOrigins">;

/** Whether a request comes from a page that may connect, or from no page. */
export function isAllowed(request: Request, { allowedOrigins: allowed }: EndpointConfig): boolean {
  const origin = allowed && request.headers.get("Origin");
  if (!origin) return true;
  // An async function returns a promise, which allows nothing.
  if (typeof allowed === "function") return (allowed(origin, request) as unknown) === true;
  return allowed.some((pattern) => isOf(origin, pattern));
}

/** The origins that browsers send for pages whose host is a name. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/([a-z\d_-]+\.)*[a-z\d_-]+(:\d+)?$/;

/** Whether an origin matches a pattern: exactly, or as a subdomain if the pattern has a star. */
function isOf(origin: string, pattern: string): boolean {
  const [start, end = start] = pattern.split("*");
  if (start === end) return origin === pattern;
  return ORIGIN.test(origin) && origin.startsWith(start!) && origin.endsWith(end!);
}
