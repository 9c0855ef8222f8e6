// `allowedOrigins`: whose pages may connect.
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
  // A promise, which an asynchronous function returns, allows nothing.
  if (typeof allowed === "function") return (allowed(origin, request) as unknown) === true;
  return allowed.some((pattern) => isOf(origin, pattern));
}

/** What a browser sends as the origin of a page that has a host with a name. */
const ORIGIN = /^[a-z][a-z\d+.-]*:\/\/([a-z\d_-]+\.)*[a-z\d_-]+(:\d+)?$/;

/** Whether an origin is the one of a pattern, or one of its subdomains' where the pattern has a star. */
function isOf(origin: string, pattern: string): boolean {
  const [start, end = start] = pattern.split("*");
  if (start === end) return origin === pattern;
  return ORIGIN.test(origin) && origin.startsWith(start!) && origin.endsWith(end!);
}
