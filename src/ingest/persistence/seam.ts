/**
 * The persistence as Aedes is to see it, where what Aedes makes of the answers would be wrong:
 *
 * - a session without subscriptions is one all the same (session present): it is told to Aedes as one that subscribes to a topic that
 *   nobody may subscribe to;
 * - of the filters in one SUBSCRIBE, Aedes stores all, those it refuses as well: only granted ones are;
 * - a will is kept for those only who may publish it;
 * - PUBREL is answered when the release of its identifier is durable.
 */
import type { Client } from 'aedes';
import type { Packet } from './packet.ts';
import type { Persistence } from './persistence.ts';
import type { Subscription } from './sessions.ts';

/** Refused by `authorizeSubscribe`, whoever asks. */
export const NO_SUBSCRIPTION: Subscription = { topic: '$tocsin/session', qos: 0 };

export interface SeamOptions {
  readonly isGranted: (subscription: object) => boolean;
  /** Whether the client may leave this as its will: who it was is not stored with it, and it may outlive the program. */
  readonly mayLeave: (client: Client, will: Packet) => boolean;
  /** PUBREL of this client: resolves when it may be answered. */
  readonly release: (client: Client, packetId: number) => Promise<void>;
}

/** To be called before Aedes listens. */
export function fitToAedes(persistence: Persistence, { isGranted, mayLeave, release }: SeamOptions): void {
  const subscriptionsByClient = persistence.subscriptionsByClient.bind(persistence);
  const addSubscriptions = persistence.addSubscriptions.bind(persistence);
  const putWill = persistence.putWill.bind(persistence);
  const incomingGetPacket = persistence.incomingGetPacket.bind(persistence);
  // Aedes asks this for a CONNECT without clean session, and for nothing else.
  persistence.subscriptionsByClient = async (client) => {
    const isPresent = persistence.sessions.find(client.id) !== undefined;
    persistence.beginSession(client.id);
    const subscriptions = await subscriptionsByClient(client);
    return isPresent && subscriptions.length === 0 ? [NO_SUBSCRIPTION] : subscriptions;
  };
  persistence.putWill = async (client: Client, will: Packet) => {
    if (mayLeave(client, will)) await putWill(client, will);
  };
  persistence.addSubscriptions = (client, subscriptions) => addSubscriptions(client, subscriptions.filter(isGranted));
  // Called for PUBREL before PUBCOMP is written: the identifier may be used again once its release is durable.
  persistence.incomingGetPacket = async (
    client: Client,
    packet: { readonly cmd?: string; readonly messageId?: number },
  ): Promise<Packet> => {
    if (packet.cmd === 'pubrel' && packet.messageId !== undefined) await release(client, packet.messageId);
    return incomingGetPacket(client, packet);
  };
}
