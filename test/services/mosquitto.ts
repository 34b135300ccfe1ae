/** The Mosquitto command-line clients, as a second opinion on our MQTT. */
import { type Available, obtainBinary } from './service.ts';

/** The path of `mosquitto_pub`; `mosquitto_sub` lies beside it. */
export const mosquittoPub = (): Promise<Available<string>> => obtainBinary('mosquitto_pub', 'mosquitto-clients');
export const mosquittoSub = (): Promise<Available<string>> => obtainBinary('mosquitto_sub', 'mosquitto-clients');
