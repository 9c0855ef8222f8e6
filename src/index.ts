// `socle`: Pedestal's WebSocket API on Cloudflare's Durable Objects.
export { CloseCode, CloseReason, CloseReasonError } from "./close-reason.ts";
export type { ContainerEvent } from "./container-event.ts";
export {
  addEndpoint,
  addEndpoints,
  defineEndpoint,
  ServerContainer,
  type EndpointLike,
  type EndpointOfClass,
  type EndpointsByPath,
  type ServerContainerOptions,
} from "./container.ts";
export { Endpoint, type BroadcastOptions, type EndpointClass, type OtherEvent } from "./endpoint.ts";
export {
  BufferFullError,
  DeploymentError,
  LimitError,
  LimitExceededError,
  MessageDroppedError,
  PayloadError,
  SessionClosedError,
  SessionObjectError,
} from "./errors.ts";
export {
  extendWebSocketSendAsync,
  WebSocketSendAsync,
  wsSendAsync,
  type Payload,
  type SendsItself,
} from "./payload.ts";
export { ProtocolError } from "./flow-control/frame.ts";
export type { RemoteEndpointAsync, SendResult } from "./remote.ts";
export type { ResponseChannel, SendChannel, SendValue } from "./send-channel.ts";
export type { PathParameters, Session } from "./types.ts";
export type {
  Callbacks,
  EndpointConfig,
  BindingName,
  EndpointOptions,
  FlowControl,
  HandshakeClosure,
  HandshakeContext,
  HandshakeDecision,
  HandshakeResult,
  MapOptions,
  MutableEndpointConfig,
  NamespaceBinding,
  RateLimit,
  SessionCodec,
  WorkerContext,
  WsEndpointMap,
} from "./ws-endpoint-map.ts";
export { onOpenStartWsConnection, startWsConnection, type WsConnectionOptions } from "./ws-connection.ts";
export * from "./channel/index.ts";
