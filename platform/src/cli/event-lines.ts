import type { PlatformEvent } from '../index';
import { toJson } from './printable';

/** An event as a line for people; undefined for one that is not worth a line. */
export function describe(event: PlatformEvent): string | undefined {
  switch (event.type) {
    case 'device-connected':
      return `${event.deviceName} connected`;
    case 'device-disconnected':
      return `${event.deviceName} disconnected`;
    case 'device-refused':
      return `refused ${quoted(event.clientId)}: ${event.reason} (${event.returnCode})`;
    case 'version-reported':
      return `${event.deviceName} reports ${event.module ?? 'version'} ${event.version}`;
    case 'task-changed': {
      const { deviceName, state, history } = event.task;
      return `${event.upgradeId} ${deviceName} ${state} (${history.at(-1)?.reason})`;
    }
    case 'state-health':
      return event.degraded
        ? `DEGRADED: the state cannot be written: ${event.reason}`
        : 'the state can be written again';
    case 'state-problem':
      return `${event.what} ${quoted(event.name)}: ${event.reason}`;
    case 'broker-health':
      return event.connected ? 'joined the broker' : `the broker is away: ${event.reason}`;
    case 'config-answered':
      return `${event.deviceName} answers configuration ${event.configId} with ${event.code}`;
    case 'log-posted':
      return `${event.deviceName} uploads ${event.entries} entries of its log`;
    case 'gateway-request':
      return event.code === 200
        ? undefined
        : `${event.deviceName} is refused ${event.request}: ${event.reason} (${event.code})`;
    case 'topology-changed': {
      const { deviceName, gateway, isRelated } = event;
      return `${deviceName} is ${isRelated ? 'now' : 'no longer'} a sub-device of ${gateway.deviceName}`;
    }
    case 'properties-posted':
      return `${event.deviceName} posts ${Object.keys(event.properties).length} properties`;
    case 'sub-devices-found':
      return `${event.deviceName} has found ${event.devices.length} devices`;
    case 'bad-message':
      return `ignored a message on ${quoted(event.topic)}: ${quoted(event.reason)}`;
    default:
      return undefined;
  }
}

function quoted(text: string): string {
  return toJson(text.slice(0, 200));
}
