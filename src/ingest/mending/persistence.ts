/**
 * Where Aedes and the persistence that it calls part from the standard, between the two. Whatever persistence it is, it may do any of this
 * itself.
 */
import { Readable } from 'node:stream';
import type { Client } from 'aedes';
import type { AedesBroker, AedesPersistence } from './aedes.ts';
import type { Delivery } from './delivery.ts';

/** @returns the persistence as it was, for those who stand in for Aedes */
export function mendPersistence(broker: AedesBroker, deliveryTo: (client: object) => Delivery | undefined): AedesPersistence {
  const { persistence } = broker;
  const store: AedesPersistence = {
    createRetainedStreamCombi: persistence.createRetainedStreamCombi.bind(persistence),
    outgoingEnqueueCombi: persistence.outgoingEnqueueCombi.bind(persistence),
    outgoingUpdate: persistence.outgoingUpdate.bind(persistence),
    outgoingClearMessageId: persistence.outgoingClearMessageId.bind(persistence),
    outgoingStream: persistence.outgoingStream.bind(persistence),
    incomingGetPacket: persistence.incomingGetPacket.bind(persistence),
    delWill: persistence.delWill.bind(persistence),
  };
  mendOutgoing(persistence, store, deliveryTo);
  mendIncoming(persistence, store);
  mendWills(broker, store);
  return store;
}

function mendOutgoing(persistence: AedesPersistence, store: AedesPersistence, deliveryTo: (client: object) => Delivery | undefined): void {
  // `Delivery` sends what is queued and what is retained. Of a session that is over, Aedes takes the queue away.
  persistence.outgoingStream = (client) => (client.clean === true ? store.outgoingStream(client) : Readable.from([]));
  persistence.createRetainedStreamCombi = () => Readable.from([]);
  // Aedes queues a message for each filter that matches, at its own QoS and with its RETAIN and DUP [MQTT-3.3.5-1, 3.3.1-9, 3.3.1-3].
  persistence.outgoingEnqueueCombi = async (to, packet) => {
    const granted = new Map<string, number>();
    for (const { clientId, qos } of to) granted.set(clientId, Math.max(granted.get(clientId) ?? 0, qos));
    for (const qos of [1, 2]) {
      const those = [...granted]
        .filter(([, most]) => Math.min(most, packet.qos) === qos)
        .map(([clientId, most]) => ({ clientId, qos: most }));
      if (those.length > 0) await store.outgoingEnqueueCombi(those, { ...packet, qos, retain: false, dup: false });
    }
  };
  // A PUBREC of no exchange ended the connection: it is answered, as there is nothing that could be sent again.
  persistence.outgoingUpdate = async (client, packet) => {
    const isUnknown = packet.cmd === 'pubrel' && deliveryTo(client)?.isOpen(packet.messageId ?? 0) === false;
    if (!isUnknown) await store.outgoingUpdate(client, packet);
  };
  persistence.outgoingClearMessageId = (client, packet) => {
    deliveryTo(client)?.acknowledged(packet.messageId ?? 0);
    return store.outgoingClearMessageId(client, packet);
  };
}

/** Aedes takes a QoS 2 PUBLISH for new until it is stored: its repetition in the same segment was delivered too [MQTT-4.3.3-2]. */
function mendIncoming(persistence: AedesPersistence, store: AedesPersistence): void {
  const begun = new WeakMap<Client, Set<number>>();
  persistence.incomingGetPacket = async (client, packet) => {
    const { cmd, messageId = 0 } = packet;
    const open = begun.get(client) ?? new Set<number>();
    if (cmd === 'publish') {
      // Aedes ends the connection of who leaves too many open.
      if (open.has(messageId)) return packet;
      open.add(messageId);
      begun.set(client, open);
    }
    const found = await store.incomingGetPacket(client, packet);
    if (cmd === 'pubrel') open.delete(messageId);
    return found;
  };
}

/** Where a client takes over, Aedes deletes the will of the one that goes when that of the one that comes is stored already [MQTT-3.1.2-8]. */
function mendWills(broker: AedesBroker, store: AedesPersistence): void {
  broker.persistence.delWill = async (client) => {
    const present = broker.clients[client.id];
    const isOfNext = present !== undefined && present !== client && !present.closed && present.will !== null;
    return isOfNext && !('conn' in client) ? undefined : store.delWill(client);
  };
}
