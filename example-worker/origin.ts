/** Only the Worker's own pages may connect, wherever it is deployed. */
export const sameOrigin = (origin: string, request: Request): boolean => origin === new URL(request.url).origin;
