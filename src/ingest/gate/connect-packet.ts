/**
 * CONNECT, decoded and checked: what MQTT 3.1.1 has closed without an answer is a `Fault`, what it has answered is a return code. MQTT 3.1
 * (`MQIsdp`, level 3) is taken too, as is the bit by which mosquitto marks a bridge.
 */
import { Fields } from './fields.ts';
import { Fault } from './refusals.ts';

export interface Will {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

/** As Aedes takes it from mqtt-packet. */
export interface ConnectPacket {
  readonly cmd: 'connect';
  readonly protocolId: string;
  readonly protocolVersion: number;
  readonly bridgeMode: boolean;
  readonly clean: boolean;
  readonly keepalive: number;
  readonly clientId: string;
  readonly will?: Will;
  readonly username?: string;
  readonly password?: Buffer;
}

export interface RefusedConnect {
  readonly returnCode: 1 | 2 | 3;
  readonly detail: string;
}

/** Longer ones serve nobody, and are kept in many places. */
const CLIENT_ID_BYTES_MAX = 1024;
const BRIDGE = 0x80;

const RESERVED = 0x01;
const CLEAN = 0x02;
const WILL = 0x04;
const WILL_RETAIN = 0x20;
const PASSWORD = 0x40;
const USERNAME = 0x80;

export function connectAt(bytes: Buffer, start: number, end: number): ConnectPacket | RefusedConnect {
  const fields = new Fields(bytes, start, end);
  const protocolId = fields.text('the protocol name');
  const versionByte = fields.byte('the protocol level');
  const protocolVersion = versionByte & ~BRIDGE;
  if (protocolId !== 'MQTT' && protocolId !== 'MQIsdp') throw new Fault('malformed', 'the protocol name is not MQTT');
  if (protocolVersion !== (protocolId === 'MQTT' ? 4 : 3)) return { returnCode: 1, detail: `protocol level ${versionByte}` };
  const flags = fields.byte('the flags of CONNECT');
  checkFlags(flags);
  const keepalive = fields.uint16('the keepalive');
  const clientId = fields.text('the client id');
  const will = (flags & WILL) === 0 ? undefined : willIn(fields, flags);
  const username = (flags & USERNAME) === 0 ? undefined : fields.text('the user name');
  const password = (flags & PASSWORD) === 0 ? undefined : fields.binary('the password');
  fields.expectEnd('CONNECT');
  const clean = (flags & CLEAN) !== 0;
  if (clientId === '' && !clean) return { returnCode: 2, detail: 'an empty client id without a clean session' };
  if (Buffer.byteLength(clientId) > CLIENT_ID_BYTES_MAX)
    return { returnCode: 2, detail: `a client id of more than ${CLIENT_ID_BYTES_MAX} bytes` };
  return {
    cmd: 'connect',
    protocolId,
    protocolVersion,
    bridgeMode: versionByte >= BRIDGE,
    clean,
    keepalive,
    clientId,
    ...(will === undefined ? {} : { will }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
}

const qosOfWill = (flags: number): number => (flags >>> 3) & 3;

function checkFlags(flags: number): void {
  if ((flags & RESERVED) !== 0) throw new Fault('malformed', 'the reserved flag of CONNECT is set');
  if (qosOfWill(flags) === 3) throw new Fault('malformed', 'the QoS of the will is 3');
  if ((flags & WILL) === 0 && (flags & WILL_RETAIN || qosOfWill(flags) !== 0))
    throw new Fault('malformed', 'flags of a will without a will');
  if ((flags & USERNAME) === 0 && (flags & PASSWORD) !== 0) throw new Fault('malformed', 'a password without a user name');
}

function willIn(fields: Fields, flags: number): Will {
  const topic = fields.name('the topic of the will');
  // It lives as long as the connection, and must not keep alive all that was read with it.
  const payload = Buffer.from(fields.binary('the will'));
  return { topic, payload, qos: qosOfWill(flags), retain: (flags & WILL_RETAIN) !== 0 };
}
