/** What Aedes 1.2 has beyond its types and is relied on here: lib/client.js, aedes.js, and the persistence as they call it. */
import type { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import type { Aedes, AedesPublishPacket, Client, Subscription } from 'aedes';

export interface Incoming {
  readonly cmd: string;
  readonly messageId?: number;
  readonly subscriptions?: Subscription[];
}

/** A message on its way to a client, as it is matched, stored and read back. */
export interface Outgoing {
  readonly cmd: string;
  readonly brokerId?: string | null;
  readonly brokerCounter?: number;
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup?: boolean;
  messageId?: number | undefined;
}

export type Deliver = (packet: Outgoing, done: () => void) => void;

export interface AedesClient extends Client {
  readonly subscriptions: Readonly<Record<string, { readonly qos: number }>>;
  readonly connackSent: boolean;
  readonly errored: boolean;
  readonly will: object | null;
  deliver0: Deliver;
  deliverQoS: Deliver;
  pause(): void;
  resume(): void;
  waitForDrain(callback: () => void): void;
  _disconnected: boolean;
  _paused: boolean;
  _parsingBatch: number;
  _nextBatch: (error?: Error | null) => void;
  readonly _parser: EventEmitter;
}

export interface ClientName {
  readonly id: string;
}

export interface AedesPersistence {
  createRetainedStreamCombi(filters: readonly string[]): Readable;
  outgoingEnqueueCombi(to: readonly { readonly clientId: string; readonly qos: number }[], packet: Outgoing): Promise<unknown>;
  outgoingUpdate(client: ClientName, packet: { readonly cmd: string; messageId?: number | undefined }): Promise<unknown>;
  outgoingClearMessageId(client: ClientName, packet: { readonly messageId?: number | undefined }): Promise<unknown>;
  outgoingStream(client: ClientName & { readonly clean?: boolean }): Readable;
  incomingGetPacket(client: Client, packet: Incoming): Promise<unknown>;
  delWill(client: ClientName): Promise<unknown>;
}

export interface AedesBroker extends Aedes {
  readonly persistence: AedesPersistence;
  readonly clients: Readonly<Record<string, AedesClient | undefined>>;
  counter: number;
  registerClient(client: Client): void;
  unregisterClient(client: Client): void;
}

/** Aedes' types leave out what belongs to itself. */
export const inside = (broker: Aedes): AedesBroker => broker as AedesBroker;
export const insideClient = (client: Client): AedesClient => client as AedesClient;
/** To `authorizeForward`, which is declared for packets as Aedes makes them. */
export const asForwarded = (packet: Outgoing): AedesPublishPacket => packet as AedesPublishPacket;
