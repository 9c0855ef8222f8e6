// `socle`: Pedestal's WebSocket API on Cloudflare's Durable Objects.
export { CloseCode, CloseReason, CloseReasonError } from "./api/close-reason.ts";
export type { ContainerEvent } from "./api/container-event.ts";
export { addEndpoint, addEndpoints, defineEndpoint } from "./worker/add-endpoint.ts";
export type { ServerContainerOptions } from "./worker/container-options.ts";
export { ServerContainer } from "./worker/container.ts";
export type { EndpointLike, EndpointOfClass, EndpointsByPath } from "./worker/endpoint-like.ts";
export type { BroadcastOptions } from "./object/broadcast.ts";
export { Endpoint, type EndpointClass } from "./object/endpoint.ts";
export type { OtherEvent } from "./object/hooks.ts";
export {
  BufferFullError,
  DeploymentError,
  LimitError,
  LimitExceededError,
  MessageDroppedError,
  OverloadedError,
  PayloadError,
  SessionClosedError,
  SessionObjectError,
  SessionVersionError,
  TopicError,
  TopicLimitError,
  UnreachableError,
} from "./api/errors.ts";
export {
  extendWebSocketSendAsync,
  WebSocketSendAsync,
  wsSendAsync,
  type Payload,
  type SendsItself,
} from "./sending/payload.ts";
export { ProtocolError } from "./wire/frame.ts";
export type { RemoteEndpointAsync, SendResult } from "./api/remote-endpoint.ts";
export type { ResponseChannel, SendChannel, SendValue } from "./sending/send-channel.ts";
export type { PathParameters, Session } from "./api/session.ts";
export type { Callbacks } from "./api/callbacks.ts";
export type {
  EndpointConfig,
  EndpointOptions,
  HandshakeContext,
  MapOptions,
  MutableEndpointConfig,
} from "./api/endpoint-options.ts";
export type { FlowControl } from "./api/flow-control.ts";
export type { HandshakeClosure, HandshakeDecision, HandshakeResult, WorkerContext } from "./api/handshake-decision.ts";
export type { BindingName, NamespaceBinding } from "./api/namespace-binding.ts";
export type { RateLimit } from "./api/rate-limit.ts";
export type { SessionCodec } from "./api/session-codec.ts";
export type { ShardSettings } from "./api/shards.ts";
export type {
  EnvelopedPublication,
  HistorySettings,
  KeptPublication,
  Publication,
  PublicationsOptions,
  PublishOptions,
  SubscribeOptions,
  Subscription,
  TopicSettings,
  TopicState,
} from "./api/topics.ts";
export type { WsEndpointMap } from "./api/ws-endpoint-map.ts";
export { onOpenStartWsConnection, startWsConnection, type WsConnectionOptions } from "./session/start-ws-connection.ts";
export * from "./channel/index.ts";
