/**
 * What Aedes 1.2 gets wrong about MQTT 3.1.1, put right from outside: nothing of it is patched. Each file says which statement is about
 * what; test/ingest/mqtt311 holds the broker to all of them.
 */
import type { Aedes, Client, Subscription } from 'aedes';
import type { Clock } from '../../std/clock.ts';
import { type AedesBroker, type AedesClient, inside, insideClient } from './aedes.ts';
import { Delivery } from './delivery.ts';
import { keepOrder } from './packet-order.ts';
import { mendPersistence } from './persistence.ts';

/** Once `listen` has made the persistence, and before a client connects. */
export function mend(aedes: Aedes, clock: Clock): void {
  const broker = inside(aedes);
  const deliveries = new WeakMap<object, Delivery>();
  const store = mendPersistence(broker, (client) => deliveries.get(client));
  const handle = broker.handle.bind(broker);
  broker.handle = (stream, request) => {
    const client = insideClient(handle(stream, request));
    deliveries.set(client, new Delivery(client, { broker, store, clock }));
    keepOrder(client);
    return client;
  };
  const failed = (client: Client, error: unknown): void => {
    // The session has not got what was its due: it will when it connects again.
    if (!client.closed) insideClient(client).conn.destroy();
    broker.emit('error', error);
  };
  broker.on(
    'clientReady',
    (client) =>
      void deliveries
        .get(client)
        ?.start()
        .catch((error: unknown) => failed(client, error)),
  );
  broker.on('subscribe', (subscriptions: Subscription[], client: Client) => {
    deliveries
      .get(client)
      ?.sendRetained(subscriptions)
      .catch((error: unknown) => failed(client, error));
  });
  staysAlive(broker);
  registersOnce(broker);
}

/**
 * Aedes notes by the wall clock when each broker was last heard of, itself among them: after a step forward of more than three minutes it
 * took itself for dead, and published the wills of connected clients [MQTT-3.1.2-8].
 */
function staysAlive(broker: AedesBroker): void {
  Object.defineProperty(broker.brokers, broker.id, { enumerable: true, get: () => Number.POSITIVE_INFINITY, set: () => undefined });
}

/**
 * A client that connects again while the connection it has lost is being closed was taken off the list in its place, so that a third of the
 * same identifier did not disconnect it [MQTT-3.1.4-2].
 */
function registersOnce(broker: AedesBroker): void {
  const register = broker.registerClient.bind(broker);
  const unregister = broker.unregisterClient.bind(broker);
  const isListed = (client: AedesClient | undefined): client is AedesClient => client !== undefined && broker.clients[client.id] === client;
  broker.registerClient = (client) => {
    const present = broker.clients[client.id];
    if (present?.closed === true) unregister(present);
    register(client);
  };
  broker.unregisterClient = (client) => {
    if (isListed(insideClient(client))) unregister(client);
  };
}
